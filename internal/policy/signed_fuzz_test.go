package policy_test

import (
	"errors"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// FuzzSignatures reads any signature file of a policy: it counts only where two
// root keys signed these very bytes.
func FuzzSignatures(f *testing.F) {
	src := source()
	blocks := map[string]string{}
	for _, name := range []string{"ana", "ben", "mallory"} {
		block, err := policy.SignDocument([]byte(src), signerOf(name))
		if err != nil {
			f.Fatal(err)
		}
		blocks[name] = block
	}
	f.Add([]byte(blocks["ana"] + blocks["ben"]))
	f.Add([]byte(blocks["ana"] + blocks["ana"]))
	f.Add([]byte(blocks["ana"] + "x\n" + blocks["mallory"]))
	root := rootOf(2, "ana", "ben")
	f.Fuzz(func(t *testing.T, signatures []byte) {
		err := policy.VerifySignatures([]byte(src), signatures, root)
		if err != nil {
			if !errors.Is(err, nhi.ErrDenied) {
				t.Errorf("%v is no ErrDenied", err)
			}
			return
		}
		if len(signature.Blocks(string(signatures))) < 2 {
			t.Errorf("%q is good", signatures)
		}
		if policy.VerifySignatures([]byte(src+"\n"), signatures, root) == nil {
			t.Error("it is good for another policy")
		}
	})
}
