package vault

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Every key has one path, every path one key, and a path holds nothing that
// Vault, its policies or a URL read as anything else.
func TestKeysAreWrittenInOneWay(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"root/00000001": "root/00000001", "grant/dev%2Fx:default/00000001": "grant/dev_252_46x_3adefault/00000001",
		"a_b": "a_5fb", "": "_", "/": "_/_", "a//b": "a/_/b", ".": "_2e", "..": "_2e_2e", "*+": "_2a_2b", "A": "_41", "é": "_c3_a9",
	} {
		if got := written(key); got != want {
			t.Errorf("%q: %q, want %q", key, got, want)
		}
	}
	for _, foreign := range []string{"", "A", "a_", "_2", "_2E", "_zz", "_61", "a.b", "__", "_5f_", "é"} {
		if part, ours := readPart(foreign); ours || part != "\xff"+foreign {
			t.Errorf("%q: %q, %t", foreign, part, ours)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		part := strings.ReplaceAll(string(rapid.SliceOf(rapid.Byte()).Draw(t, "part")), "/", "%")
		name := writtenPart(part)
		if strings.Trim(name, plain+"_") != "" || name == "" {
			t.Errorf("%q: %q", part, name)
		}
		if got, ours := readPart(name); !ours || got != part {
			t.Errorf("%q: %q: %q, %t", part, name, got, ours)
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a-cA_0-9]{0,6}`).Draw(t, "name")
		if part, ours := readPart(name); ours && writtenPart(part) != name {
			t.Errorf("%q: %q", name, part)
		}
	})
}
