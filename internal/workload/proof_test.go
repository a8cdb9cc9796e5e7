package workload_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/workload"
)

const asked = "nhi request 1\nledger: x\n"

func proved(t *testing.T, issuer *testserver.IssuerServer, raw, text string) workload.Proof {
	t.Helper()
	proof, err := trusted(issuer).Prove(keysOf(t, issuer), nhi.NewSecret(raw), time.Now(), text)
	if err != nil {
		t.Fatal(err)
	}
	return proof
}

// A proof is of one text, one token and one time, and holds nothing by which
// the token could be used.
func TestAProofIsOfOneText(t *testing.T) {
	t.Parallel()
	issuer := testserver.Issuer(t)
	now := time.Now()
	raw := issuer.Token(map[string]any{"aud": "nhi", "actor": "eve"})
	proof := proved(t, issuer, raw, asked)
	token, err := proof.Verify(trusted(issuer), keysOf(t, issuer), now, asked)
	if err != nil || token.Claims["actor"] != "eve" {
		t.Fatalf("%+v, %v", token, err)
	}
	signature := raw[strings.LastIndexByte(raw, '.')+1:]
	if strings.Contains(proof.Token+proof.Signature, signature) || proof.Token != raw[:strings.LastIndexByte(raw, '.')] {
		t.Error("the proof carries the token's signature")
	}
	if says, err := proof.Issuer(); err != nil || says != issuer.URL() {
		t.Errorf("issuer %q, %v", says, err)
	}
	if says, err := workload.IssuerOf(nhi.NewSecret(raw)); err != nil || says != issuer.URL() {
		t.Errorf("issuer %q, %v", says, err)
	}
	issuer.Rotate()
	if _, err := proof.Verify(trusted(issuer), keysOf(t, issuer), now, asked); err != nil {
		t.Errorf("after a rotation: %v", err)
	}
	issuer.Forget()
	if _, err := proof.Verify(trusted(issuer), keysOf(t, issuer), now, asked); !errors.Is(err, workload.ErrUnknownKey) {
		t.Errorf("after its key is gone: %v", err)
	}
}

func TestAForgedProofIsRefused(t *testing.T) {
	t.Parallel()
	issuer, other := testserver.Issuer(t), testserver.Issuer(t)
	now := time.Now()
	raw := issuer.Token(map[string]any{"aud": "nhi", "actor": "eve"})
	second := issuer.Token(map[string]any{"aud": "nhi", "actor": "ana"})
	proof := proved(t, issuer, raw, asked)
	admin := issuer.Token(map[string]any{"aud": "nhi", "actor": "admin"})
	flipped := []byte(proof.Signature)
	flipped[10] ^= 1
	for name, c := range map[string]struct {
		proof workload.Proof
		text  string
		at    time.Time
		want  error
	}{
		"another text":             {proof, asked + "more\n", now, workload.ErrProof},
		"no text":                  {proof, "", now, workload.ErrProof},
		"another token":            {workload.Proof{Token: second[:strings.LastIndexByte(second, '.')], Signature: proof.Signature}, asked, now, workload.ErrProof},
		"no signature":             {workload.Proof{Token: proof.Token}, asked, now, workload.ErrProof},
		"zeros":                    {workload.Proof{Token: proof.Token, Signature: base64.RawURLEncoding.EncodeToString(make([]byte, 32+16*256))}, asked, now, workload.ErrProof},
		"a changed signature":      {workload.Proof{Token: proof.Token, Signature: string(flipped)}, asked, now, workload.ErrProof},
		"the token as a signature": {workload.Proof{Token: proof.Token, Signature: raw[strings.LastIndexByte(raw, '.')+1:]}, asked, now, workload.ErrProof},
		"too long":                 {workload.Proof{Token: proof.Token, Signature: strings.Repeat("A", 1<<20)}, asked, now, workload.ErrProof},
		"a whole token":            {workload.Proof{Token: raw, Signature: proof.Signature}, asked, now, workload.ErrMalformed},
		"no token":                 {workload.Proof{Signature: proof.Signature}, asked, now, workload.ErrMalformed},
		"recorded after its end":   {proof, asked, now.Add(time.Hour), workload.ErrExpired},
		"recorded before it began": {proof, asked, now.Add(-time.Hour), workload.ErrNotYetValid},
		"at no time":               {proof, asked, time.Time{}, workload.ErrRefused},
		"another issuer's":         {proved(t, other, other.Token(map[string]any{"aud": "nhi"}), asked), asked, now, workload.ErrIssuer},
		"a claim that was changed": {workload.Proof{Token: strings.Split(proof.Token, ".")[0] + "." + strings.Split(admin, ".")[1], Signature: proof.Signature}, asked, now, workload.ErrProof},
	} {
		if _, err := c.proof.Verify(trusted(issuer), keysOf(t, issuer), c.at, c.text); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := proof.Verify(workload.Issuer{URL: issuer.URL(), Audiences: []string{"x"}}, keysOf(t, issuer), now, asked); !errors.Is(err, workload.ErrAudience) {
		t.Errorf("another audience: %v", err)
	}
}

// Nothing is made out of a token that does not count, and none of another
// algorithm: that one says so.
func TestNoProofOfABadToken(t *testing.T) {
	t.Parallel()
	issuer, other := testserver.Issuer(t), testserver.Issuer(t)
	forged := other.Token(map[string]any{"iss": issuer.URL(), "aud": "nhi"})
	for raw, want := range map[string]error{
		forged:                                 workload.ErrSignature,
		issuer.Token(map[string]any{"aud": 1}): workload.ErrMalformed,
		issuer.Token(map[string]any{"aud": "nhi", "exp": time.Now().Add(-time.Hour).Unix()}): workload.ErrExpired,
	} {
		if _, err := trusted(issuer).Prove(keysOf(t, issuer), nhi.NewSecret(raw), time.Now(), asked); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	issuer.RotateEC()
	raw := nhi.NewSecret(issuer.Token(map[string]any{"aud": "nhi"}))
	_, err := trusted(issuer).Prove(keysOf(t, issuer), raw, time.Now(), asked)
	if !errors.Is(err, workload.ErrAlgorithm) || !strings.Contains(err.Error(), "only RS256 can prove who asks") {
		t.Errorf("ES256: %v", err)
	}
}
