package vault_test

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/vault"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

func settingsOf(url, namespace, mount string) setting.Settings {
	values := nhi.Values{"url": nhi.Text(url)}
	if namespace != "" {
		values["namespace"] = nhi.Text(namespace)
	}
	if mount != "" {
		values["approle_mount"] = nhi.Text(mount)
	}
	return setting.Settings{Values: values, Secrets: map[string]nhi.Secret{"token": nhi.NewSecret("x")}}
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ url, namespace, mount, want string }{
		{"https://vault.internal:8200", "", "", "https://vault.internal:8200/auth/approle"},
		{"https://Vault.Internal:8200/", "", "approle", "https://vault.internal:8200/auth/approle"},
		{"https://vault.internal", "", "", "https://vault.internal:443/auth/approle"},
		{"https://vault.internal:8200", "team-a/dev", "ci/approle", "https://vault.internal:8200/team-a/dev/auth/ci/approle"},
		{"http://127.0.0.1:8200", "", "", "http://127.0.0.1:8200/auth/approle"},
		{"http://[::1]:8200", "", "", "http://[::1]:8200/auth/approle"},
		{"http://[::ffff:127.0.0.1]:8200", "", "", "http://127.0.0.1:8200/auth/approle"},
		{"http://vault.internal:8200", "", "", ""},
		{"http://localhost:8200", "", "", ""},
		{"http://10.0.0.1:8200", "", "", ""},
		{"https://vault.internal:8200/v1", "", "", ""},
		{"https://user:secret@vault.internal:8200", "", "", ""},
		{"https://vault.internal:8200?x=y", "", "", ""},
		{"https://vault.internal:8200#x", "", "", ""},
		{"https://vault.internal:08200", "", "", ""},
		{"https://vault.internal:", "", "", ""},
		{"https://127.1:8200", "", "", ""},
		{"https://[fe80::1%25eth0]:8200", "", "", ""},
		{"unix:///run/vault.sock", "", "", ""},
		{"vault.internal:8200", "", "", ""},
		{"", "", "", ""},
		{"https://vault.internal:8200", "auth", "", ""},
		{"https://vault.internal:8200", "a/../b", "", ""},
		{"https://vault.internal:8200", "a/", "", ""},
		{"https://vault.internal:8200", "", "../sys", ""},
		{"https://vault.internal:8200", "", "/approle", ""},
	} {
		got, err := vault.Kind().Endpoint(settingsOf(c.url, c.namespace, c.mount))
		if got != c.want || (err != nil) != (c.want == "") || err != nil && !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%q %q %q: %q, %v, want %q", c.url, c.namespace, c.mount, got, err, c.want)
		}
	}
}

func TestPolicyNames(t *testing.T) {
	t.Parallel()
	for policy, want := range map[string]string{
		"orders-read": "orders-read", "Orders-Read": "orders-read", "team/app.read_only": "team/app.read_only", "default": "default",
		"root": "", "ROOT": "", "response-wrapping": "", "control-group": "", "a//b": "", "../a": "", "a/../b": "", "a/": "", "/a": "", ".": "", "..": "",
		"a b": "", "a*": "", "a+": "", "a%2fb": "", "a?b": "", "ä": "",
	} {
		values := nhi.Values{"policies": nhi.List(policy)}
		complete, errs := setting.Complete(vault.Kind().Access, values)
		if (len(errs) > 0) != (want == "") || want != "" && complete.Items("policies")[0] != want {
			t.Errorf("%q: %v, %v, want %q", policy, complete, errs, want)
		}
	}
	many := make([]string, 33)
	for i := range many {
		many[i] = "p" + string(rune('a'+i%26)) + string(rune('a'+i/26))
	}
	if err := vault.Kind().CheckAccess(nhi.Values{"policies": nhi.List(many...), "token_ttl": nhi.Text("1h")}); !errors.Is(err, nhi.ErrInvalid) {
		t.Errorf("33 policies: %v", err)
	}
	for name, access := range map[string]nhi.Values{
		"adopt without an end":   {"policies": nhi.List("a"), "token_ttl": nhi.Text("1h"), "adopt": nhi.Text("x")},
		"an end without adopt":   {"policies": nhi.List("a"), "token_ttl": nhi.Text("1h"), "on_revoke": nhi.Text("delete")},
		"an end that is unknown": {"policies": nhi.List("a"), "token_ttl": nhi.Text("1h"), "adopt": nhi.Text("x"), "on_revoke": nhi.Text("keep")},
		"no policy":              {"policies": nhi.List(), "token_ttl": nhi.Text("1h")},
		"a token for two days":   {"policies": nhi.List("a"), "token_ttl": nhi.Text("48h")},
	} {
		if err := vault.Kind().CheckAccess(access); !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
}

// TestServerIsProven: over TLS by the file of authorities alone, and the
// namespace goes with every request.
func TestServerIsProven(t *testing.T) {
	t.Parallel()
	namespaces := make(chan string, 10)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		namespaces <- r.Header.Get("X-Vault-Namespace")
		says(403, `{"errors":["permission denied"]}`)(w, r)
	}))
	t.Cleanup(server.Close)
	server.TLS.MinVersion = tls.VersionTLS12
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		file    string
		reached bool
	}{{file, true}, {"", false}} {
		settings := settingsOf(server.URL, "team-a", "")
		if c.file != "" {
			settings.Values["ca_cert_file"] = nhi.Text(c.file)
		}
		system, err := vault.Kind().Open(t.Context(), settings)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := system.Read(t.Context(), nil); !errors.Is(err, nhi.ErrUnreachable) {
			t.Errorf("read: %v", err)
		}
		_ = system.Close()
		select {
		case namespace := <-namespaces:
			if !c.reached || namespace != "team-a" {
				t.Errorf("file %q: asked in namespace %q", c.file, namespace)
			}
		default:
			if c.reached {
				t.Error("the server was not asked")
			}
		}
	}
	for _, missing := range []string{"/no/such/file", os.Args[0]} {
		settings := settingsOf(server.URL, "", "")
		settings.Values["ca_cert_file"] = nhi.Text(missing)
		if _, err := vault.Kind().Open(t.Context(), settings); !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", missing, err)
		}
	}
}
