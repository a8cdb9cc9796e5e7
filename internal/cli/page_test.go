package cli

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

func TestVisible(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                  "",
		"orders-etl":        "orders-etl",
		"Ökonomie 你好":       "Ökonomie 你好",
		"a\x1b[31mb":        `a\u{1b}[31mb`,
		"a\nb\tc\rd":        `a\u{a}b\u{9}c\u{d}d`,
		"\u202eetl\u200b":   `\u{202e}etl\u{200b}`,
		"\x80\xff":          `\x80\xff`,
		"\u009b31m":         `\u{9b}31m`,
		"\U000e0041 hidden": `\u{e0041} hidden`,
		"blank\u3164name":   `blank\u{3164}name`,
	} {
		if got := visible(text); got != want {
			t.Errorf("visible(%q) = %q, want %q", text, got, want)
		}
	}
}

func FuzzVisible(f *testing.F) {
	f.Add("a\x1b[2J\u202e\U000e0041\x80")
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range visible(text) {
			if !plain(r) {
				t.Errorf("visible(%q) holds %U", text, r)
			}
		}
		if !utf8.ValidString(text) {
			return
		}
		data, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		var again string
		if err := json.Unmarshal([]byte(visibleJSON(string(data))), &again); err != nil || again != text {
			t.Errorf("visibleJSON of %q reads as %q, %v", text, again, err)
		}
	})
}

func TestFileName(t *testing.T) {
	t.Parallel()
	digest := nhi.DigestOf("x")
	for _, id := range []nhi.ApprovalID{"../../etc/passwd", "a/b:c", nhi.ApprovalID(strings.Repeat("/", 500)), "..", "CON"} {
		name := fileName(id, digest)
		if strings.ContainsAny(name, `/\:.`) || len(name) > 200 || name == fileName(id, nhi.DigestOf("y")) {
			t.Errorf("the file of %q is %q", id, name)
		}
	}
}

func TestReadLine(t *testing.T) {
	t.Parallel()
	in := strings.NewReader("yes\nrest")
	line, err := readLine(in)
	if err != nil || string(line) != "yes" || in.Len() != len("rest") {
		t.Errorf("read %q, %v, and %d bytes are left", line, err, in.Len())
	}
	for _, text := range []string{"", "no end", strings.Repeat("x", 10_000)} {
		if _, err := readLine(strings.NewReader(text)); err == nil {
			t.Errorf("%.20q is no line, and was read as one", text)
		}
	}
}
