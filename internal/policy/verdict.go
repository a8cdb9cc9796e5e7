package policy

import (
	"fmt"
	"slices"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/workload"
)

// The fields that a denial can be about.
const (
	FieldTTL         = "ttl"
	FieldSystem      = "system"
	FieldEndpoint    = "endpoint"
	FieldEnvironment = "environment"
	FieldLedger      = "ledger"
	FieldPolicy      = "policy"
	FieldRequest     = "request" // the text is not that of the request
	FieldTerm        = "term"
	FieldCondition   = "condition"
	FieldProtected   = "protected"
)

// Denial is one reason why policy says no, whatever people sign.
type Denial struct {
	Target string   // access key, or "" where it is about the whole request
	Field  string   // one of the Field constants
	Reason string   // one sentence, for people
	Risk   nhi.Risk `json:"-"` // that it keeps out; zero where it is none of them
}

// Requirement is what one rule asks of one group, and for which targets.
type Requirement struct {
	Rule       string
	Group      string   // empty with NoApproval
	Count      int      // before one is added for a requester who is not proven
	Targets    []string // access keys, sorted
	NoApproval bool
	Hardware   bool // only what a hardware key signed counts
	Distinct   bool // nobody counts for two requirements of this rule
	// RunConfirmation says that confirming the run that applies counts as one.
	RunConfirmation bool
}

// Ruling is what a policy says about a request before anybody decided.
type Ruling struct {
	Denials      []Denial
	Requirements []Requirement // by rule and group, in the order of the document
	// AtApply says that whether it is allowed also depends on what a plan does
	// not know: the time, the requester, the runner.
	AtApply bool
	// Findings are risks that the policy does not deny; see Level.
	Findings []Finding

	decided []decided
}

// decided is an access and the rule that decides it.
type decided struct {
	target string
	rule   Rule
}

// Deciding returns the name of the rule that decides a target; empty where
// none does.
func (r Ruling) Deciding(target string) string {
	for _, one := range r.decided {
		if one.target == target {
			return one.rule.Name
		}
	}
	return ""
}

// Asked is one recorded wish for a request text (an entry request@1 or
// request@2). At most one of Signature, Proof and Said is set; none where nobody
// is proven.
type Asked struct {
	Justification string
	At            time.Time // when it was recorded, by the ledger's clock
	// Signature is the requester's, over the request text with
	// signature.NamespaceRequest.
	Signature string
	// Proof is by a token of an issuer's, over the request text.
	Proof workload.Proof
	// Said is what the run that asked says Vault said of it.
	Said RunnerProof
}

// Input is all that a verdict follows from.
type Input struct {
	Request   nhi.Request
	Text      string // the canonical text of Request
	Asked     []Asked
	Decisions []nhi.SignedDecision // in the order of the chain, then files
	// HashAt returns the hash of the entry with this number in the approval's
	// chain, and for 0 what stands for a chain without entries; false where
	// there is none. A nil HashAt knows no head, so nothing is approved.
	HashAt func(seq uint64) (nhi.Digest, bool)
	Now    time.Time
	// Since is when the ledger was restored from a back-up; zero where it never
	// was. What may have been used after the back-up counts for nothing new.
	Since  time.Time
	Runner RunnerProof // where it would be activated, as far as that is proven
	// Self is what Vault says now of who asks, where this run is theirs.
	Self RunnerProof
	// Keys are those of the issuers that do not pin them, by URL, as far as they
	// were fetched.
	Keys map[string]IssuerKeys
	// Suppose takes who asked at the word of what cannot be checked any more: a
	// run's testimony, and tokens whose keys are not known. Such a request is
	// held back and never approved. It is for audits of what was begun long ago.
	Suppose bool
	// Confirmed is the confirmation of the run that applies now; nil where there
	// is none. It is never read from a record.
	Confirmed *Confirmed
	// Hosts are the services on which the run could be confirmed.
	Hosts []string
}

// Status is where an approval stands.
type Status string

// The statuses of an approval.
const (
	StatusPending   Status = "pending"
	StatusApproved  Status = "approved"
	StatusDenied    Status = "denied"    // by policy, or by a person
	StatusLapsed    Status = "lapsed"    // enough approved, and it was not used in time
	StatusWithdrawn Status = "withdrawn" // enough approved, and somebody took it back
)

// Need is a requirement and who has met it so far.
type Need struct {
	Requirement
	Want int      // Count, and one more where the requester is not proven
	Have []string // persons counted, sorted
}

// String says what is needed, for people: `2 of security (rule "databases")`.
func (n Need) String() string {
	if n.NoApproval {
		return fmt.Sprintf("no approval needed (rule %q)", n.Rule)
	}
	with := ""
	if n.Hardware {
		with = " with hardware keys"
	}
	return fmt.Sprintf("%d of %s%s (rule %q%s)", n.Want, n.Group, with, n.Rule, n.orConfirm())
}

// orConfirm says that confirming the run is a way to say yes too.
func (n Need) orConfirm() string {
	if !n.RunConfirmation {
		return ""
	}
	return "; confirming the run counts as one"
}

// Verdict is what policy and people together say about a request at one time.
type Verdict struct {
	Status     Status
	Denials    []Denial
	Findings   []Finding // risks that the policy does not deny
	Needs      []Need
	Requester  string   // the proven person who asked last; "" where any request is unproven
	ProvenBy   string   // by what the requester is proven, see ProvenBySSH; "" where not
	ApprovedBy []string // persons counted, sorted
	// ConfirmedBy is the person whose yes is the confirmation of the run; empty
	// where nobody's is, and where that person has signed too.
	ConfirmedBy string
	// Confirmers are the persons of whom one could give all that is missing by
	// confirming the run.
	Confirmers []string
	// Reasons are sentences for people: why it is not approved, and why a
	// decision does not count.
	Reasons []string
	// ActivateBefore and NotAfter are the earliest among the decisions
	// counted; zero where none counts.
	ActivateBefore time.Time
	NotAfter       time.Time
	NoApproval     bool // no rule asks for an approval
	// Held says why it may not be activated now and from here, although no one
	// denies it: a window is shut, a condition on time, requester or runner does
	// not hold. While there is one, the status is never approved.
	Held []string
	// Seen is how much of the approval's chain everybody counted has seen, in
	// entries; zero where nobody is counted.
	Seen uint64
}

// HeldBack says that everybody who was asked approved, no one denies it, and
// only what Held says is in the way.
func (v Verdict) HeldBack() bool {
	if v.Status != StatusPending || len(v.Held) == 0 {
		return false
	}
	return !slices.ContainsFunc(v.Needs, func(need Need) bool { return len(need.Have) < need.Want })
}

// Required says what is needed, one line for each rule and group.
func (v Verdict) Required() []string {
	lines := make([]string, 0, len(v.Needs))
	for _, need := range v.Needs {
		lines = append(lines, need.String())
	}
	return lines
}
