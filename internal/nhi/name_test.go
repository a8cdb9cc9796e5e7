package nhi_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// hostile are texts that no name and no line of text may be.
var hostile = map[string]string{
	"NUL":                     "a\x00b",
	"line break":              "a\nverdict: approve",
	"carriage return":         "a\rb",
	"tab":                     "a\tb",
	"escape":                  "a\x1b[2Kb",
	"delete":                  "a\x7fb",
	"C1 control":              "a\u0085b",
	"bidi override":           "a\u202eb",
	"bidi isolate":            "a\u2066b",
	"arabic letter mark":      "a\u061cb",
	"zero-width space":        "a\u200bb",
	"zero-width joiner":       "a\u200db",
	"word joiner":             "a\u2060b",
	"byte order mark":         "a\ufeffb",
	"soft hyphen":             "a\u00adb",
	"line separator":          "a\u2028b",
	"paragraph separator":     "a\u2029b",
	"no-break space":          "a\u00a0b",
	"ideographic space":       "a\u3000b",
	"combining joiner":        "a\u034fb",
	"Khmer inherent vowel":    "a\u17b4b",
	"Hangul filler":           "a\u3164b",
	"half-width filler":       "a\uffa0b",
	"choseong filler":         "a\u115fb",
	"empty Braille":           "a\u2800b",
	"null notehead":           "a\U0001d159b",
	"variation selector":      "a\ufe0fb",
	"Mongolian selector":      "a\u180bb",
	"tag":                     "a\U000e0041b",
	"private use":             "a\ue000b",
	"unassigned":              "a\u0378b",
	"invalid UTF-8":           "a\xffb",
	"surrogate":               "a\xed\xa0\x80b",
	"leading space":           " a",
	"trailing space":          "a ",
	"leading mark":            "\u0301a",
	"over-long":               strings.Repeat("a", nhi.MaxText+1),
	"over-long in wide runes": strings.Repeat("ä", nhi.MaxText+1),
}

func TestHostileTextsAreRefused(t *testing.T) {
	t.Parallel()
	for name, text := range hostile {
		if err := nhi.CheckText(text); !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%s: CheckText = %v, want ErrInvalid", name, err)
		} else if strings.ContainsAny(err.Error(), "\x00\n\r\x1b\u202e\u200b") {
			t.Errorf("%s: the error repeats the character: %q", name, err)
		}
		if err := nhi.CheckName(text); !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%s: CheckName = %v, want ErrInvalid", name, err)
		}
		if err := nhi.CheckScope("payments/" + text); !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%s: CheckScope = %v, want ErrInvalid", name, err)
		}
	}
	if err := nhi.CheckText(""); !errors.Is(err, nhi.ErrInvalid) {
		t.Errorf("empty: %v", err)
	}
}

// Every alphabet is as good as another: look-alikes are judged by people, who
// see key and group beside a name.
func TestTextsOfEveryLanguageAreAllowed(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"a", `quotes " ' and \`, "../../etc", "Ärger à la carte", "Ночной экспорт", "毎晩の輸出", "ลิ้น", "🚀 launch", "e\u0301", "a:b", "- item", "100%s",
		strings.Repeat("ä", nhi.MaxText),
	} {
		if err := nhi.CheckText(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a", "0", "orders-etl", "third_party", "a-b-c", strings.Repeat("a", nhi.MaxName)} {
		if err := nhi.CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{
		"", "-a", "a-", "_a", "a_", "a--b", "a__b", "a-_b", "A", "a b", "a/b", "a.b", "..", "../a", `a"b`, "a'b", "a:b", "a%2fb",
		"ä", "а", "a*", "$a", "a;b", strings.Repeat("a", nhi.MaxName+1),
	} {
		if err := nhi.CheckName(name); !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%q: err = %v, want ErrInvalid", name, err)
		}
	}
}

func TestScopesAndIdentifiers(t *testing.T) {
	t.Parallel()
	for _, scope := range []string{"a", "a/b", "payments/etl/nightly"} {
		if err := nhi.CheckScope(scope); err != nil {
			t.Errorf("%q: %v", scope, err)
		}
	}
	for _, scope := range []string{"", "/", "a/", "/a", "a//b", "a/../b", "a/*", strings.Repeat("a/", nhi.MaxScope/2) + "a"} {
		if err := nhi.CheckScope(scope); !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%q: err = %v, want ErrInvalid", scope, err)
		}
	}
	id, err := nhi.ParseApprovalID("production/payments/etl/orders-etl:default")
	if err != nil || id.Name() != "default" || id.Identity().Environment() != "production" ||
		id.Identity().Scope() != "payments/etl" || id.Identity().Name() != "orders-etl" {
		t.Errorf("%q: %v", id, err)
	}
	for _, text := range []string{
		"", ":", "a", "a/b:c", "a/b/c", "a/b/c:", ":d", "a/b/c:d:e", "a/b/c:d/e", "a//c:d", "a/b/:d", "a/b/c: d", "a/b/c:d\n", "a/../c:d", "A/b/c:d",
	} {
		if _, err := nhi.ParseApprovalID(text); !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%q: err = %v, want ErrInvalid", text, err)
		}
	}
}

// Every place in a request that a person fills in refuses what could forge a
// line of the text.
func TestHostileTextsNeverReachARequest(t *testing.T) {
	t.Parallel()
	places := map[string]func(*nhi.Request, string){
		"ledger":   func(r *nhi.Request, s string) { r.Ledger = s },
		"approval": func(r *nhi.Request, s string) { r.Approval = nhi.ApprovalID("production/payments/" + s + ":default") },
		"name":     func(r *nhi.Request, s string) { r.Approval = nhi.ApprovalID("production/payments/etl:" + s) },
		"owner":    func(r *nhi.Request, s string) { r.Owner = s },
		"kind":     func(r *nhi.Request, s string) { r.Kind = s },
		"purpose":  func(r *nhi.Request, s string) { r.Purpose = s },
		"target":   func(r *nhi.Request, s string) { r.Access[s] = r.Access["db"] },
		"system":   func(r *nhi.Request, s string) { a := r.Access["db"]; a.System = s; r.Access["db"] = a },
		"endpoint": func(r *nhi.Request, s string) { a := r.Access["db"]; a.Endpoint = s; r.Access["db"] = a },
		"setting":  func(r *nhi.Request, s string) { r.Access["db"].Settings[s] = nhi.Text("x") },
	}
	for place, put := range places {
		for name, text := range hostile {
			request := sampleRequest()
			put(&request, text)
			if _, err := request.Text(); !errors.Is(err, nhi.ErrInvalid) {
				t.Errorf("%s in %s: err = %v, want ErrInvalid", name, place, err)
			}
		}
	}
	for name, text := range hostile {
		if strings.HasPrefix(name, "over-long") {
			continue // a setting may be longer: a public key is
		}
		for _, value := range []nhi.Value{nhi.Text(text), nhi.List("x", text)} {
			request := sampleRequest()
			request.Access["db"].Settings["extra"] = value
			if _, err := request.Text(); !errors.Is(err, nhi.ErrInvalid) {
				t.Errorf("%s in a value: err = %v, want ErrInvalid", name, err)
			}
		}
	}
}

func TestExternalAccessHasNoSystem(t *testing.T) {
	t.Parallel()
	request := sampleRequest()
	request.Access["aws"] = nhi.Access{Kind: nhi.KindExternal, System: "orders"}
	if _, err := request.Text(); !errors.Is(err, nhi.ErrInvalid) {
		t.Errorf("err = %v, want ErrInvalid", err)
	}
	request.Access = nhi.Accesses{}
	if _, err := request.Text(); !errors.Is(err, nhi.ErrInvalid) {
		t.Errorf("no access: err = %v, want ErrInvalid", err)
	}
}
