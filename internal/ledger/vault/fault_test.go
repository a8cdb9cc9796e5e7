package vault_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/vault"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// mountInfo is Vault's answer about a mount that will do.
const mountInfo = `{"data":{"path":"secret/","type":"kv","options":{"version":"2"}}}`

// liar is no Vault: it says that the mount is as it must be, and then answers
// what a test says.
func liar(t *testing.T, lie http.HandlerFunc) ledger.Store {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1/sys/internal/") {
			says(200, mountInfo)(w, r)
			return
		}
		lie(w, r)
	}))
	t.Cleanup(server.Close)
	return connect(t, settings(server.URL, "nhi", "token"))
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// Whatever is no clear answer of Vault's is an error: no entry is created, held
// to exist, or missing because of it.
func TestNoAnswerSaysNothing(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		elsewhere.Add(1)
		says(404, `{"errors":[]}`)(w, r)
	}))
	t.Cleanup(other.Close)
	for name, lie := range map[string]http.HandlerFunc{
		"403":       says(403, `{"errors":["permission denied"]}`),
		"500":       says(500, `{"errors":["internal error"]}`),
		"sealed":    says(503, `{"errors":["Vault is sealed"]}`),
		"400":       says(400, `{"errors":["something else"]}`),
		"upgrading": says(400, `{"errors":["Upgrading from non-versioned to versioned data. This backend will be unavailable for a brief period"]}`),
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
		},
		"to a link": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
		},
		"empty 200":  says(200, ""),
		"204":        says(204, ""),
		"no data":    says(200, `{}`),
		"null data":  says(200, `{"data":null}`),
		"numbers":    says(200, `{"data":{"version":"x","keys":7,"data":{"value":3}}}`),
		"version 2":  says(200, `{"data":{"version":2,"data":{"value":["eA=="]},"metadata":{"version":2}}}`),
		"no base64":  says(200, `{"data":{"version":0,"data":{"value":["%%"]},"metadata":{"version":1}}}`),
		"destroyed":  says(200, `{"data":{"version":1,"destroyed":true,"data":null,"metadata":{"version":1}}}`),
		"garbage":    says(200, `{"data":{"keys":`),
		"a page":     says(404, "<html>not found</html>"),
		"no handler": says(404, `{"errors":["no handler for route"]}`),
		"404 alone":  says(404, `{}`),
		"404, more":  says(404, `{"errors":[],"data":{"metadata":{"version":2}}}`),
		"closed":     func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"partial":    says(200, `{"data":{"keys":["a"]},"warnings":["partial response"]}`),
		"folders":    says(200, `{"data":{"keys":["a/"]}}`),
		"a gigabyte": func(w http.ResponseWriter, _ *http.Request) {
			chunk := []byte(strings.Repeat("x", 1<<20))
			for range 1 << 10 {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := liar(t, lie)
			wantError := func(what string, err error) {
				t.Helper()
				if err == nil || errors.Is(err, ledger.ErrExists) || errors.Is(err, ledger.ErrNotFound) || errors.Is(err, ledger.ErrNoLedger) {
					t.Errorf("%s: %v", what, err)
				}
			}
			wantError("create", store.Create(t.Context(), "grant/a/00000001", []byte("x")))
			_, err := store.Get(t.Context(), "grant/a/00000001")
			wantError("get", err)
			_, err = store.List(t.Context(), "")
			wantError("list", err)
			_, err = store.Now(t.Context())
			wantError("now", err)
		})
	}
	t.Cleanup(func() {
		if elsewhere.Load() > 0 {
			t.Errorf("a redirect was followed %d times", elsewhere.Load())
		}
	})
}

// The answer to a create is lost: that is no success, and reading finds it.
func TestAnswerLost(t *testing.T) {
	t.Parallel()
	server := testserver.Vault(t)
	store, _ := place(t, server)
	server.Fault(func(r testserver.VaultRequest) testserver.VaultFault {
		if changes(r) {
			return testserver.VaultLose
		}
		return testserver.VaultPass
	})
	if err := store.Create(t.Context(), "grant/a/00000001", []byte("first")); err == nil || errors.Is(err, ledger.ErrExists) {
		t.Errorf("%v, want an error", err)
	}
	server.Restore()
	if value, err := store.Get(t.Context(), "grant/a/00000001"); err != nil || string(value) != "first" {
		t.Errorf("%q, %v", value, err)
	}
	if err := store.Create(t.Context(), "grant/a/00000001", []byte("second")); !errors.Is(err, ledger.ErrExists) {
		t.Errorf("create again: %v", err)
	}
	server.Cut()
	if _, err := store.List(t.Context(), ""); err == nil || strings.Contains(err.Error(), server.Token()) {
		t.Errorf("while Vault is away: %v", err)
	}
}

// A request that hangs ends with its context.
func TestContextEnds(t *testing.T) {
	t.Parallel()
	server := testserver.Vault(t)
	store, _ := place(t, server)
	ctx, cancel := context.WithCancel(t.Context())
	server.Fault(func(testserver.VaultRequest) testserver.VaultFault { cancel(); return testserver.VaultHang })
	if err := store.Create(ctx, "grant/a/00000001", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
}

// Where Vault or its storage bounds an entry, the error says so.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	for name, lie := range map[string]http.HandlerFunc{
		"request": says(413, `{"errors":["http: request body too large"]}`),
		"storage": says(500, `{"errors":["put failed due to value being too large; got 2000000 bytes, max: 1048576 bytes"]}`),
	} {
		err := liar(t, lie).Create(t.Context(), "grant/a/00000001", make([]byte, 1<<20))
		if err == nil || !strings.Contains(err.Error(), "no entry of 1048576 bytes") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := liar(t, says(500, "")).Create(t.Context(), "a/1", make([]byte, ledger.MaxEntry+1)); err == nil || !strings.Contains(err.Error(), "the most allowed") {
		t.Errorf("longer than any entry: %v", err)
	}
}

// Only a mount that keeps versions, and keeps them, holds a ledger.
func TestMounts(t *testing.T) {
	t.Parallel()
	server := testserver.Vault(t)
	root, prefix := server.Client(""), server.Prefix()
	mount := func(name, kind, version string) {
		t.Helper()
		input := &api.MountInput{Type: kind}
		if version != "" {
			input.Options = map[string]string{"version": version}
		}
		if err := root.Sys().Mount(prefix+name, input); err != nil {
			t.Fatal(err)
		}
	}
	mount("v1", "kv", "1")
	mount("transit", "transit", "")
	mount("v2", "kv", "2")
	mount("brief", "kv", "2")
	for name, want := range map[string]string{
		"v1": "a ledger needs kv, version 2", "transit": "a ledger needs kv, version 2", "missing": "no such mount", "v2/below": "a ledger needs kv, version 2", "v2": "",
	} {
		s := settings(server.Address(), "nhi", server.Token())
		s.Values["mount"] = nhi.Text(prefix + name)
		store, err := opens(s)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) || errors.Is(err, ledger.ErrNoLedger) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
		if err == nil {
			_ = store.Close()
		}
	}
	testserver.Wait(t, time.Minute, "the mount takes its settings", func() bool {
		_, err := root.Logical().Write(prefix+"brief/config", map[string]any{"delete_version_after": "768h"})
		return err == nil
	})
	s := settings(server.Address(), "nhi", server.Token())
	s.Values["mount"] = nhi.Text(prefix + "brief")
	store := connect(t, s)
	if err := store.Create(t.Context(), "root/00000001", nil); err == nil || errors.Is(err, ledger.ErrExists) || !strings.Contains(err.Error(), "delete_version_after") {
		t.Errorf("a mount that deletes: %v", err)
	}
}

// The token, and nothing of the environment, goes to the address alone; the
// clock is asked for without it and outside of the namespace.
func TestRequests(t *testing.T) {
	t.Parallel()
	requests := make(chan *http.Request, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests <- r
		if r.URL.Path == "/v1/sys/health" {
			says(200, `{"initialized":true,"sealed":false,"server_time_utc":1900000000}`)(w, r)
			return
		}
		says(200, mountInfo)(w, r)
	}))
	t.Cleanup(server.Close)
	s := settings(server.URL, "nhi", "token")
	s.Values["namespace"] = nhi.Text("team-a")
	store := connect(t, s)
	if r := <-requests; r.Header.Get("X-Vault-Namespace") != "team-a" || r.Header.Get("X-Vault-Token") != "token" {
		t.Errorf("%s: %v", r.URL, r.Header)
	}
	now, err := store.Now(t.Context())
	if err != nil || !now.Equal(time.Unix(1900000000, 0)) {
		t.Errorf("%s, %v", now, err)
	}
	if r := <-requests; r.Header.Get("X-Vault-Namespace") != "" || r.Header.Get("X-Vault-Token") != "" {
		t.Errorf("%s: %v", r.URL, r.Header)
	}
	for name, health := range map[string]string{
		"sealed": `{"initialized":true,"sealed":true,"server_time_utc":1900000000}`, "new": `{"initialized":false,"server_time_utc":1900000000}`,
		"no time": `{"initialized":true,"sealed":false}`, "before time": `{"initialized":true,"server_time_utc":-1}`,
	} {
		if now, err := liar(t, says(200, health)).Now(t.Context()); err == nil {
			t.Errorf("%s: %s", name, now)
		}
	}
}

func TestHostileSettings(t *testing.T) {
	t.Parallel()
	for name, value := range map[string][2]string{
		"http":        {"address", "http://vault.internal:8200"},
		"a path":      {"address", "https://h:1/v1"},
		"a user":      {"address", "https://user:s3cr3t@h:1"},
		"up":          {"path", "../sys"},
		"a glob":      {"path", "a*"},
		"a plus":      {"path", "+"},
		"rooted":      {"path", "/a"},
		"an end":      {"path", "a/"},
		"an escape":   {"path", "a%2fb"},
		"upper":       {"path", "A"},
		"mount up":    {"mount", "secret/../sys"},
		"namespace":   {"namespace", "a/../b"},
		"reserved":    {"namespace", "sys"},
		"no such CA":  {"ca_cert_file", "/no/such/file"},
		"no CA":       {"ca_cert_file", os.Args[0]},
		"hidden path": {"path", "a\nb"},
	} {
		s := settings("https://127.0.0.1:1", "nhi", "s3cr3t")
		s.Values[value[0]] = nhi.Text(value[1])
		if _, err := opens(s); !errors.Is(err, nhi.ErrInvalid) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
		if text := vault.Kind().Guard(s); text != "" && value[0] != "ca_cert_file" {
			t.Errorf("%s: guard %s", name, text)
		}
	}
	if _, err := opens(settings("https://127.0.0.1:1", "nhi", "s3cr3t\n")); !errors.Is(err, nhi.ErrInvalid) || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("token: %v", err)
	}
}

// The guide shows what is in force: the very text of the guard.
func TestGuideShowsTheGuard(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../../templates/guides/ledger-vault.md.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	guard := vault.Kind().Guard(settings("https://vault.internal:8200", "", ""))
	if guard == "" || !strings.Contains(string(guide), "```text\n"+guard+"```\n") {
		t.Error(fmt.Sprint("templates/guides/ledger-vault.md.tmpl does not show the guard as it is:\n", guard))
	}
}
