package nhi

import (
	"fmt"
	"slices"
	"strconv"
)

// rootHeading names the format of a trust root text and its version.
const rootHeading = "nhi root 1"

// Root is the trust root: the keys that may sign policy, and how many of them
// must. It is pinned by the digest of its text, from outside the configuration.
type Root struct {
	Version   int
	Threshold int
	Keys      []string // authorized_keys form without comment, sorted
}

// Text returns the canonical text, or ErrInvalid where a part is malformed.
func (r Root) Text() (string, error) {
	if r.Version < 1 || r.Threshold < 1 || r.Threshold > len(r.Keys) || len(r.Keys) > MaxListItems {
		return "", fmt.Errorf("root version %d needs %d of %d keys: %w", r.Version, r.Threshold, len(r.Keys), ErrInvalid)
	}
	if !slices.IsSorted(r.Keys) || len(slices.Compact(slices.Clone(r.Keys))) != len(r.Keys) {
		return "", fmt.Errorf("root keys must be sorted, each once: %w", ErrInvalid)
	}
	w := &textWriter{}
	w.heading(rootHeading)
	w.line("", "version", strconv.Itoa(r.Version))
	w.line("", "threshold", strconv.Itoa(r.Threshold))
	for _, key := range r.Keys {
		if err := CheckTextUpTo(key, MaxSetting); err != nil || key == "" {
			return "", fmt.Errorf("root key %.60q: %w", key, ErrInvalid)
		}
		w.line("", "key", key)
	}
	return w.out.String(), nil
}

// ParseRoot reads a canonical root text.
func ParseRoot(text string) (Root, error) {
	r := newTextReader(text, rootHeading)
	root := Root{Version: r.number("version"), Threshold: r.number("threshold")}
	for r.has("key:") {
		root.Keys = append(root.Keys, r.line("", "key"))
	}
	if err := r.end(); err != nil {
		return Root{}, fmt.Errorf("root: %w", err)
	}
	again, err := root.Text()
	if err != nil {
		return Root{}, err
	}
	if again != text {
		return Root{}, fmt.Errorf("root: %w", ErrNotCanonical)
	}
	return root, nil
}
