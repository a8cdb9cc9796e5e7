package nhi_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

const canary = "canary-7c1e"

// holder holds a Secret where fmt cannot call its methods.
type holder struct {
	Name   string
	hidden nhi.Secret
	nested struct{ deep []nhi.Secret }
	Open   nhi.Secret
	ByName map[string]nhi.Secret
	At     *nhi.Secret
}

// document has a name, which XML needs.
type document struct{ S nhi.Secret }

func newHolder() holder {
	secret := nhi.NewSecret(canary)
	h := holder{Name: "x", hidden: secret, Open: secret, ByName: map[string]nhi.Secret{"k": secret}, At: &secret}
	h.nested.deep = []nhi.Secret{secret}
	return h
}

func TestSecretIsSeenThroughNoVerb(t *testing.T) {
	t.Parallel()
	secret, h := nhi.NewSecret(canary), newHolder()
	for name, value := range map[string]any{
		"secret": secret, "pointer": &secret, "slice": []nhi.Secret{secret}, "map": map[string]nhi.Secret{"k": secret},
		"key": map[nhi.Secret]int{secret: 1}, "holder": h, "pointer to holder": &h, "any": []any{secret, &h},
	} {
		for _, verb := range "vTtbcdoOqxXUeEfFgGsp" {
			for _, flags := range []string{"", "+", "#", "-20", " ", "0"} {
				format := "%" + flags + string(verb)
				shown := fmt.Sprintf(format, value)
				for _, form := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), fmt.Sprintf("% x", canary)} {
					if strings.Contains(shown, form) {
						t.Errorf("%s of %s shows %s", format, name, shown)
					}
				}
			}
		}
	}
	if got := fmt.Sprintf("%s %v %+v %#v %q", secret, secret, secret, secret, secret); got != "*** *** *** *** ***" {
		t.Errorf("got %s", got)
	}
}

func TestSecretIsSeenInNoEncodingLogOrError(t *testing.T) {
	t.Parallel()
	secret, h := nhi.NewSecret(canary), newHolder()
	var out bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(handler).Info("m", "secret", secret, "pointer", &secret, "holder", h, "at", &h, slog.Group("g", "s", secret))
	}
	for _, value := range []any{secret, &secret, h, map[nhi.Secret]nhi.Secret{secret: secret}} {
		data, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(data)
	}
	data, err := xml.Marshal(document{S: secret})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(data)
	out.WriteString(fmt.Errorf("with %v and %+v: %w", secret, &h, errors.New("x")).Error())
	fmt.Fprint(&out, secret, h)
	fmt.Fprintln(&out, secret, &h)
	if strings.Contains(out.String(), canary) {
		t.Errorf("seen in %s", out.String())
	}
	if data, err := json.Marshal(secret); err != nil || string(data) != `"***"` {
		t.Errorf("json: %s, %v", data, err)
	}
}

func TestSecretOpensByRevealOnly(t *testing.T) {
	t.Parallel()
	secret, same := nhi.NewSecret(canary), nhi.NewSecret(canary)
	if secret.Reveal() != canary || secret.IsZero() {
		t.Error("the value is lost")
	}
	if !secret.Equal(same) || secret.Equal(nhi.NewSecret("other")) || !reflect.DeepEqual(secret, same) {
		t.Error("equal values must be equal")
	}
	if (nhi.Secret{}).Reveal() != "" || !(nhi.Secret{}).IsZero() || !nhi.NewSecret("").IsZero() || !nhi.NewSecret("").Equal(nhi.Secret{}) {
		t.Error("the zero Secret holds nothing")
	}
}
