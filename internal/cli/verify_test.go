package cli_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/cli"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// add appends a body to a chain past every check but the ledger's own.
func (w *world) add(name string, body ledger.Body) {
	w.t.Helper()
	_, err := w.book().Append(context.Background(), w.chain(name), body)
	must(w.t, err)
}

type found struct {
	OK     bool
	Faults []struct {
		Chain, Reason string
		Entry         int
	}
	Policies, Requests, Decisions, Activations int
}

func TestVerifyIsContentWithAGoodRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.activate(w.approved(w.wide(etl)))
	w.pass(time.Hour)
	narrow := w.request(etl) // contained in what is in force: nobody is asked
	text := w.ask(narrow, "eve")
	w.activate(text)
	var report found
	w.json(&report, "verify")
	if !report.OK || report.Policies != 1 || report.Requests != 2 || report.Decisions != 2 || report.Activations != 2 {
		t.Errorf("verify found %+v", report)
	}
	if out := w.ok("verify"); !strings.Contains(out, "1 policy, 2 requests, 2 decisions, 2 activations") {
		t.Errorf("verify said %s", out)
	}
}

// Who asked without a proof, took it back, and asked again with one, is proven.
func TestVerifyForgetsWhatWasTakenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text, err := w.request(etl).Text()
	must(t, err)
	name := ledger.ApprovalChain(etl)
	w.add(name, ledger.RequestBody{Text: text})
	w.add(name, ledger.WithdrawalBody{Request: nhi.DigestOf(text)})
	w.activate(w.approved(w.request(etl)))
	if out := w.ok("verify"); !strings.Contains(out, "1 activation") {
		t.Errorf("verify said %s", out)
	}
}

// signedBy is a decision as nhi approve makes one, by anybody and on any head.
func (w *world) signedBy(name, text string, head nhi.Head) nhi.SignedDecision {
	w.t.Helper()
	standing := w.standing(text)
	request, err := nhi.ParseRequest(text)
	must(w.t, err)
	before := standing.Now.Add(standing.Policy.ActivateWithin)
	decision, err := nhi.Decision{
		Verdict: nhi.VerdictApprove, PolicyVersion: 1, PolicyDigest: standing.Policy.Digest, SignedAt: standing.Now,
		ActivateBefore: before, NotAfter: before.Add(request.TTL), Head: head, Request: text,
	}.Text()
	must(w.t, err)
	list, err := nhi.DecisionList([]string{decision})
	must(w.t, err)
	made, err := signature.Sign(w.signer(name), signature.NamespaceDecision, list)
	must(w.t, err)
	return nhi.SignedDecision{Text: decision, List: list, Signature: made}
}

func TestVerifyFindsForgeries(t *testing.T) {
	t.Parallel()
	name := ledger.ApprovalChain(etl)
	cases := map[string]func(w *world, text string){
		"belongs to nobody in policy version 1": func(w *world, text string) {
			w.add(name, ledger.DecisionBody{SignedDecision: w.signedBy("mal", text, w.chain(name).Head())})
		},
		"does not match the text": func(w *world, text string) {
			signed := w.signedBy("ana", text, w.chain(name).Head())
			w.pass(time.Second)
			signed.Signature = w.signedBy("ana", text, w.chain(name).Head()).Signature
			w.add(name, ledger.DecisionBody{SignedDecision: signed})
		},
		"its signer saw another record": func(w *world, text string) {
			head := nhi.Head{Seq: 1, Hash: nhi.DigestOf("another entry")}
			w.add(name, ledger.DecisionBody{SignedDecision: w.signedBy("ana", text, head)})
		},
		"does not name this decision": func(w *world, text string) {
			signed := w.signedBy("ana", text, w.chain(name).Head())
			signed.List = nhi.ListLine("another text", etl)
			w.add(name, ledger.DecisionBody{SignedDecision: signed})
		},
		"the requester's signature": func(w *world, text string) {
			w.add(name, ledger.RequestBody{Text: text, Signature: "nonsense"})
		},
		"the request is for production/payments/etl/job-001:default": func(w *world, _ string) {
			other, err := w.request(approval(1)).Text()
			must(w.t, err)
			w.add(name, ledger.RequestBody{Text: other})
		},
		"has no place in this chain": func(w *world, _ string) { w.add(name, ledger.UseBody{}) },
		"signed by 0 of the 1": func(w *world, _ string) {
			w.add(ledger.PolicyChain, ledger.PolicyBody{Version: 2, Document: "x", Digest: nhi.DigestOf("x")})
		},
		"it is about": func(w *world, _ string) {
			w.add(ledger.IdentityChain(etl.Identity()), ledger.IdentityBody{Identity: nhi.Identity{
				ID: approval(1).Identity(), Owner: "x", Purpose: "x", Kind: nhi.KindService, Status: nhi.IdentityActive}})
		},
		"it does not follow from the entry before it": func(w *world, _ string) {
			w.add(name, ledger.WithdrawalBody{Request: nhi.DigestOf("x")})
			w.sql("DROP TRIGGER entry_update", "UPDATE entry SET value = CAST(replace(CAST(value AS TEXT), 'CHG-1234', 'CHG-9999') AS BLOB) WHERE key LIKE 'approval/%'")
		},
		"it is missing": func(w *world, _ string) {
			w.add(name, ledger.WithdrawalBody{Request: nhi.DigestOf("x")})
			w.sql("DROP TRIGGER entry_delete", fmt.Sprintf("DELETE FROM entry WHERE key = '%s/00000001'", name))
		},
	}
	for words, forge := range cases {
		t.Run(words, func(t *testing.T) {
			t.Parallel()
			w := asked(t)
			forge(w, w.text(etl))
			got := w.fails(cli.ExitWrong, "the record is not what it must be", "verify")
			if !strings.Contains(got.out, words) || !strings.Contains(got.out, " entry ") || !strings.Contains(got.out, "fault") {
				t.Errorf("verify does not say %q:\n%s", words, got.out)
			}
		})
	}
}

func TestVerifyFindsActivationsThatNobodyApproved(t *testing.T) {
	t.Parallel()
	cases := map[string]func(w *world){
		"activation 1 was not approved when it was begun (pending)": func(w *world) { w.activate(w.ask(w.request(etl), "eve")) },
		"(lapsed)": func(w *world) {
			text := w.approved(w.request(etl))
			w.pass(169 * time.Hour)
			w.activate(text)
		},
		"served one activation, and this is number 2": func(w *world) {
			text := w.approved(w.request(etl))
			w.activate(text)
			w.activate(text)
		},
		"which is no intent to activate": func(w *world) {
			w.add(ledger.GrantChain(etl), ledger.BlockBody{})
			w.add(ledger.GrantChain(etl), ledger.UseBody{Epoch: 1})
		},
		"which is not before it": func(w *world) { w.add(ledger.GrantChain(etl), ledger.UseBody{Epoch: 1}) },
		"is not the use of its intent": func(w *world) {
			w.activate(w.approved(w.request(etl)))
			w.add(ledger.GrantChain(etl), ledger.UseBody{Epoch: 1, Activation: 2})
		},
		"that it relied on is not in this ledger": func(w *world) {
			text := w.approved(w.request(etl))
			heads := w.standing(text).Heads
			heads[ledger.ApprovalChain(etl)] = nhi.Head{Seq: 1, Hash: nhi.DigestOf("x")}
			w.add(ledger.GrantChain(etl), ledger.IntentBody{Verb: ledger.VerbActivate, Request: nhi.DigestOf(text), Text: text, Heads: heads})
			w.add(ledger.GrantChain(etl), ledger.UseBody{Epoch: 1, Request: nhi.DigestOf(text)})
		},
	}
	for words, forge := range cases {
		t.Run(words, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			forge(w)
			var report found
			got := w.fails(cli.ExitWrong, "", "verify")
			if !strings.Contains(got.out, words) || !strings.Contains(got.out, "grant/") || report.OK {
				t.Errorf("verify does not say %q:\n%s", words, got.out)
			}
		})
	}
}

func TestVerifyNeedsThePin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.pins = []nhi.Digest{nhi.DigestOf("another root")}
	got := w.fails(cli.ExitWrong, "the record is not", "verify")
	if !strings.Contains(got.out, "root entry 1: the ledger's root is sha256:") {
		t.Errorf("verify said %s", got.out)
	}
	w.fails(cli.ExitUnavailable, "no ledger here", "verify", "--ledger", w.path("nowhere"))
}
