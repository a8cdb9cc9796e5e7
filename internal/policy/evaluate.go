package policy

import (
	"fmt"
	"slices"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// maxReasons bounds how many sentences a verdict holds.
const maxReasons = 50

// evaluation is one run of Evaluate.
type evaluation struct {
	document *Document
	in       Input
	verdict  Verdict
	ruling   Ruling
	askers   map[string]bool // proven persons who asked
	unproven bool            // somebody asked without proof, or nobody did
	// barred says why persons behind the run that was confirmed never count, and
	// confirming is whose yes the confirmation is.
	barred     map[string]string
	confirming string
}

func (e *evaluation) reason(format string, args ...any) {
	sentence := fmt.Sprintf(format, args...)
	if len(e.verdict.Reasons) < maxReasons && !slices.Contains(e.verdict.Reasons, sentence) {
		e.verdict.Reasons = append(e.verdict.Reasons, sentence)
	}
}

// Evaluate says whether the request is approved at in.Now.
//
// A yes counts only where everything about it holds: its form and text, the
// list and the signature, its person in this document, the head of the chain
// that it was signed on, and its dates. A no (deny, withdraw) needs only form,
// signature and person, whatever its head and dates: every unknown is a no.
// Of one person the latest word counts; a yes must be later than that person's
// every no both by date and by the record seen, else the no holds.
//
// Persons are counted, once, whatever keys they use; who is in two groups
// counts in both, unless the rule wants distinct persons (see assign). What
// holds an activation back (Verdict.Held) leaves it pending. Whoever provably asked never counts as a yes; where somebody
// asked without proof, or nobody is on record, each quorum is one larger.
func (d *Document) Evaluate(in Input) Verdict {
	return d.evaluate(in).verdict
}

// evaluate is Evaluate, with all that it rests on.
func (d *Document) evaluate(in Input) *evaluation {
	e := &evaluation{document: d, in: in, askers: map[string]bool{}}
	e.policy()
	e.requesters()
	e.confirm()
	e.holdBack()
	e.tally(e.readBallots())
	return e
}

// policy takes the ruling over, and adds what needs a clock or the text.
func (e *evaluation) policy() {
	ruling := e.document.Rule(e.in.Request)
	switch {
	case e.in.Now.IsZero():
		ruling.deny("", FieldPolicy, "the time is not known, so neither is whether the policy has expired")
	case !e.in.Now.Before(e.document.Expires):
		ruling.deny("", FieldPolicy, "the policy expired %s", nhi.FormatTime(e.document.Expires))
	}
	if text, err := e.in.Request.Text(); err != nil || text != e.in.Text {
		ruling.deny("", FieldRequest, "the text is not that of the request")
	}
	e.verdict.Denials, e.verdict.Findings = ruling.Denials, ruling.Findings
	e.needs(ruling)
}

// needs takes over what a ruling asks for, before anybody decided.
func (e *evaluation) needs(ruling Ruling) {
	e.ruling = ruling
	e.verdict.NoApproval = len(ruling.Requirements) > 0
	for _, requirement := range ruling.Requirements {
		e.verdict.Needs = append(e.verdict.Needs, Need{Requirement: requirement, Want: requirement.Count})
		e.verdict.NoApproval = e.verdict.NoApproval && requirement.NoApproval
	}
}
