package vault_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/vault/api"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/storetest"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/vault"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

func TestMain(m *testing.M) { storetest.Main(m, byName) }

// settings are those of a ledger at a path of the mount secret.
func settings(address, path, token string) setting.Settings {
	return setting.Settings{
		Values:  nhi.Values{"address": nhi.Text(address), "path": nhi.Text(path)},
		Secrets: map[string]nhi.Secret{"token": nhi.NewSecret(token)},
	}
}

func opens(s setting.Settings) (ledger.Store, error) {
	return vault.Kind().Open(context.Background(), s, ledger.OpenOptions{Create: true})
}

// byName opens "ADDRESS PATH TOKEN", as another process does.
func byName(place string) (ledger.Store, error) {
	parts := strings.Fields(place)
	return opens(settings(parts[0], parts[1], parts[2]))
}

var paths atomic.Int64

// guarded returns a new path, and a token that has the policy of the guide for
// it, that text and no other.
func guarded(t testing.TB, server *testserver.VaultServer) (path, token string) {
	t.Helper()
	path = fmt.Sprintf("%sledgers/%d", server.Prefix(), paths.Add(1))
	return path, tokenWith(t, server, vault.Kind().Guard(settings(server.Address(), path, "")))
}

func tokenWith(t testing.TB, server *testserver.VaultServer, policy string) string {
	t.Helper()
	root, name := server.Client(""), fmt.Sprintf("%spolicy%d", server.Prefix(), paths.Add(1))
	if err := root.Sys().PutPolicy(name, policy); err != nil {
		t.Fatal(err)
	}
	made, err := root.Auth().Token().Create(&api.TokenCreateRequest{Policies: []string{name}, NoDefaultPolicy: true})
	if err != nil {
		t.Fatal(err)
	}
	return made.Auth.ClientToken
}

// place is a store at a path of its own.
func place(t *testing.T, server *testserver.VaultServer) (ledger.Store, string) {
	t.Helper()
	path, token := guarded(t, server)
	return connect(t, settings(server.Address(), path, token)), path
}

func connect(t *testing.T, s setting.Settings) ledger.Store {
	t.Helper()
	store, err := opens(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// The whole suite passes for whoever has the policy of the guide and no other.
func TestStore(t *testing.T) {
	t.Parallel()
	server := testserver.Vault(t)
	storetest.Run(t, func(t *testing.T) storetest.Open {
		path, token := guarded(t, server)
		return func() (ledger.Store, error) { return opens(settings(server.Address(), path, token)) }
	})
}

func TestProcesses(t *testing.T) {
	t.Parallel()
	server := testserver.Vault(t)
	storetest.RunProcesses(t, byName, func(t *testing.T) string {
		path, token := guarded(t, server)
		return server.Address() + " " + path + " " + token
	})
}

// A writer whose request hangs holds nobody up.
func TestSubjectsDoNotWait(t *testing.T) {
	t.Parallel()
	server := testserver.Vault(t)
	path, token := guarded(t, server)
	open := func() (ledger.Store, error) { return opens(settings(server.Address(), path, token)) }
	storetest.RunHeld(t, open, func(t *testing.T, key string) func() error {
		store, held := connect(t, settings(server.Address(), path, token)), make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		var once sync.Once
		server.Fault(func(r testserver.VaultRequest) testserver.VaultFault {
			fault := testserver.VaultPass
			if changes(r) && strings.HasSuffix(r.Path, key) {
				once.Do(func() { fault = testserver.VaultHang; close(held) })
			}
			return fault
		})
		result := make(chan error, 1)
		go func() { result <- store.Create(ctx, key, []byte("first")) }()
		<-held
		return func() error {
			cancel()
			return <-result
		}
	})
}

func changes(r testserver.VaultRequest) bool { return r.Method != http.MethodGet && r.Method != "LIST" }

// Requests and answers are lost while clients work: each answer that came is
// still that of one store.
func TestLinearizableWhileAnswersAreLost(t *testing.T) {
	t.Parallel()
	server := testserver.Vault(t)
	path, token := guarded(t, server)
	open := func() (ledger.Store, error) {
		server.Restore()
		defer server.Fault(func(testserver.VaultRequest) testserver.VaultFault {
			switch rand.N(10) {
			case 0:
				return testserver.VaultLose
			case 1:
				return testserver.VaultRefuse
			default:
				return testserver.VaultPass
			}
		})
		return opens(settings(server.Address(), path, token))
	}
	if storetest.Linearizable(t, open, true) == 0 {
		t.Error("nothing was lost")
	}
}

func BenchmarkStore(b *testing.B) {
	server := testserver.Vault(b)
	address := server.Client("").Address() // past the proxy, which is slower than Vault
	for _, entries := range storetest.BenchEntries {
		b.Run(fmt.Sprint(entries, " entries"), func(b *testing.B) {
			storetest.Bench(b, entries, func(b *testing.B) storetest.Open {
				path, token := guarded(b, server)
				return func() (ledger.Store, error) { return opens(settings(address, path, token)) }
			})
		})
	}
}

// The policy of the guide lets nobody change or remove anything.
func TestPolicyRefuses(t *testing.T) {
	t.Parallel()
	server := testserver.Vault(t)
	path, token := guarded(t, server)
	store := connect(t, settings(server.Address(), path, token))
	if err := store.Create(t.Context(), "grant/a/00000001", []byte("first")); err != nil {
		t.Fatal(err)
	}
	client := server.Client(token)
	data := map[string]any{"data": map[string]any{"value": []string{}}}
	mark := server.Mark()
	for name, run := range map[string]func() error{
		"update": func() error {
			_, err := client.Logical().Write("secret/data/"+path+"/grant/a/00000001", data)
			return err
		},
		"patch": func() error {
			_, err := client.KVv2("secret").Patch(t.Context(), path+"/grant/a/00000001", map[string]any{"value": "x"})
			return err
		},
		"delete": func() error { return client.KVv2("secret").Delete(t.Context(), path+"/grant/a/00000001") },
		"delete version": func() error {
			return client.KVv2("secret").DeleteVersions(t.Context(), path+"/grant/a/00000001", []int{1})
		},
		"destroy":  func() error { return client.KVv2("secret").Destroy(t.Context(), path+"/grant/a/00000001", []int{1}) },
		"undelete": func() error { return client.KVv2("secret").Undelete(t.Context(), path+"/grant/a/00000001", []int{1}) },
		"wipe":     func() error { return client.KVv2("secret").DeleteMetadata(t.Context(), path+"/grant/a/00000001") },
		"metadata": func() error {
			return client.KVv2("secret").PutMetadata(t.Context(), path+"/grant/a/00000001", api.KVMetadataPutInput{MaxVersions: 1})
		},
		"mount": func() error {
			_, err := client.Logical().Write("secret/config", map[string]any{"max_versions": 1})
			return err
		},
		"another": func() error {
			_, err := client.Logical().Write("secret/data/"+path+"x/grant/a/00000001", data)
			return err
		},
		"policy": func() error { return client.Sys().PutPolicy("x", "") },
	} {
		var refused *api.ResponseError
		if err := run(); !errors.As(err, &refused) || refused.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %v, want 403", name, err)
		}
	}
	if got := server.Changes(mark); len(got) > 0 {
		t.Errorf("changed: %q", got)
	}
	if value, err := store.Get(t.Context(), "grant/a/00000001"); err != nil || string(value) != "first" {
		t.Errorf("%q, %v", value, err)
	}
}

// Somebody with more rights deletes, destroys or overwrites an entry by hand:
// it is missed or stays what it was, and never made again.
func TestEntriesThatSomebodyRemoved(t *testing.T) {
	t.Parallel()
	server := testserver.Vault(t)
	root := server.Client("").KVv2("secret")
	for _, exact := range []bool{true, false} { // with the policy alone, and as root, who may update
		store, path := place(t, server)
		if !exact {
			store = connect(t, settings(server.Address(), path, server.Token()))
		}
		for name, c := range map[string]struct {
			remove func(secret string) error
			kept   bool
		}{
			"deleted":   {func(secret string) error { return root.Delete(t.Context(), secret) }, false},
			"destroyed": {func(secret string) error { return root.Destroy(t.Context(), secret, []int{1}) }, false},
			"overwritten": {func(secret string) error {
				_, err := root.Put(t.Context(), secret, map[string]any{"value": []string{"Zm9yZ2Vk"}})
				return err
			}, true},
			"overwritten and deleted": {func(secret string) error {
				_, err := root.Put(t.Context(), secret, map[string]any{"value": []string{"Zm9yZ2Vk"}})
				return errors.Join(err, root.Delete(t.Context(), secret))
			}, true},
		} {
			key := "grant/" + strings.ReplaceAll(name, " ", "-") + "/00000001"
			if err := store.Create(t.Context(), key, []byte("first")); err != nil {
				t.Fatal(err)
			}
			if err := c.remove(path + "/" + key); err != nil {
				t.Fatal(err)
			}
			value, err := store.Get(t.Context(), key)
			if c.kept && (err != nil || string(value) != "first") || !c.kept && !errors.Is(err, ledger.ErrNotFound) {
				t.Errorf("%s: get: %q, %v", name, value, err)
			}
			if err := store.Create(t.Context(), key, []byte("second")); !errors.Is(err, ledger.ErrExists) {
				t.Errorf("%s: create: %v, want ErrExists", name, err)
			}
			if keys, err := store.List(t.Context(), "grant/"); err != nil || !strings.Contains(strings.Join(keys, " "), key) {
				t.Errorf("%s: list: %q, %v", name, keys, err)
			}
		}
	}
}

// What the ledger's reader makes of that: a missing entry, by name.
func TestReaderNamesTheMissingEntry(t *testing.T) {
	t.Parallel()
	server := testserver.Vault(t)
	store, path := place(t, server)
	l, err := ledger.Create(t.Context(), store, storetest.Root(t), "test")
	if err != nil {
		t.Fatal(err)
	}
	name := ledger.GrantChain("dev/team/robot:default")
	if _, err := l.Append(t.Context(), ledger.Chain{Name: name}, ledger.BlockBody{Reason: "one"}, ledger.LiftBody{Reason: "two"}); err != nil {
		t.Fatal(err)
	}
	secret := path + "/grant/dev_252_46team_252_46robot_3adefault/00000001"
	if err := server.Client("").KVv2("secret").Delete(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	var broken *ledger.ChainError
	if _, err := l.Read(t.Context(), name); !errors.As(err, &broken) || broken.Seq != 1 || !errors.Is(err, ledger.ErrBroken) {
		t.Errorf("read: %v", err)
	}
	// And of what somebody put among the entries, under a name that is none of ours.
	if _, err := server.Client("").KVv2("secret").Put(t.Context(), path+"/policy/Odd", map[string]any{"x": "y"}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Read(t.Context(), ledger.PolicyChain); !errors.As(err, &broken) || broken.Seq != 1 {
		t.Errorf("read beside a foreign secret: %v", err)
	}
	faults, err := l.Verify(t.Context())
	if text := fmt.Sprint(faults); err != nil || len(faults) != 2 || !strings.Contains(text, "Odd") || !strings.Contains(text, "robot") {
		t.Errorf("verify: %v, %v", faults, err)
	}
}

// A chain is read by listing its own folder and getting its own entries.
func TestOneChainAlone(t *testing.T) {
	t.Parallel()
	server := testserver.Vault(t)
	store, _ := place(t, server)
	for _, chain := range []string{"grant/a", "grant/ab", "grant/b", "policy"} {
		if err := store.Create(t.Context(), chain+"/00000001", []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	asked := []string{}
	server.Fault(func(r testserver.VaultRequest) testserver.VaultFault {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Method)
		return testserver.VaultPass
	})
	keys, err := store.List(t.Context(), "grant/a/")
	if err != nil || len(keys) != 1 || keys[0] != "grant/a/00000001" || len(asked) != 1 {
		t.Errorf("%q, %v, after %q", keys, err, asked)
	}
}

// body decodes what was sent.
func body(r testserver.VaultRequest) (sent struct {
	Options map[string]int `json:"options"`
}) {
	_ = json.Unmarshal([]byte(r.Body), &sent)
	return sent
}

// Every write says that it wants to be the first.
func TestCheckAndSet(t *testing.T) {
	t.Parallel()
	server := testserver.Vault(t)
	store, _ := place(t, server)
	var wrong atomic.Int64
	server.Fault(func(r testserver.VaultRequest) testserver.VaultFault {
		if cas, set := body(r).Options["cas"]; changes(r) && (!set || cas != 0) {
			wrong.Add(1)
		}
		return testserver.VaultPass
	})
	if err := store.Create(t.Context(), "grant/a/00000001", []byte("x")); err != nil || wrong.Load() > 0 {
		t.Errorf("%v, %d writes without cas=0", err, wrong.Load())
	}
}
