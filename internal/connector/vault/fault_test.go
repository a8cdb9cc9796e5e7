package vault_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// liar stands before a real Vault, and answers what a test says instead of it.
// The mount is answered truly, so that a lie about an account is reached.
func (b *bench) liar(t *testing.T, about string, lie http.HandlerFunc) connector.Connector {
	t.Helper()
	to, err := url.Parse(b.Address())
	b.mustDo(err)
	proxy := httputil.NewSingleHostReverseProxy(to)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1/"+about) {
			lie(w, r)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	settings := b.settings()
	settings.Values["url"] = nhi.Text(server.URL)
	return b.on(t).open(settings)
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// TestNoAnswerIsNeverGone: whatever is no clear answer of Vault's is an error,
// nothing is taken for gone or for ours, and nothing is changed.
func TestNoAnswerIsNeverGone(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Vault(t))
	account, victim := b.active(), b.active(b.write)
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		elsewhere.Add(1)
		says(404, `{"errors":[]}`)(w, r)
	}))
	defer other.Close()
	lies := map[string]http.HandlerFunc{
		"403":     says(403, `{"errors":["permission denied"]}`),
		"500":     says(500, `{"errors":["internal error"]}`),
		"sealed":  says(503, `{"errors":["Vault is sealed"]}`),
		"standby": says(429, `{"errors":[]}`),
		"400":     says(400, `{"errors":[]}`),
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
		},
		"redirect to a link": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
		},
		"empty 200":           says(200, ""),
		"no data":             says(200, `{}`),
		"null data":           says(200, `{"data":null}`),
		"errors in 200":       says(200, `{"errors":[]}`),
		"garbage":             says(200, `{"data":{"id":`),
		"numbers for names":   says(200, `{"data":{"id":1,"name":2,"keys":3,"token_policies":4}}`),
		"a page":              says(404, "<html>not found</html>"),
		"no such mount":       says(404, `{"errors":["no handler for route"]}`),
		"404 without errors":  says(404, `{}`),
		"404 and more":        says(404, `{"errors":[],"data":{"x":1}}`),
		"404 twice":           says(404, `{"errors":[]}{"errors":[]}`),
		"a gigabyte":          gigabyte,
		"another's":           b.another(account, victim),
		"another's, by list":  says(200, `{"data":{"keys":["`+victim.ID+`"]},"warnings":["partial response due to timeout"]}`),
		"closed":              func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"control characters":  says(200, "\x00\x1b[2J"),
		"an entity and no id": says(200, `{"data":{"name":"`+account.Principal+`"}}`),
	}
	for what, lie := range lies {
		for _, about := range []string{"identity/entity/", "auth/" + b.mount + "/role"} {
			t.Run(what+" about "+strings.Split(about, "/")[0], func(t *testing.T) {
				liar := b.liar(t, about, lie)
				b.on(t).changedNothing(func() { neverGone(t, liar, account) })
			})
		}
	}
	if elsewhere.Load() > 0 {
		t.Errorf("a redirect was followed %d times", elsewhere.Load())
	}
	for _, one := range []connector.Account{account, victim} {
		if seen := b.observe(one); seen.State != connector.Active || len(seen.Findings) > 0 {
			t.Errorf("after all lies %s is %s %q", one.Principal, seen.State, seen.Findings)
		}
	}
}

func neverGone(t *testing.T, c connector.Connector, account connector.Account) {
	t.Helper()
	one := []connector.Account{account}
	if holdings, err := c.Read(t.Context(), one); err == nil {
		t.Errorf("read: %s", holdings.Of(account).State)
	} else if !errors.Is(err, nhi.ErrUnreachable) {
		t.Errorf("read: %v, want ErrUnreachable", err)
	}
	for name, effect := range map[string]func(context.Context, []connector.Account) []connector.Outcome{
		"revoke": c.Revoke, "prepare": c.Prepare, "enable": c.Enable, "probe": c.Probe,
	} {
		outcome := effect(t.Context(), one)[0]
		if !errors.Is(outcome.Err, nhi.ErrUnreachable) && !errors.Is(outcome.Err, nhi.ErrUnconfirmed) {
			t.Errorf("%s: %s, %v, want ErrUnreachable", name, outcome.State, outcome.Err)
		}
	}
}

func gigabyte(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, `{"data":{"id":"`)
	part := bytes.Repeat([]byte("x"), 1<<20)
	for range 1 << 10 {
		if _, err := w.Write(part); err != nil {
			return
		}
	}
}

// another answers with another entity, and another AppRole, than was asked for.
func (b *bench) another(account, victim connector.Account) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		path := strings.NewReplacer(account.ID, victim.ID, account.Principal, victim.Principal).Replace(strings.TrimPrefix(r.URL.Path, "/v1/"))
		if strings.HasSuffix(path, "role-id") {
			says(200, `{"data":{}}`)(w, r)
			return
		}
		answer, err := b.root.Logical().ReadRaw(path)
		if answer == nil || err != nil && answer.Body == nil {
			says(500, "")(w, r)
			return
		}
		defer func() { _ = answer.Body.Close() }()
		w.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(w, answer.Body)
	}
}

// TestNoAnswerInTime: a call ends with its context, also where Vault says
// nothing.
func TestNoAnswerInTime(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.Vault(t))
	account := b.active()
	b.Fault(func(testserver.VaultRequest) testserver.VaultFault { return testserver.VaultHang })
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	outcome := b.system.Revoke(ctx, []connector.Account{account})[0]
	if !errors.Is(outcome.Err, nhi.ErrUnreachable) || !errors.Is(outcome.Err, context.DeadlineExceeded) || time.Since(start) > 10*time.Second {
		t.Errorf("revoke: %s, %v after %s", outcome.State, outcome.Err, time.Since(start))
	}
	b.Restore()
	if seen := b.observe(account); seen.State != connector.Active {
		t.Errorf("the account is %s", seen.State)
	}
}

// TestSealed: a Vault that is sealed is not one that holds nothing.
func TestSealed(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.PrivateVault(t))
	account := b.active()
	credential := b.issue(account, nil)
	b.Seal()
	neverGone(t, b.system, account)
	b.Unseal()
	if !b.canRead(b.loginWith(credential), "secret/data/orders") {
		t.Error("the account does not work any more")
	}
}

// TestKilledAnywhere cuts the way to Vault after each request, before or after
// Vault followed it. The next run finishes, and leaves nothing behind.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	for _, fault := range []testserver.VaultFault{testserver.VaultRefuse, testserver.VaultLose} {
		t.Run(fmt.Sprint(fault), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, testserver.Vault(t))
			for n := 1; ; n++ {
				if n > 200 {
					t.Fatal("it never comes through")
				}
				account := b.account()
				killed := b.killAfter(n, fault, func() { b.run(&account) })
				b.Restore()
				account = b.activate(account)
				credential := b.issue(account, nil)
				if !b.canRead(b.loginWith(credential), "secret/data/orders") {
					t.Fatalf("killed at request %d: the account does not work", n)
				}
				killedAgain := b.killAfter(n, fault, func() { b.revoke(account) })
				b.Restore()
				lost := account
				if n%2 == 0 && killedAgain == 0 {
					lost.ID, lost.Evidence = "", ""
				}
				if outcome := b.revoke(lost); outcome.Err != nil || outcome.State != connector.Absent {
					t.Fatalf("killed at request %d: revoke: %s %q, %v", n, outcome.State, outcome.Findings, outcome.Err)
				}
				if left := b.left(account); left != "" {
					t.Fatalf("killed at request %d: left behind: %s", n, left)
				}
				if killed+killedAgain == 0 {
					break
				}
			}
		})
	}
}

// run prepares, enables and issues, as far as it comes. What it cannot record
// is lost.
func (b *bench) run(account *connector.Account) {
	prepared := b.prepare(*account)
	if prepared.Err != nil {
		return
	}
	account.ID, account.Evidence, account.Enabled = prepared.ID, prepared.Evidence, true
	if enabled := b.enable(*account); enabled.Err == nil {
		account.Evidence = enabled.Evidence
	}
}

// killAfter runs with a way to Vault that ends with the nth request, and returns
// how many requests did not come through.
func (b *bench) killAfter(n int, fault testserver.VaultFault, run func()) int64 {
	var requests, killed atomic.Int64
	b.Fault(func(testserver.VaultRequest) testserver.VaultFault {
		switch at := requests.Add(1); {
		case at < int64(n):
			return testserver.VaultPass
		case at == int64(n):
			killed.Add(1)
			return fault
		}
		killed.Add(1)
		return testserver.VaultRefuse
	})
	run()
	return killed.Load()
}

// left names what is left of an account.
func (b *bench) left(account connector.Account) string {
	b.t.Helper()
	for _, name := range []string{account.Principal, account.Principal + "-" + account.Mark.Nonce} {
		if b.get("identity/entity/name/"+name) != nil {
			return "entity " + name
		}
	}
	if b.get(b.rolePath(account.Principal)) != nil {
		return "AppRole"
	}
	return ""
}
