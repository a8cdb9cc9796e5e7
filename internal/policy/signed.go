package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// SignDocument signs the exact bytes of a policy document and returns one
// armoured block, to be appended to its .sig file. A document that Parse
// refuses is not signed, and its problems are returned.
func SignDocument(src []byte, signer ssh.Signer) (block string, err error) {
	if _, err := Parse(src); err != nil {
		return "", err
	}
	return signature.Sign(signer, signature.NamespacePolicy, string(src))
}

// VerifySignatures holds when at least root.Threshold distinct keys of root
// have each made a valid block over the exact bytes of src. Otherwise the
// error is nhi.ErrDenied and says how many of how many did, and what is wrong
// with the other blocks. Blocks of strangers count for nothing and harm nothing.
func VerifySignatures(src, signatures []byte, root nhi.Root) error {
	keys, err := rootKeys(root)
	if err != nil {
		return fmt.Errorf("trust root: %w: %w", err, nhi.ErrDenied)
	}
	if len(src) > MaxBytes || len(signatures) > signature.MaxBlocks*signature.MaxArmoured {
		return fmt.Errorf("policy or its signatures are too long: %w", nhi.ErrDenied)
	}
	signed := map[string]bool{}
	var problems []string
	for i, block := range signature.Blocks(string(signatures)) {
		key, err := signature.Verify(block, signature.NamespacePolicy, string(src))
		switch {
		case err != nil:
			problems = append(problems, fmt.Sprintf("block %d: %s", i+1, plain(err)))
		case !slices.Contains(keys, signature.Key(key)):
			problems = append(problems, fmt.Sprintf("block %d: key %s is not in the trust root", i+1, ssh.FingerprintSHA256(key)))
		default:
			signed[signature.Key(key)] = true
		}
	}
	if len(signed) >= root.Threshold {
		return nil
	}
	return fmt.Errorf("the policy is signed by %d of the %d trust root keys that it needs%s: %w",
		len(signed), root.Threshold, listed(problems), nhi.ErrDenied)
}

// rootKeys returns the canonical keys of a well-formed root, each once.
func rootKeys(root nhi.Root) ([]string, error) {
	if _, err := root.Text(); err != nil {
		return nil, err
	}
	var keys []string
	for _, written := range root.Keys {
		key, _, err := signature.ParseKey(written)
		if err != nil {
			return nil, err
		}
		if slices.Contains(keys, key) {
			return nil, fmt.Errorf("root key %.60q stands twice: %w", key, nhi.ErrInvalid)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// listed writes the first problems as the end of a sentence.
func listed(problems []string) string {
	if len(problems) == 0 {
		return ""
	}
	return " (" + strings.Join(problems[:min(len(problems), maxProblems)], "; ") + ")"
}

// plain writes an error for people, without the sentinel that it ends in.
func plain(err error) string {
	text := err.Error()
	if errors.Is(err, nhi.ErrInvalid) {
		text = strings.TrimSuffix(text, ": "+nhi.ErrInvalid.Error())
	}
	return text
}
