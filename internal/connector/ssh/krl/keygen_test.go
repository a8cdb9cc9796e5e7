package krl_test

import (
	"bytes"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/ssh/krl"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// bench is a folder with two CAs and certificates of theirs, and ssh-keygen.
type bench struct {
	folder, keygen string
	cas            map[string]ssh.Signer
	certificates   map[string]*ssh.Certificate
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{folder: t.TempDir(), keygen: testserver.Require(t, "ssh-keygen"), cas: map[string]ssh.Signer{}, certificates: map[string]*ssh.Certificate{}}
	for i, name := range []string{"ca", "other"} {
		signer, public := testKey(t, byte(i+1))
		b.cas[name] = signer
		b.write(t, name+".pub", string(ssh.MarshalAuthorizedKey(public)))
	}
	for i := range byte(12) {
		for name, ca := range b.cas {
			_, key := testKey(t, 100+i)
			certificate := &ssh.Certificate{
				Key: key, Serial: uint64(i), KeyId: fmt.Sprintf("id %d", i), CertType: ssh.UserCert,
				ValidPrincipals: []string{"x"}, ValidBefore: ssh.CertTimeInfinity,
			}
			if err := certificate.SignCert(rand.Reader, ca); err != nil {
				t.Fatal(err)
			}
			file := fmt.Sprintf("%s-%d-cert.pub", name, i)
			b.certificates[file] = certificate
			b.write(t, file, string(ssh.MarshalAuthorizedKey(certificate)))
			b.write(t, fmt.Sprintf("key-%d.pub", i), string(ssh.MarshalAuthorizedKey(key)))
		}
	}
	return b
}

func (b *bench) path(name string) string { return filepath.Join(b.folder, name) }

func (b *bench) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(b.path(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) run(t *testing.T, args ...string) {
	t.Helper()
	command := exec.Command(b.keygen, args...)
	command.Dir = b.folder
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen %q: %v\n%s", args, err, out)
	}
}

// agree compares our answer with that of ssh-keygen -Q for every certificate.
func (b *bench) agree(t *testing.T, file string) {
	t.Helper()
	data, err := os.ReadFile(b.path(file))
	if err != nil {
		t.Fatal(err)
	}
	list, err := krl.Parse(data)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if !bytes.Equal(list.Marshal(), data) {
		t.Errorf("%s: the bytes changed", file)
	}
	theirs := b.query(t, file)
	for name, certificate := range b.certificates {
		if ours := list.Revokes(certificate); ours != theirs[name] {
			t.Errorf("%s: %s is revoked: %v, and ssh-keygen says %v", file, name, ours, theirs[name])
		}
	}
}

// query returns what ssh-keygen -Q says about each certificate: "FILE (COMMENT): ok"
// or "…: REVOKED".
func (b *bench) query(t *testing.T, file string) map[string]bool {
	t.Helper()
	names := slices.Sorted(maps.Keys(b.certificates))
	command := exec.Command(b.keygen, append([]string{"-Q", "-f", file}, names...)...)
	command.Dir = b.folder
	out, _ := command.CombinedOutput() // fails where one is revoked
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(names) {
		t.Fatalf("ssh-keygen -Q %s: %s", file, out)
	}
	revoked := map[string]bool{}
	for i, name := range names {
		revoked[name] = strings.HasSuffix(lines[i], ": REVOKED")
		if !strings.HasPrefix(lines[i], name) || !revoked[name] && !strings.HasSuffix(lines[i], ": ok") {
			t.Fatalf("ssh-keygen -Q %s: %s", file, lines[i])
		}
	}
	return revoked
}

// TestAgreesWithSSHKeygen reads lists that ssh-keygen made in every way it
// knows, adds serials to each, and lets ssh-keygen read the result.
func TestAgreesWithSSHKeygen(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write(t, "serials", "serial: 1\nserial: 3-5\nserial: 9\n")
	b.write(t, "many", "serial: 1\nserial: 3\nserial: 5\nserial: 7\nserial: 9\nserial: 11\n")
	b.write(t, "ids", "id: id 2\nid: id 0\n")
	b.write(t, "mixed", "serial: 2\nid: id 7\n")
	key, err := os.ReadFile(b.path("key-4.pub"))
	if err != nil {
		t.Fatal(err)
	}
	b.write(t, "hash", "sha1: "+string(key))
	b.write(t, "hash256", "sha256: "+string(key))

	b.run(t, "-k", "-f", "empty.krl")
	b.run(t, "-k", "-f", "serials.krl", "-s", "ca.pub", "-z", "7", "serials")
	b.run(t, "-k", "-f", "many.krl", "-s", "ca.pub", "many")
	b.run(t, "-k", "-f", "ids.krl", "-s", "ca.pub", "ids")
	b.run(t, "-k", "-f", "wildcard.krl", "-s", "none", "ids")
	b.run(t, "-k", "-f", "mixed.krl", "-s", "ca.pub", "mixed")
	b.run(t, "-k", "-f", "key.krl", "key-3.pub")
	b.run(t, "-k", "-f", "certificate.krl", "ca-6-cert.pub", "other-0-cert.pub")
	b.run(t, "-k", "-f", "ca.krl", "ca.pub")
	b.run(t, "-k", "-f", "sha1.krl", "hash")
	b.run(t, "-k", "-f", "sha256.krl", "hash256")
	b.run(t, "-k", "-f", "several.krl", "-s", "other.pub", "many")
	b.run(t, "-k", "-u", "-f", "several.krl", "-s", "ca.pub", "mixed")
	b.run(t, "-k", "-u", "-f", "several.krl", "key-8.pub")

	for _, name := range []string{"empty", "serials", "many", "ids", "wildcard", "mixed", "key", "certificate", "ca", "sha1", "sha256", "several"} {
		b.agree(t, name+".krl")
		b.add(t, name+".krl", name+".ours.krl", 10, 11)
		b.agree(t, name+".ours.krl")
		// And ssh-keygen goes on from there without losing ours.
		b.run(t, "-k", "-u", "-f", name+".ours.krl", "key-9.pub")
		b.agree(t, name+".ours.krl")
		b.add(t, name+".ours.krl", name+".again.krl", 8, 10)
		b.agree(t, name+".again.krl")
	}
}

func (b *bench) add(t *testing.T, from, to string, serials ...uint64) {
	t.Helper()
	data, err := os.ReadFile(b.path(from))
	if err != nil {
		t.Fatal(err)
	}
	list, err := krl.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	version := list.Version()
	for _, serial := range serials {
		if _, err := list.Revoke(b.cas["ca"].PublicKey(), serial); err != nil {
			t.Fatal(err)
		}
	}
	list.Next(time.Now())
	if list.Version() != version+1 {
		t.Errorf("version went from %d to %d", version, list.Version())
	}
	before, err := krl.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	for name, certificate := range b.certificates {
		if before.Revokes(certificate) && !list.Revokes(certificate) {
			t.Errorf("%s is not revoked any more", name)
		}
	}
	b.write(t, to, string(list.Marshal()))
}

// TestOursAlone: a list that nobody but us ever touched.
func TestOursAlone(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.write(t, "new.krl", string(krl.New().Marshal()))
	b.agree(t, "new.krl")
	b.add(t, "new.krl", "one.krl", 3)
	b.agree(t, "one.krl")
	b.add(t, "one.krl", "two.krl", 4, 5, 9)
	b.agree(t, "two.krl")
}

// TestKeyFileIsNoList: mixing up krl_file and ca_key_file costs nothing.
func TestKeyFileIsNoList(t *testing.T) {
	t.Parallel()
	block := pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: []byte("x")})
	if _, err := krl.Parse(block); err == nil {
		t.Error("a key file is taken for a revocation list")
	}
}
