package ledger_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	good := string(encode(t, sample(ledger.BlockBody{Reason: "a<b", By: "ben"})))
	verification := string(encode(t, sample(samples(t)["verification@1"])))
	intent := string(encode(t, sample(samples(t)["intent@1"])))
	replace := func(text, old, with string) string {
		if !strings.Contains(text, old) {
			t.Fatalf("%q is not in %s", old, text)
		}
		return strings.Replace(text, old, with, 1)
	}
	tests := map[string]struct {
		data string
		want error
	}{
		"nothing":               {"", ledger.ErrBroken},
		"no JSON":               {"entry", ledger.ErrBroken},
		"null":                  {"null", ledger.ErrBroken},
		"an array":              {"[" + good + "]", ledger.ErrBroken},
		"cut short":             {good[:len(good)-1], ledger.ErrBroken},
		"trailing data":         {good + "{}", ledger.ErrBroken},
		"a line break":          {good + "\n", ledger.ErrBroken},
		"leading space":         {" " + good, ledger.ErrBroken},
		"inner space":           {replace(good, `"seq":5`, `"seq": 5`), ledger.ErrBroken},
		"unknown field":         {replace(good, `"seq":5`, `"seq":5,"more":1`), ledger.ErrBroken},
		"unknown field in body": {replace(good, `"by":"ben"`, `"by":"ben","more":1`), ledger.ErrBroken},
		"missing field":         {replace(good, `,"by":"ben"`, ``), ledger.ErrBroken},
		"duplicate key":         {replace(good, `"seq":5`, `"seq":5,"seq":5`), ledger.ErrBroken},
		"duplicate in body":     {replace(good, `"by":"ben"`, `"by":"eve","by":"ben"`), ledger.ErrBroken},
		"duplicate target":      {replace(verification, `"targets":{`, `"targets":{"db":{},`), ledger.ErrBroken},
		"another case":          {replace(good, `"seq":5`, `"SEQ":5`), ledger.ErrBroken},
		"another order":         {replace(good, `"seq":5,"prev"`, `"prev":"","seq":5,"prev"`), ledger.ErrBroken},
		"null text":             {replace(good, `"by":"ben"`, `"by":null`), ledger.ErrBroken},
		"null list":             {replace(verification, `["orders_ro"]`, `null`), ledger.ErrBroken},
		"null map":              {replace(intent, `"heads":{`, `"heads":null,"x":{`), ledger.ErrBroken},
		"unsorted set":          {replace(intent, `["audit_ro","orders_ro"]`, `["orders_ro","audit_ro"]`), ledger.ErrBroken},
		"another escape":        {replace(good, `\u003c`, `<`), ledger.ErrBroken},
		"needless escape":       {replace(good, `"ben"`, `"\u0062en"`), ledger.ErrBroken},
		"half a surrogate":      {replace(good, `"ben"`, `"\ud800"`), ledger.ErrBroken},
		"not UTF-8":             {replace(good, `"ben"`, "\"\xff\""), ledger.ErrBroken},
		"a number as float":     {replace(good, `"seq":5`, `"seq":5.0`), ledger.ErrBroken},
		"a negative number":     {replace(good, `"seq":5`, `"seq":-5`), ledger.ErrBroken},
		"a huge number":         {replace(good, `"seq":5`, `"seq":18446744073709551616`), ledger.ErrBroken},
		"another time zone":     {replace(good, `12:00:00.123Z`, `14:00:00.123+02:00`), ledger.ErrBroken},
		"a longer time":         {replace(good, `12:00:00.123Z`, `12:00:00.1230Z`), ledger.ErrBroken},
		"no type":               {replace(good, `"type":"block@1",`, ``), ledger.ErrBroken},
		"type without version":  {replace(good, `block@1`, `block`), ledger.ErrBroken},
		"type of another body":  {replace(good, `block@1`, `use@1`), ledger.ErrBroken},
		"deep":                  {strings.Repeat(`{"type":`, 1000), ledger.ErrBroken},
		"too long":              {good + strings.Repeat(" ", ledger.MaxEntry), ledger.ErrBroken},
		"unknown type":          {replace(good, `block@1`, `merge@1`), ledger.ErrUnknownEntry},
		"newer version":         {replace(good, `block@1`, `block@2`), ledger.ErrUnknownEntry},
		"newer with more":       {replace(good, `"type":"block@1"`, `"type":"block@12","more":1`), ledger.ErrUnknownEntry},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			entry, err := ledger.DecodeEntry([]byte(test.data))
			if !errors.Is(err, test.want) {
				t.Errorf("got %+v, %v, want %v", entry, err, test.want)
			}
		})
	}
	if _, err := ledger.DecodeEntry([]byte(good)); err != nil {
		t.Errorf("the entry that all of these are made from: %v", err)
	}
}

type foreignBody struct{}

func (foreignBody) Type() string { return "block@1" }

func TestEncodeRefuses(t *testing.T) {
	t.Parallel()
	late := sample(ledger.BlockBody{})
	late.Time = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)
	entries := map[string]ledger.Entry{
		"no body":          sample(nil),
		"another's body":   sample(foreignBody{}),
		"a pointer":        sample(&ledger.BlockBody{}),
		"too long":         sample(ledger.RequestBody{Text: strings.Repeat("x", ledger.MaxEntry)}),
		"a time too late":  late,
		"a late body time": sample(ledger.IntentBody{ExpiresAt: late.Time}),
	}
	for name, entry := range entries {
		if _, err := entry.Encode(); !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
		if entry.Hash() != "" {
			t.Errorf("%s: has a hash", name)
		}
	}
}

// What a broken system answers must not stop the record of a removal.
func TestWordsThatAreNotUTF8(t *testing.T) {
	t.Parallel()
	const garbage = "refused: \xff\xfe"
	bodies := []ledger.Body{
		ledger.BlockBody{Reason: garbage, By: garbage},
		ledger.LiftBody{Reason: garbage, By: garbage},
		ledger.IntentBody{Reason: garbage, Targets: map[string]ledger.Target{"db": {Evidence: garbage}}},
		ledger.EffectBody{Targets: map[string]ledger.Target{"db": {Evidence: garbage}}},
		ledger.VerificationBody{Targets: map[string]ledger.Verified{"db": {Open: garbage}}},
	}
	for _, body := range bodies {
		data := encode(t, sample(body))
		if _, err := ledger.DecodeEntry(data); err != nil || !bytes.Contains(data, []byte("refused: \uFFFD")) {
			t.Errorf("%s: %s, %v", body.Type(), data, err)
		}
	}
}

func TestEncodeLeavesTheBodyAlone(t *testing.T) {
	t.Parallel()
	targets := map[string]ledger.Target{"db": {Evidence: "\xff"}}
	encode(t, sample(ledger.EffectBody{Targets: targets}))
	if targets["db"].Evidence != "\xff" || targets["db"].Access != nil {
		t.Errorf("the caller's map was changed: %v", targets)
	}
}

func FuzzDecodeEntry(f *testing.F) {
	for _, body := range samples(f) {
		f.Add(encode(f, sample(body)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		entry, err := ledger.DecodeEntry(data)
		if err != nil {
			if !errors.Is(err, ledger.ErrBroken) && !errors.Is(err, ledger.ErrUnknownEntry) {
				t.Errorf("%v is neither ErrBroken nor ErrUnknownEntry", err)
			}
			return
		}
		if again := encode(t, entry); !bytes.Equal(again, data) {
			t.Errorf("read %q and wrote %q", data, again)
		}
		if entry.Hash() != nhi.DigestOf(string(data)) {
			t.Error("the hash is not over the bytes")
		}
	})
}
