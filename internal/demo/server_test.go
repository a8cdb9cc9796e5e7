package main

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/ssh/krl"
)

// TestServer holds the server to what the story claims of it: the certificate
// alone opens, and each thing that is wrong with one is enough to refuse.
func TestServer(t *testing.T) {
	s := newScene(t)
	soon, past := time.Now().Add(time.Hour), time.Now().Add(-time.Second)
	for name, test := range map[string]struct {
		ca, user string
		end      time.Time
		serial   uint64
		list     bool // there is a revocation list, of serial 7
		want     []string
	}{
		"good":                {ca: "ca", user: "deploy", end: soon, serial: 6, list: true},
		"no certificate":      {user: "deploy", list: true, want: []string{reasonBare}},
		"revoked":             {ca: "ca", user: "deploy", end: soon, serial: 7, list: true, want: []string{reasonRevoked}},
		"ended":               {ca: "ca", user: "deploy", end: past, serial: 6, list: true, want: []string{reasonExpired}},
		"both":                {ca: "ca", user: "deploy", end: past, serial: 7, list: true, want: []string{reasonRevoked, reasonExpired}},
		"no revocation list":  {ca: "ca", user: "deploy", end: soon, serial: 6, want: []string{reasonRevoked}},
		"another user":        {ca: "ca", user: "root", end: soon, serial: 6, list: true, want: []string{`ssh: principal "root" not in the set of valid principals for given certificate: ["deploy"]`}},
		"another authority":   {ca: "host", user: "deploy", end: soon, serial: 6, list: true, want: []string{"ssh: certificate signed by unrecognized authority"}},
		"the user's own hand": {ca: "etl", user: "deploy", end: soon, serial: 6, list: true, want: []string{"ssh: certificate signed by unrecognized authority"}},
	} {
		t.Run(name, func(t *testing.T) {
			s.certify(t, test.ca, test.end, test.serial)
			s.list(t, test.list)
			made, err := s.login(t.Context(), "etl", test.user)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(made.reasons, test.want) {
				t.Errorf("refused for %q, want %q", made.reasons, test.want)
			}
		})
	}
}

// TestHostKey: another host's answer counts for nothing.
func TestHostKey(t *testing.T) {
	s := newScene(t)
	s.list(t, true)
	other, err := s.keys.signer("ca")
	must(t, err)
	must(t, os.WriteFile(s.place.knownHosts(), []byte(knownhosts.Line([]string{s.server.address}, other.PublicKey())+"\n"), 0o600))
	if made, err := s.login(t.Context(), "etl", "deploy"); err == nil {
		t.Errorf("a host with another key was believed: %v", made)
	}
}

// scene is a story with keys and a server, and nothing else.
type scene struct{ *story }

func newScene(t *testing.T) scene {
	t.Helper()
	root := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(root, "work", "keys"), 0o700))
	place := &workspace{root: root}
	s := scene{&story{place: place, keys: keyring{place.path("work/keys")}}}
	must(t, s.keys.make("ca", "host", "etl"))
	host, err := s.keys.signer("host")
	must(t, err)
	ca, err := s.keys.signer("ca")
	must(t, err)
	s.server, err = startServer(t.Context(), host, ca.PublicKey(), place.path("work/revoked.krl"))
	must(t, err)
	t.Cleanup(s.server.close)
	must(t, os.WriteFile(place.knownHosts(), []byte(knownhosts.Line([]string{s.server.address}, host.PublicKey())+"\n"), 0o600))
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// certify puts a certificate beside the key etl; none where ca is empty.
func (s scene) certify(t *testing.T, ca string, end time.Time, serial uint64) {
	t.Helper()
	path := s.keys.file("etl") + "-cert.pub"
	if ca == "" {
		must(t, os.RemoveAll(path))
		return
	}
	key, err := s.keys.signer("etl")
	must(t, err)
	authority, err := s.keys.signer(ca)
	must(t, err)
	certificate := &ssh.Certificate{
		Key: key.PublicKey(), Serial: serial, CertType: ssh.UserCert, ValidPrincipals: []string{"deploy"},
		ValidAfter: uint64(end.Add(-2 * time.Hour).Unix()), ValidBefore: uint64(end.Unix()),
	}
	must(t, certificate.SignCert(rand.Reader, authority))
	must(t, os.WriteFile(path, ssh.MarshalAuthorizedKey(certificate), 0o600))
}

// list writes the revocation list, with serial 7 on it, or removes it.
func (s scene) list(t *testing.T, there bool) {
	t.Helper()
	if !there {
		must(t, os.RemoveAll(s.server.krlFile))
		return
	}
	list := krl.New()
	_, err := list.Revoke(s.server.ca, 7)
	must(t, err)
	must(t, os.WriteFile(s.server.krlFile, list.Marshal(), 0o600))
}
