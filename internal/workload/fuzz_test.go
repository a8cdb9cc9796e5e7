package workload_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/workload"
)

// FuzzTokens: whatever claims to be a token, a proof or a key set is read or
// refused, and never proves anything by itself.
func FuzzTokens(f *testing.F) {
	issuer := testserver.Issuer(f)
	pinned := issuer.JWKS()
	good := issuer.Token(map[string]any{"aud": "nhi"})
	f.Add(good[:len(good)-1], "", pinned)
	f.Add("eyJhbGciOiJSUzI1NiJ9.e30.AA", "AAAA", `{"keys":[{"kty":"RSA","n":"AQ","e":"AQ"}]}`)
	f.Add("a.b", "\x00", `{"keys":[{}]}`)
	keys, err := workload.ParseKeys(pinned)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, token, signature, set string) {
		if other, err := workload.FetchedKeys(set); err == nil && other.Len() == 0 {
			t.Error("a key set without keys is read")
		}
		from, proof := trusted(issuer), workload.Proof{Token: token, Signature: signature}
		if _, err := from.Verify(keys, nhi.NewSecret(token), time.Now()); token != good && !errors.Is(err, workload.ErrRefused) {
			t.Errorf("it counts: %v", err)
		}
		if _, err := proof.Verify(from, keys, time.Now(), asked); !errors.Is(err, workload.ErrRefused) {
			t.Errorf("it proves: %v", err)
		}
	})
}
