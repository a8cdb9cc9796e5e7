package s3

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The names of objects are for ever: a ledger is found by them.
func TestObjectNames(t *testing.T) {
	t.Parallel()
	p := place{bucket: "b", prefix: "nhi/production/"}
	long := strings.Repeat("x", maxPart)
	for key, want := range map[string]string{
		"root/00000001": "root/00000001",
		"grant/dev%2Fteam%2Frobot:default/00000012": "grant/dev=2Fteam=2Frobot,default/00000012",
		"identity/dev%2Fteam%2Fa%2Eb/00000001":      "identity/dev=2Fteam=2Fa=2Eb/00000001",
		"h/A":                                       "h/A",
		"a":                                         "a",
		"a/":                                        "a/",
		"a//b":                                      "a/~2Fb",
		"/a":                                        "~2Fa",
		"//":                                        "~2F/",
		".":                                         "~2E",
		"../..":                                     "~2E~2E/~2E~2E",
		"h/é\x00\n":                                 "h/~C3~A9~00~0A",
		"=,~":                                       "~3D~2C~7E",
		long:                                        long,
		long + "/y":                                 long + "/y",
		long + "xy/z":                               long + "~/xy/z",
		long[1:] + "é":                              long[1:] + "~/~C3~A9",
	} {
		got, err := p.objectName(key)
		if want = "nhi/production/" + want + ".entry"; err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", key, got, err, want)
		}
		if back, ok := p.keyOf(got, ""); !ok || back != key {
			t.Errorf("%q: back as %q, %t", key, back, ok)
		}
	}
	for _, key := range []string{"", strings.Repeat("a/", 600), strings.Repeat("\xff", 400)} {
		if name, err := p.objectName(key); err == nil {
			t.Errorf("%.20q: %q", key, name)
		}
	}
}

// What no ledger wrote is listed as what is no key, and never as an entry.
func TestForeignNames(t *testing.T) {
	t.Parallel()
	p := place{bucket: "b", prefix: "nhi/"}
	for _, below := range []string{
		"a", "a/", ".entry", "a.entry.entry", "a//b.entry", "/a.entry", "a~2f.entry", "a~.entry", "a~2.entry", "a~/b.entry", "~41.entry",
		"a b.entry", "é.entry", "a%.entry", "a:.entry", "\x00.entry", "grant/a/00000001", "a.ENTRY", "~probe/x", "~probe.entry",
	} {
		key, ok := p.keyOf("nhi/"+below, "")
		if !ok || !strings.HasPrefix(key, below) || !strings.HasSuffix(key, foreign) {
			t.Errorf("%q: %q, %t", below, key, ok)
		}
	}
	if key, ok := p.keyOf("nhi/grant/a=/x", "grant/a%/"); !ok || key != "grant/a%/x"+foreign {
		t.Errorf("under a prefix: %q, %t", key, ok)
	}
	for _, below := range []string{"", "~probe"} {
		if key, ok := p.keyOf("nhi/"+below, ""); ok {
			t.Errorf("%q counts as %q", below, key)
		}
	}
}

// Every key has a name of its own that every server holds; the keys with a
// prefix are those whose names have its escaped form.
func TestNamesAreSound(t *testing.T) {
	t.Parallel()
	key := rapid.OneOf(
		rapid.StringMatching(`[a-b%:/~=,.]{1,12}`),
		rapid.StringMatching(`[ax/]{190,420}`),
		rapid.StringN(1, 60, 200),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 1, 80), func(b []byte) string { return string(b) }),
	)
	rapid.Check(t, func(t *rapid.T) {
		one, two := key.Draw(t, "one"), key.Draw(t, "two")
		cut := rapid.IntRange(0, len(one)).Draw(t, "cut")
		name, other := escape(one), escape(two)
		if back, ok := unescape(name); !ok || back != one {
			t.Fatalf("%q is %q and back %q, %t", one, name, back, ok)
		}
		if strings.HasPrefix(one, two) != strings.HasPrefix(name, other) {
			t.Fatalf("prefix: %q and %q are %q and %q", one, two, name, other)
		}
		if !strings.HasPrefix(name, escape(one[:cut])) {
			t.Fatalf("%q does not start with %q", name, escape(one[:cut]))
		}
		parts := strings.Split(name+suffix, "/")
		for _, part := range parts {
			if part == "" || part == "." || part == ".." || len(part) > 255 {
				t.Fatalf("%q: the part %q", one, part)
			}
		}
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=,~/") != "" {
			t.Fatalf("%q is %q", one, name)
		}
		// A file and a folder of one name cannot be in one folder.
		if slices.Contains(parts[:len(parts)-1], suffix) || strings.HasPrefix(name+"/", other+suffix+"/") {
			t.Fatalf("%q is a folder in %q", other+suffix, name)
		}
	})
}

func FuzzUnescape(f *testing.F) {
	for _, seed := range []string{"a", "grant/dev=2Fteam,default/00000001", "~41", "~2F/~2E", strings.Repeat("x", 200) + "~/y", "~", "~/", "//"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, escaped string) {
		if key, ok := unescape(escaped); ok && escape(key) != escaped {
			t.Errorf("%q and %q are both %q", escaped, escape(key), key)
		}
	})
}
