package ssh_test

import (
	"crypto/dsa" //nolint:staticcheck // to be refused
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	cryptossh "golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/ssh"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

func line(t *testing.T, public any) string {
	t.Helper()
	key, err := cryptossh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(cryptossh.MarshalAuthorizedKey(key)))
}

func complete(name string, value nhi.Value) (nhi.Value, error) {
	for _, field := range ssh.Kind().Access {
		if field.Name == name {
			values, errs := setting.Complete([]setting.Field{field}, nhi.Values{name: value})
			if len(errs) > 0 {
				return nhi.Value{}, errs[0]
			}
			return values[name], nil
		}
	}
	return nhi.Value{}, fmt.Errorf("no field %s", name)
}

func TestPublicKey(t *testing.T) {
	t.Parallel()
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	strong, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	plain := line(t, ed)
	for _, good := range []string{plain, line(t, &strong.PublicKey), line(t, &curve.PublicKey)} {
		for _, written := range []string{good, good + "\n", good + " ana@example.com\n", "  " + good + "  a b  "} {
			value, err := complete("public_key", nhi.Text(written))
			if err != nil || value.Text() != good {
				t.Errorf("%.60q became %.60q, %v", written, value.Text(), err)
			}
		}
	}
	w := paper(t)
	account := activate(t, open(t, ssh.Kind(), w.unprobed("")), w.account(t, time.Hour, w.access()))
	refused := map[string]string{
		"empty": "", "a word": "x", "half a key": plain[:40], "two keys": plain + "\n" + plain,
		"options": `command="id" ` + plain, "a marker": "@cert-authority " + plain,
		"a certificate": account.Evidence, "a weak RSA key": line(t, &weak.PublicKey), "a DSA key": dsaLine(t),
		"a type that lies": strings.Replace(plain, "ssh-ed25519", "ssh-rsa", 1),
		"a private key":    "-----BEGIN OPENSSH PRIVATE KEY-----", "a comment that forges": plain + " x\rforged",
		"too long": "ssh-rsa " + strings.Repeat("A", 100_000),
	}
	for name, text := range refused {
		if value, err := complete("public_key", nhi.Text(text)); !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%s became %.60q, %v", name, value.Text(), err)
		}
	}
}

func dsaLine(t *testing.T) string {
	t.Helper()
	var key dsa.PrivateKey
	if err := dsa.GenerateParameters(&key.Parameters, rand.Reader, dsa.L1024N160); err != nil {
		t.Fatal(err)
	}
	if err := dsa.GenerateKey(&key, rand.Reader); err != nil {
		t.Fatal(err)
	}
	return line(t, &key.PublicKey)
}

func TestAccessValues(t *testing.T) {
	t.Parallel()
	for name, values := range map[string]map[bool][]string{
		"principals": {
			true:  {"deploy", "ana@EXAMPLE.COM", "zone-web_1", "host.example:role", "étl"},
			false: {"*", "a*", "a,b", "a b", "a\nb", "", "-x", "a/b", "$USER", "a\u202eb", strings.Repeat("x", 129)},
		},
		"source_addresses": {
			true:  {"10.0.0.1", "10.0.0.0/8", "2001:db8::/32", "::1"},
			false: {"10.0.0.1/8", "10.0.0.0/33", "example.com", "!10.0.0.1", "10.0.0.1,10.0.0.2", "::ffff:10.0.0.1", "fe80::1%eth0", "0x0a000001", "10.0.0.*"},
		},
		"extensions": {
			true:  {"permit-pty", "permit-X11-forwarding", "no-touch-required"},
			false: {"permit-everything", "permit-x11-forwarding", "Permit-pty", "permit-pty "},
		},
	} {
		for good, list := range values {
			for _, text := range list {
				if _, err := complete(name, nhi.List(text)); (err == nil) != good || err != nil && !errors.Is(err, nhi.ErrInvalid) {
					t.Errorf("%s %.60q: %v", name, text, err)
				}
			}
		}
	}
	if value, err := complete("source_addresses", nhi.List("2001:DB8:0::/32")); err != nil || value.Items()[0] != "2001:db8::/32" {
		t.Errorf("a network became %v, %v", value, err)
	}
	values, errs := setting.Complete(ssh.Kind().Access, nhi.Values{
		"principals": nhi.List("deploy"), "public_key": nhi.Text(paper(t).access().Text("public_key")),
	})
	if len(errs) > 0 || !slices.Equal(values.Items("extensions"), []string{"permit-pty"}) {
		t.Errorf("defaults: %v, %v", values, errs)
	}
	if got, want := ssh.Kind().Privileges(values), []string{"extension permit-pty", "principal deploy"}; !slices.Equal(got, want) {
		t.Errorf("privileges are %q, want %q", got, want)
	}
}

// TestLargestAccess: what CheckAccess lets through fits into the evidence, and
// what it does not is refused where it is typed.
func TestLargestAccess(t *testing.T) {
	t.Parallel()
	w := paper(t)
	kind := ssh.Kind()
	access := w.access()
	var principals []string
	for i := range 60 {
		grown := nhi.Values{}
		for name, value := range access {
			grown[name] = value
		}
		principals = append(principals, fmt.Sprintf("principal-%03d-%s", i, strings.Repeat("x", 60)))
		grown["principals"] = nhi.List(principals...)
		if kind.CheckAccess(grown) != nil {
			break
		}
		access = grown
	}
	if n := len(access.Items("principals")); n < 30 || n == 60 {
		t.Fatalf("%d principals of 75 bytes fit", n)
	}
	account := w.account(t, time.Hour, access)
	long := strings.Repeat("x", nhi.MaxName)
	account.Mark.Grant = nhi.ApprovalID(long + "/" + strings.Repeat("y", nhi.MaxScope) + "/" + long + ":" + long)
	account.Mark.Grant = nhi.ApprovalID(strings.Replace(string(account.Mark.Grant), strings.Repeat("y", nhi.MaxScope), strings.TrimSuffix(strings.Repeat(strings.Repeat("y", 39)+"/", 3), "/"), 1))
	account.Mark.Target = long
	account.Principal = nhi.Principal(account.Mark.Grant, account.Mark.Target)
	account = activate(t, open(t, kind, w.unprobed("")), account)
	if n := len(account.Evidence); n > connector.MaxEvidence {
		t.Errorf("evidence of %d bytes", n)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	w := paper(t)
	kind := ssh.Kind()
	if err := kind.CheckSettings(w.unprobed("krl")); err != nil {
		t.Errorf("good settings: %v", err)
	}
	for name, settings := range map[string]setting.Settings{
		"no key":                      w.with(nhi.Values{"ca_key_file": nhi.Text("")}),
		"no list":                     w.with(nhi.Values{"krl_file": nhi.Text("")}),
		"a probe without hosts' keys": w.with(nhi.Values{"probe": nhi.List("a:22"), "known_hosts_file": nhi.Text("")}),
		"a host without port":         w.with(nhi.Values{"probe": nhi.List("bastion")}),
		"a host as URL":               w.with(nhi.Values{"probe": nhi.List("ssh://bastion:22")}),
		"port 0":                      w.with(nhi.Values{"probe": nhi.List("bastion:0")}),
		"another way to confirm":      w.unprobed("yes"),
	} {
		if err := kind.CheckSettings(settings); !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
		if _, err := kind.Open(t.Context(), settings); !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("open with %s: %v, want ErrInvalid", name, err)
		}
	}
}

// TestHomeFolder: "~/" is expanded, and the endpoint is the CA's.
func TestHomeFolder(t *testing.T) {
	w := paper(t)
	want, err := ssh.Kind().Endpoint(w.unprobed(""))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", w.server.Folder)
	settings := w.unprobed("")
	settings.Values["ca_key_file"] = nhi.Text("~/ca")
	settings.Values["krl_file"] = nhi.Text("~/from-home.krl")
	if got, err := ssh.Kind().Endpoint(settings); err != nil || got != want {
		t.Errorf("endpoint is %q, want %q (%v)", got, want, err)
	}
	c := open(t, ssh.Kind(), settings)
	activate(t, c, w.account(t, time.Hour, w.access()))
	if _, err := os.Stat(filepath.Join(w.server.Folder, "from-home.krl")); err != nil {
		t.Error(err)
	}
}

// TestCAKeys: which files can be a CA, for signing and for the endpoint.
func TestCAKeys(t *testing.T) {
	t.Parallel()
	keygen := testserver.Require(t, "ssh-keygen")
	for _, c := range []struct {
		name            string
		args            []string
		signs, endpoint bool
	}{
		{"ed25519", []string{"-t", "ed25519", "-N", ""}, true, true},
		{"ecdsa", []string{"-t", "ecdsa", "-b", "384", "-N", ""}, true, true},
		{"rsa", []string{"-t", "rsa", "-b", "2048", "-N", ""}, false, false},
		{"locked", []string{"-t", "ed25519", "-N", "a passphrase"}, false, true}, // by its .pub
	} {
		w := paper(t)
		path := filepath.Join(w.server.Folder, c.name)
		if out, err := exec.Command(keygen, append(c.args, "-q", "-f", path)...).CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen %q: %v\n%s", c.args, err, out)
		}
		w.server.CAKeyFile = path
		if endpoint, err := ssh.Kind().Endpoint(w.unprobed("")); (err == nil) != c.endpoint || err == nil && !strings.HasPrefix(endpoint, "SHA256:") {
			t.Errorf("%s: endpoint %q, %v", c.name, endpoint, err)
		}
		sys := open(t, ssh.Kind(), w.unprobed(""))
		account := w.account(t, time.Hour, w.access())
		account.Enabled = true
		outcome := one(t, sys.Enable(t.Context(), []connector.Account{account}))
		if (outcome.Err == nil) != c.signs {
			t.Errorf("%s: enable: %+v", c.name, outcome)
		}
	}
	w := paper(t)
	content := pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: []byte("canary-canary-canary")})
	write(t, w.server.CAKeyFile, string(content))
	if err := os.Remove(w.server.CAKeyFile + ".pub"); err != nil {
		t.Fatal(err)
	}
	_, err := ssh.Kind().Endpoint(w.unprobed(""))
	if !errors.Is(err, nhi.ErrInvalid) || strings.Contains(err.Error(), "Y2FuYXJ5") || strings.Contains(err.Error(), "canary") {
		t.Errorf("a broken key: %v", err)
	}
	if err := os.Remove(w.server.CAKeyFile); err != nil {
		t.Fatal(err)
	}
	if _, err := ssh.Kind().Endpoint(w.unprobed("")); !errors.Is(err, nhi.ErrUnreachable) {
		t.Errorf("a missing key: %v", err)
	}
}
