package signature_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"strings"
	"testing"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

func encode(blob string) string { return base64.StdEncoding.EncodeToString([]byte(blob)) }

// userPresent is the flag that a token sets when it was touched.
const userPresent = 0x01

// token is a hardware key in software: it makes the signatures of
// PROTOCOL.u2f, with whatever flags it is told.
type token struct {
	algorithm string
	flags     byte
	private   crypto.Signer
	public    ssh.PublicKey
}

const application = "ssh:"

func newToken(t testing.TB, algorithm string) *token {
	t.Helper()
	made := &token{algorithm: algorithm, flags: userPresent}
	var blob []byte
	if algorithm == ssh.KeyAlgoSKED25519 {
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		made.private = private
		blob = ssh.Marshal(struct {
			Name        string
			Key         []byte
			Application string
		}{algorithm, public, application})
	} else {
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		made.private = private
		point, err := private.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		blob = ssh.Marshal(struct {
			Name, Curve string
			Key         []byte
			Application string
		}{algorithm, "nistp256", point, application})
	}
	public, err := ssh.ParsePublicKey(blob)
	if err != nil {
		t.Fatal(err)
	}
	made.public = public
	return made
}

func (k *token) PublicKey() ssh.PublicKey { return k.public }

func (k *token) Sign(_ io.Reader, data []byte) (*ssh.Signature, error) {
	const counter = 7
	app, text := sha256.Sum256([]byte(application)), sha256.Sum256(data)
	signed := append(app[:], k.flags)
	signed = binary.BigEndian.AppendUint32(signed, counter)
	signed = append(signed, text[:]...)
	rest := binary.BigEndian.AppendUint32([]byte{k.flags}, counter)
	if key, ok := k.private.(ed25519.PrivateKey); ok {
		return &ssh.Signature{Format: k.algorithm, Blob: ed25519.Sign(key, signed), Rest: rest}, nil
	}
	key, _ := k.private.(*ecdsa.PrivateKey)
	digest := sha256.Sum256(signed)
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		return nil, err
	}
	return &ssh.Signature{Format: k.algorithm, Blob: ssh.Marshal(struct{ R, S *big.Int }{r, s}), Rest: rest}, nil
}

func TestHardwareKeysCountOnlyWithATouch(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []string{ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256} {
		for flags, want := range map[byte]bool{userPresent: true, userPresent | 0x04: true, 0: false, 0x04: false, 0xfe: false} {
			key := newToken(t, algorithm)
			key.flags = flags
			block, err := signature.Sign(key, signature.NamespaceDecision, message)
			if err != nil {
				t.Fatal(err)
			}
			err = verify(block, signature.NamespaceDecision, message)
			if want && err != nil || !want && !errors.Is(err, nhi.ErrInvalid) {
				t.Errorf("%s with flags %#x: %v", algorithm, flags, err)
			}
		}
	}
}

// Flags are part of what a token signs: setting them afterwards forges nothing.
func TestATouchCannotBeAddedAfterwards(t *testing.T) {
	t.Parallel()
	key := newToken(t, ssh.KeyAlgoSKED25519)
	key.flags = 0
	made, err := sshsig.Sign(strings.NewReader(message), key, sshsig.HashSHA512, signature.NamespaceDecision)
	if err != nil {
		t.Fatal(err)
	}
	made.Signature.Rest[0] = userPresent
	if err := verify(string(sshsig.Armor(made)), signature.NamespaceDecision, message); !errors.Is(err, nhi.ErrInvalid) {
		t.Errorf("err = %v, want ErrInvalid", err)
	}
}
