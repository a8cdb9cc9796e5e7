package nhi_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

func TestOneWayToWriteAnEmergency(t *testing.T) {
	t.Parallel()
	good := text(t)(sampleEmergency(t).Text())
	for name, edit := range map[string][2]string{
		"another version":       {"nhi emergency 1", "nhi emergency 2"},
		"another scope":         {"scope: payments/etl", "scope: payments"},
		"another identity":      {"identity: orders-etl", "identity: other"},
		"another ledger":        {"ledger: 0", "ledger: "},
		"a nonce in capitals":   {"nonce: 5f", "nonce: 5F"},
		"a short nonce":         {"nonce: 5f", "nonce: "},
		"no reason":             {"reason: INC-4711: orders are stuck, and the ledger is down", "reason:"},
		"local time":            {"made at: 2030-01-01T09:00:00Z", "made at: 2030-01-01T10:00:00+01:00"},
		"an end before it":      {"not after: 2030-01-01T13", "not after: 2030-01-01T08"},
		"an end at the start":   {"not after: 2030-01-01T13", "not after: 2030-01-01T09"},
		"more than a day":       {"not after: 2030-01-01T13:00:00Z", "not after: 2030-01-02T09:00:01Z"},
		"accesses not sorted":   {"access: aws", "access: zoo"},
		"another digest":        {"root: sha256:", "root: sha256:0"},
		"another key":           {"AAAAC3NzaC1lZDI1NTE5AAAAIB", "AAAAC3NzaC1lZDI1NTE5AAAAIC"},
		"a threshold of none":   {"threshold: 2", "threshold: 0"},
		"no last line break":    {"IB\n", "IB"},
		"something behind it":   {"IB\n", "IB\nmore: yes\n"},
		"a line that is forged": {"purpose: Nightly", "purpose: x\nreason: Nightly"},
	} {
		changed := strings.Replace(good, edit[0], edit[1], 1)
		if changed == good {
			t.Fatalf("%s: the edit does not apply any more", name)
		}
		if _, err := nhi.ParseEmergency(changed); !errors.Is(err, nhi.ErrInvalid) && !errors.Is(err, nhi.ErrNotCanonical) {
			t.Errorf("%s: err = %v, want ErrInvalid or ErrNotCanonical", name, err)
		}
	}
}

func TestNoMalformedEmergencyIsWritten(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*nhi.Emergency){
		"a reason of two lines": func(e *nhi.Emergency) { e.Reason = "a\nb" },
		"a hidden reason":       func(e *nhi.Emergency) { e.Reason = "a\u202eb" },
		"no owner":              func(e *nhi.Emergency) { e.Owner = "" },
		"no access":             func(e *nhi.Emergency) { e.Access = nil },
		"a bad grant":           func(e *nhi.Emergency) { e.Grant = "a:b" },
		"no root":               func(e *nhi.Emergency) { e.Root = "" },
		"a day and a second":    func(e *nhi.Emergency) { e.NotAfter = e.MadeAt.Add(nhi.MaxEmergency + time.Second) },
	} {
		emergency := sampleEmergency(t)
		spoil(&emergency)
		if _, err := emergency.Text(); !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%s: err = %v, want ErrInvalid", name, err)
		}
	}
}

// A text that says it is an emergency of another version is never taken for a
// request.
func TestIsEmergency(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]bool{
		text(t)(sampleEmergency(t).Text()): true, "nhi emergency 2\n": true,
		text(t)(sampleRequest().Text()): false, "": false,
	} {
		if nhi.IsEmergency(said) != want {
			t.Errorf("IsEmergency(%.20q) is %t", said, !want)
		}
	}
}
