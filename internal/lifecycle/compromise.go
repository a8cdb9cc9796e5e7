package lifecycle

import (
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// Tainted is a decision that access in force needed, by a key that is
// compromised since.
type Tainted struct {
	Person   string
	Key      string // its fingerprint
	Since    time.Time
	Seq      uint64    // number of its entry in the approval's chain
	Recorded time.Time // by the ledger's time
}

// Before says whether the ledger holds the decision from before the key was
// compromised.
func (t Tainted) Before() bool { return t.Recorded.Before(t.Since) }

// String says it in words.
func (t Tainted) String() string {
	when := "after"
	if t.Before() {
		when = "before"
	}
	return fmt.Sprintf("it rests on an approval by %s with the key %s, which is compromised since %s; entry %d, recorded %s, %s that",
		t.Person, t.Key, nhi.FormatTime(t.Since), t.Seq, nhi.FormatTime(t.Recorded), when)
}

// TaintedBy returns the decisions that the activation in force needed, and
// whose keys a policy calls compromised: without them, the quorum is not met.
// The record is one that Fold made, approval the chain of its approval, and
// keys are what IssuerKeys says of that chain.
func TaintedBy(document *policy.Document, record Record, approval ledger.Chain, keys map[string]policy.IssuerKeys) []Tainted {
	if record.Phase != PhaseActive {
		return nil
	}
	var all []Tainted
	texts, end := record.activated(approval.Name)
	for _, text := range texts {
		found := taintedIn(document, approval.Entries[:min(end, len(approval.Entries))], text)
		request, err := nhi.ParseRequest(text)
		if err != nil || len(found) == 0 {
			continue
		}
		_, confirmed := RecordedConfirmation(approval, nhi.DigestOf(text))
		verdict := document.Evaluate(policy.Input{Confirmed: confirmed, Request: request, Text: text, Asked: AskedIn(approval, text),
			Decisions: decisionsIn(approval), HashAt: approval.HashAt, Now: record.StartedAt, Keys: keys, Suppose: true})
		if verdict.Status != policy.StatusApproved && !verdict.HeldBack() {
			all = append(all, found...)
		}
	}
	return all
}

// activated returns the requests under which the activation in force was begun,
// the one that was approved and those that it covers, and how many entries of
// the approval's chain it rests on.
func (r *Record) activated(approval string) (texts []string, end int) {
	texts = []string{r.Text}
	for _, entry := range r.chain.Entries {
		body, ok := entry.Body.(ledger.IntentBody)
		if !ok || body.Verb != ledger.VerbActivate || body.Activation != r.Activation {
			continue
		}
		end = max(end, int(body.Heads[approval].Seq)) //nolint:gosec // at most ledger.MaxSeq
		if !slices.Contains(texts, body.Text) {
			texts = append(texts, body.Text)
		}
	}
	return texts, end
}

// taintedIn returns the approvals of a text by compromised keys.
func taintedIn(document *policy.Document, entries []ledger.Entry, text string) []Tainted {
	var found []Tainted
	for _, entry := range entries {
		body, ok := entry.Body.(ledger.DecisionBody)
		if !ok {
			continue
		}
		decision, err := nhi.ParseDecision(body.Text)
		if err != nil || decision.Request != text || decision.Verdict != nhi.VerdictApprove {
			continue
		}
		key, err := signature.Verify(body.Signature, signature.NamespaceDecision, body.List)
		if err != nil {
			continue
		}
		if person, lost, ok := document.Compromised(key); ok {
			found = append(found, Tainted{Person: person.Name, Key: ssh.FingerprintSHA256(key), Since: lost.Since, Seq: entry.Seq, Recorded: entry.Time})
		}
	}
	return found
}
