package policy

import (
	"fmt"
	"slices"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// VerifySuccessor reads the text of a root that follows before, and holds when
// its version is the next one and both thresholds stand behind it: the old one
// of the old keys, and the new one of the new keys. Every block must count: one
// that is not valid, of a key that is in neither root, or of a key that signed
// already is nhi.ErrDenied, as is a text that is malformed.
func VerifySuccessor(before nhi.Root, text string, blocks []string) (nhi.Root, error) {
	next, err := nhi.ParseRoot(text)
	if err != nil {
		return nhi.Root{}, fmt.Errorf("%w: %w", err, nhi.ErrDenied)
	}
	if next.Version != before.Version+1 {
		return nhi.Root{}, fmt.Errorf("root version %d follows version %d: %w", next.Version, before.Version, nhi.ErrDenied)
	}
	signed, err := signedBy(signature.NamespaceRoot, text, blocks)
	if err != nil {
		return nhi.Root{}, err
	}
	if err := knownTo(signed, before, next); err != nil {
		return nhi.Root{}, err
	}
	for _, root := range []nhi.Root{before, next} {
		if err := reached(root, signed); err != nil {
			return nhi.Root{}, fmt.Errorf("the successor, version %d, %w", next.Version, err)
		}
	}
	return next, nil
}

// VerifyBase reads a base text, and holds when the threshold of root has signed
// it. Every block must count, as in VerifySuccessor; the error is nhi.ErrDenied.
func VerifyBase(root nhi.Root, text string, blocks []string) (nhi.Base, error) {
	base, err := nhi.ParseBase(text)
	if err != nil {
		return nhi.Base{}, fmt.Errorf("%w: %w", err, nhi.ErrDenied)
	}
	signed, err := signedBy(signature.NamespaceBase, text, blocks)
	if err != nil {
		return nhi.Base{}, err
	}
	if err := knownTo(signed, root); err != nil {
		return nhi.Base{}, err
	}
	if err := reached(root, signed); err != nil {
		return nhi.Base{}, fmt.Errorf("the base %w", err)
	}
	return base, nil
}

// Signers counts the keys of root that made a valid block over text. Other
// blocks count for nothing and harm nothing.
func Signers(root nhi.Root, namespace, text string, blocks []string) int {
	return count(root, Signed(namespace, text, blocks))
}

// Signed returns the valid blocks over text by the key that made them, the last
// one of each.
func Signed(namespace, text string, blocks []string) map[string]string {
	signed := map[string]string{}
	for _, block := range blocks {
		if key, err := signature.Verify(block, namespace, text); err == nil {
			signed[signature.Key(key)] = block
		}
	}
	return signed
}

// signedBy returns the keys behind blocks, each of which must count once.
func signedBy(namespace, text string, blocks []string) (map[string]string, error) {
	if len(blocks) > signature.MaxBlocks {
		return nil, fmt.Errorf("%d signatures, and %d is the most allowed: %w", len(blocks), signature.MaxBlocks, nhi.ErrDenied)
	}
	signed := map[string]string{}
	for i, block := range blocks {
		key, err := signature.Verify(block, namespace, text)
		if err != nil {
			return nil, fmt.Errorf("signature %d: %s: %w", i+1, plain(err), nhi.ErrDenied)
		}
		if _, twice := signed[signature.Key(key)]; twice {
			return nil, fmt.Errorf("signature %d: the key %s has signed already: %w", i+1, ssh.FingerprintSHA256(key), nhi.ErrDenied)
		}
		signed[signature.Key(key)] = block
	}
	return signed, nil
}

// knownTo holds when each key is of one of the roots.
func knownTo(signed map[string]string, roots ...nhi.Root) error {
	for written := range signed {
		if slices.ContainsFunc(roots, func(root nhi.Root) bool { return slices.Contains(root.Keys, written) }) {
			continue
		}
		_, key, err := signature.ParseKey(written)
		if err != nil {
			return fmt.Errorf("%w: %w", err, nhi.ErrDenied)
		}
		return fmt.Errorf("it is signed by %s, which is no key of the trust root: %w", ssh.FingerprintSHA256(key), nhi.ErrDenied)
	}
	return nil
}

func count(root nhi.Root, signed map[string]string) int {
	keys, err := rootKeys(root)
	if err != nil {
		return 0
	}
	have := 0
	for _, key := range keys {
		if _, ok := signed[key]; ok {
			have++
		}
	}
	return have
}

// reached holds when the threshold of root is among the keys.
func reached(root nhi.Root, signed map[string]string) error {
	if _, err := rootKeys(root); err != nil {
		return fmt.Errorf("cannot be checked: root version %d: %w: %w", root.Version, err, nhi.ErrDenied)
	}
	if have := count(root, signed); have < root.Threshold {
		return fmt.Errorf("is signed by %d of the %d keys that it needs of root version %d: %w", have, root.Threshold, root.Version, nhi.ErrDenied)
	}
	return nil
}
