package nhi_test

import (
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

func FuzzParseRequest(f *testing.F) {
	f.Add(text(f)(sampleRequest().Text()))
	f.Add(text(f)(reusableRequest().Text()))
	f.Fuzz(func(t *testing.T, data string) {
		request, err := nhi.ParseRequest(data)
		if err != nil {
			return
		}
		if again := text(t)(request.Text()); again != data {
			t.Errorf("read\n%q\nwritten\n%q", data, again)
		}
	})
}

func FuzzParseDecision(f *testing.F) {
	decision := sampleDecision(f)
	f.Add(text(f)(decision.Text()))
	decision.Verdict, decision.Requester = nhi.VerdictWithdraw, ""
	f.Add(text(f)(decision.Text()))
	f.Fuzz(func(t *testing.T, data string) {
		decision, err := nhi.ParseDecision(data)
		if err != nil {
			return
		}
		if again := text(t)(decision.Text()); again != data {
			t.Errorf("read\n%q\nwritten\n%q", data, again)
		}
	})
}

func FuzzParseDecisionFile(f *testing.F) {
	f.Add([]byte(sampleFile(f).File()))
	f.Fuzz(func(t *testing.T, data []byte) {
		signed, err := nhi.ParseDecisionFile(data)
		if err != nil {
			return
		}
		if again := signed.File(); again != string(data) {
			t.Errorf("read\n%q\nwritten\n%q", data, again)
		}
	})
}

func FuzzParseRoot(f *testing.F) {
	f.Add(text(f)(sampleRoot().Text()))
	f.Fuzz(func(t *testing.T, data string) {
		root, err := nhi.ParseRoot(data)
		if err != nil {
			return
		}
		if again := text(t)(root.Text()); again != data {
			t.Errorf("read\n%q\nwritten\n%q", data, again)
		}
	})
}

func FuzzParseBase(f *testing.F) {
	f.Add(text(f)(sampleBase().Text()))
	f.Fuzz(func(t *testing.T, data string) {
		base, err := nhi.ParseBase(data)
		if err != nil {
			return
		}
		if again := text(t)(base.Text()); again != data {
			t.Errorf("read\n%q\nwritten\n%q", data, again)
		}
	})
}

func FuzzParseMark(f *testing.F) {
	f.Add(nhi.Mark{Ledger: sampleLedger, Grant: sampleRequest().Approval, Target: "db", Nonce: sampleNonce}.String())
	f.Fuzz(func(t *testing.T, data string) {
		mark, err := nhi.ParseMark(data)
		if err != nil {
			return
		}
		if again := mark.String(); again != data {
			t.Errorf("read %q, written %q", data, again)
		}
	})
}

func FuzzParseEmergency(f *testing.F) {
	f.Add(text(f)(sampleEmergency(f).Text()))
	f.Fuzz(func(t *testing.T, data string) {
		emergency, err := nhi.ParseEmergency(data)
		if err != nil {
			return
		}
		if again := text(t)(emergency.Text()); again != data {
			t.Errorf("read\n%q\nwritten\n%q", data, again)
		}
	})
}
