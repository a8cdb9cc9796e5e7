package signature_test

import (
	"bytes"
	"crypto"
	"crypto/dsa" //nolint:staticcheck // DSA is here to be refused
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

const message = "sha256:00 a/b/c:default\n"

func newSigner(t testing.TB, key crypto.Signer, err error) ssh.Signer {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func newEd25519(t testing.TB) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return newSigner(t, key, err)
}

func newECDSA(t testing.TB, curve elliptic.Curve) ssh.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	return newSigner(t, key, err)
}

func newRSA(t testing.TB) ssh.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	return newSigner(t, key, err)
}

func newCertificate(t testing.TB) ssh.Signer {
	t.Helper()
	signer := newEd25519(t)
	certificate := &ssh.Certificate{Key: signer.PublicKey(), CertType: ssh.UserCert, ValidBefore: ssh.CertTimeInfinity}
	if err := certificate.SignCert(rand.Reader, newEd25519(t)); err != nil {
		t.Fatal(err)
	}
	made, err := ssh.NewCertSigner(certificate, signer)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// signAnything signs without the checks of Sign.
func signAnything(t testing.TB, signer ssh.Signer, hash sshsig.HashAlgorithm, namespace string) string {
	t.Helper()
	made, err := sshsig.Sign(strings.NewReader(message), signer, hash, namespace)
	if err != nil {
		t.Fatal(err)
	}
	return string(sshsig.Armor(made))
}

func TestSignAndVerify(t *testing.T) {
	t.Parallel()
	for name, signer := range map[string]ssh.Signer{
		"ed25519": newEd25519(t), "ecdsa": newECDSA(t, elliptic.P256()),
		"sk-ed25519": newToken(t, ssh.KeyAlgoSKED25519), "sk-ecdsa": newToken(t, ssh.KeyAlgoSKECDSA256),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, namespace := range []string{signature.NamespaceDecision, signature.NamespacePolicy, signature.NamespaceRequest} {
				block, err := signature.Sign(signer, namespace, message)
				if err != nil || !strings.HasSuffix(block, "\n") {
					t.Fatalf("%q, %v", block, err)
				}
				key, err := signature.Verify(block, namespace, message)
				if err != nil || signature.Key(key) != signature.Key(signer.PublicKey()) {
					t.Errorf("%v, %v", key, err)
				}
				for what, err := range map[string]error{
					"other text":           verify(block, namespace, message+" "),
					"other namespace":      verify(block, "file", message),
					"no namespace":         verify(block, "", message),
					"over-long text":       verify(block, namespace, strings.Repeat("x", nhi.MaxTextBytes+1)),
					"two blocks":           verify(block+block, namespace, message),
					"a broken block first": verify("-----BEGIN SSH SIGNATURE-----\n!\n-----END SSH SIGNATURE-----\n"+block, namespace, message),
					"words before":         verify("x"+block, namespace, message),
					"words after":          verify(block+"x", namespace, message),
					"over-long":            verify(strings.Repeat("\n", signature.MaxArmoured)+block, namespace, message),
					"no begin":             verify(strings.TrimPrefix(block, "-----BEGIN"), namespace, message),
					"no end":               verify(block[:len(block)-10], namespace, message),
					"another PEM type":     verify(strings.ReplaceAll(block, "SSH SIGNATURE", "SSH SIGNATURES"), namespace, message),
					"with a header":        verify(strings.Replace(block, "SIGNATURE-----\n", "SIGNATURE-----\nA: b\n\n", 1), namespace, message),
					"empty":                verify("", namespace, message),
				} {
					if !errors.Is(err, nhi.ErrInvalid) {
						t.Errorf("%s: err = %v, want ErrInvalid", what, err)
					}
				}
			}
		})
	}
}

func verify(block, namespace, text string) error {
	_, err := signature.Verify(block, namespace, text)
	return err
}

func TestOtherTypesOfKeyAreRefused(t *testing.T) {
	t.Parallel()
	for name, signer := range map[string]ssh.Signer{
		"rsa": newRSA(t), "nistp384": newECDSA(t, elliptic.P384()), "nistp521": newECDSA(t, elliptic.P521()), "certificate": newCertificate(t),
	} {
		if block, err := signature.Sign(signer, signature.NamespaceDecision, message); !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%s: Sign = %q, %v", name, block, err)
		}
		block := signAnything(t, signer, sshsig.HashSHA512, signature.NamespaceDecision)
		if err := verify(block, signature.NamespaceDecision, message); !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%s: Verify = %v, want ErrInvalid", name, err)
		}
		if _, _, err := signature.ParseKey(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))); !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%s: ParseKey = %v, want ErrInvalid", name, err)
		}
	}
	var old dsa.PrivateKey
	if err := dsa.GenerateParameters(&old.Parameters, rand.Reader, dsa.L1024N160); err != nil {
		t.Fatal(err)
	}
	if err := dsa.GenerateKey(&old, rand.Reader); err != nil {
		t.Fatal(err)
	}
	public, err := ssh.NewPublicKey(&old.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := signature.ParseKey(string(ssh.MarshalAuthorizedKey(public))); !errors.Is(err, nhi.ErrInvalid) {
		t.Errorf("dsa: ParseKey = %v, want ErrInvalid", err)
	}
}

func TestOtherHashesAndNamespacesAreRefused(t *testing.T) {
	t.Parallel()
	signer := newEd25519(t)
	for name, block := range map[string]string{
		"sha256":    signAnything(t, signer, sshsig.HashSHA256, signature.NamespaceDecision),
		"file":      signAnything(t, signer, sshsig.HashSHA512, "file"),
		"policy":    signAnything(t, signer, sshsig.HashSHA512, signature.NamespacePolicy),
		"version 2": signAnything(t, signer, sshsig.HashSHA512, "nhi-decision@v2"),
	} {
		if err := verify(block, signature.NamespaceDecision, message); !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%s: err = %v, want ErrInvalid", name, err)
		}
	}
	if _, err := signature.Sign(signer, "", message); !errors.Is(err, nhi.ErrInvalid) {
		t.Errorf("no namespace: %v", err)
	}
	if _, err := signature.Sign(signer, "x", strings.Repeat("x", nhi.MaxTextBytes+1)); !errors.Is(err, nhi.ErrInvalid) {
		t.Errorf("over-long text: %v", err)
	}
}

// wire is a signature blob, field by field.
type wire struct {
	Magic                                     [6]byte
	Version                                   uint32
	Key, Namespace, Reserved, Hash, Signature string
}

func rewire(t *testing.T, block string, change func(*wire)) string {
	t.Helper()
	decoded, _ := pem.Decode([]byte(block))
	var w wire
	if err := ssh.Unmarshal(decoded.Bytes, &w); err != nil {
		t.Fatal(err)
	}
	change(&w)
	return string(pem.EncodeToMemory(&pem.Block{Type: sshsig.PEMType, Bytes: ssh.Marshal(w)}))
}

func TestForgedBlocksAreRefused(t *testing.T) {
	t.Parallel()
	signer, other := newEd25519(t), newEd25519(t)
	good, err := signature.Sign(signer, signature.NamespaceDecision, message)
	if err != nil {
		t.Fatal(err)
	}
	if err := verify(rewire(t, good, func(*wire) {}), signature.NamespaceDecision, message); err != nil {
		t.Fatal(err)
	}
	hostile := "x\x1b[2J\nforged"
	for name, change := range map[string]func(*wire){
		"key of another": func(w *wire) { w.Key = string(other.PublicKey().Marshal()) },
		"reserved field": func(w *wire) { w.Reserved = "x" },
		"version":        func(w *wire) { w.Version = 2 },
		"magic":          func(w *wire) { w.Magic[0] = 'X' },
		"hash name":      func(w *wire) { w.Hash = hostile },
		"no signature":   func(w *wire) { w.Signature = "" },
		"key algorithm":  func(w *wire) { w.Key = string(ssh.Marshal(struct{ A, B string }{hostile, "x"})) },
		"format":         func(w *wire) { w.Signature = string(ssh.Marshal(struct{ A, B string }{hostile, "x"})) },
		"namespace":      func(w *wire) { w.Namespace = hostile },
		"short key":      func(w *wire) { w.Key = w.Key[:10] },
		"blob too long":  func(w *wire) { w.Signature += "x" },
	} {
		_, err := signature.Verify(rewire(t, good, change), signature.NamespaceDecision, message)
		if !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%s: err = %v, want ErrInvalid", name, err)
		} else if strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Errorf("%s: the error repeats control characters: %q", name, err)
		}
	}
}

func TestBlocks(t *testing.T) {
	t.Parallel()
	one := signAnything(t, newEd25519(t), sshsig.HashSHA512, signature.NamespacePolicy)
	two := signAnything(t, newECDSA(t, elliptic.P256()), sshsig.HashSHA512, signature.NamespacePolicy)
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"none":           {"", nil},
		"one":            {one, []string{one}},
		"two":            {one + two, []string{one, two}},
		"words around":   {"# ana\n" + one + "\n\n# ben\n" + two + "end", []string{one, two}},
		"no line break":  {strings.TrimSuffix(one, "\n"), []string{one}},
		"without an end": {one + two[:40], []string{one}},
	} {
		got := signature.Blocks(c.text)
		if strings.Join(got, "|") != strings.Join(c.want, "|") {
			t.Errorf("%s: got %q", name, got)
		}
	}
	if got := len(signature.Blocks(strings.Repeat(one, signature.MaxBlocks+5))); got != signature.MaxBlocks {
		t.Errorf("%d blocks, want %d", got, signature.MaxBlocks)
	}
}

func TestParseKey(t *testing.T) {
	t.Parallel()
	for _, signer := range []ssh.Signer{
		newEd25519(t), newECDSA(t, elliptic.P256()), newToken(t, ssh.KeyAlgoSKED25519), newToken(t, ssh.KeyAlgoSKECDSA256),
	} {
		canonical := signature.Key(signer.PublicKey())
		for _, written := range []string{canonical, canonical + "\n", "  " + canonical + " ana@example.com on a laptop\n"} {
			got, key, err := signature.ParseKey(written)
			if err != nil || got != canonical || !bytes.Equal(key.Marshal(), signer.PublicKey().Marshal()) {
				t.Errorf("%q: %q, %v", written, got, err)
			}
		}
	}
	good := signature.Key(newEd25519(t).PublicKey())
	ecdsa := signature.Key(newECDSA(t, elliptic.P256()).PublicKey())
	blob := strings.TrimPrefix(good, "ssh-ed25519 ")
	hostile := string(ssh.Marshal(struct{ A, B string }{"x\x1b[2J\nforged", "x"}))
	for name, written := range map[string]string{
		"empty":             "",
		"type alone":        "ssh-ed25519",
		"options":           `command="x" ` + good,
		"restrict":          "restrict " + good,
		"cert-authority":    "cert-authority " + good,
		"principal *":       "* " + good,
		"named principal":   "ana@example.com " + good,
		"other type":        "ecdsa-sha2-nistp256 " + blob,
		"type in the blob":  "ssh-ed25519 " + strings.TrimPrefix(ecdsa, "ecdsa-sha2-nistp256 "),
		"two lines":         good + "\n" + ecdsa,
		"NUL":               good + "\x00",
		"not base64":        "ssh-ed25519 !!!",
		"cut off":           good[:len(good)-8],
		"longer":            "ssh-ed25519 " + blob + "AAAA",
		"hostile algorithm": "ssh-ed25519 " + encode(hostile),
		"over-long":         good + strings.Repeat(" ", 10) + strings.Repeat("x", 5000),
	} {
		_, _, err := signature.ParseKey(written)
		if !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%s: err = %v, want ErrInvalid", name, err)
		} else if strings.ContainsAny(err.Error(), "\x1b\n\x00") {
			t.Errorf("%s: the error repeats control characters: %q", name, err)
		}
	}
}
