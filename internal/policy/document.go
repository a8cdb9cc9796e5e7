package policy

import (
	"fmt"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// Document is a policy as Parse read it: well formed, but neither signed nor
// unexpired for all that it knows. See VerifySignatures and Evaluate.
type Document struct {
	Ledger         string // id of the one ledger that it is for
	Version        int
	Expires        time.Time
	ActivateWithin time.Duration // the longest that an approval may wait for its use
	// ReuseWithin is the longest that an approval may be used again and again,
	// where its request names an end of that; ActivateWithin where it is zero.
	ReuseWithin  time.Duration
	OnForbidden  string // what becomes of access in force that is not allowed any more
	Approvers    []Approver
	Environments []Environment
	Rules        []Rule // in order: the first that matches decides
	Protected    []Protected
	Runners      []Runner
	Issuers      []Issuer    // whose tokens prove runners and requesters
	Checks       []RiskCheck // for risks; see Check
	Digest       nhi.Digest  // of the exact bytes
}

// What becomes of access in force that the policy does not allow any more.
const (
	ForbiddenWarn   = "warn"   // plans warn, and it runs on to its end
	ForbiddenRevoke = "revoke" // it is revoked
)

// Within returns how long after it was signed an approval of the request may
// be used.
func (d *Document) Within(request nhi.Request) time.Duration {
	if request.ReusableUntil.IsZero() {
		return d.ActivateWithin
	}
	return max(d.ActivateWithin, d.ReuseWithin)
}

// Until returns until when an approval of the request that is signed at a time
// may be used, at most.
func (d *Document) Until(request nhi.Request, signedAt time.Time) time.Time {
	within := signedAt.Add(d.Within(request))
	if end := request.ReusableUntil; end.After(signedAt) {
		return nhi.Earliest(within, end)
	}
	return within
}

// Approver is a person, with the keys that sign for that person.
type Approver struct {
	Name   string
	Keys   []string // canonical, see signature.Key
	Groups []string
	// Accounts are the person's on services where a yes can be given too.
	Accounts []Account
	// Compromised are keys that were this person's, and that somebody else may
	// have: nothing that they signed counts, whenever that was.
	Compromised []Compromised
	// Workloads are the tokens that prove that this person asks.
	Workloads []Workload
}

// Compromised is a key, and since when somebody else may have it.
type Compromised struct {
	Key   string // canonical
	Since time.Time
}

// Environment names the systems that belong to it.
type Environment struct {
	Name    string
	Systems []System
}

// System is a target system and the one endpoint that it may have.
type System struct {
	Name     string
	Kind     string
	Endpoint string
}

// Rule decides the accesses that it matches.
type Rule struct {
	Name         string
	Environments []string // names, or "*" alone
	Scopes       []string // patterns, see MatchScope
	Systems      []string // names, "external", or "*" alone
	MaxTTL       time.Duration
	Quorums      []Quorum // all of them; empty only with NoApproval
	NoApproval   bool
	When         *Expression // nil where names alone say what it matches
	Conditions   []Condition // all of them must hold
	Windows      []Window    // one of them must be open; none: always
	MaxTerms     int         // the first term and its renewals; 0: no limit
	Distinct     bool        // nobody counts for two of its quorums
	HardwareKeys bool        // only what a hardware key signed counts
	Reviews      []Review    // of emergencies: they must follow
	Limits       *Limits     // of its delegate; nil where it is the platform's own
}

// Quorum is how many persons of a group must approve.
type Quorum struct {
	Group string
	Count int
	// RunConfirmation says that one of them may say yes by confirming the run
	// that applies, instead of signing.
	RunConfirmation bool `json:",omitempty"`
}

// Person returns the approver whom key belongs to. A certificate, or a key
// that is not in this document, is nobody's.
func (d *Document) Person(key ssh.PublicKey) (Approver, bool) {
	if key == nil {
		return Approver{}, false
	}
	canonical := signature.Key(key)
	for _, approver := range d.Approvers {
		for _, held := range approver.Keys {
			if held == canonical {
				return approver, true
			}
		}
	}
	return Approver{}, false
}

// Compromised returns whose key it was, and since when somebody else may have
// it; false where this document does not call it compromised.
func (d *Document) Compromised(key ssh.PublicKey) (Approver, Compromised, bool) {
	if key == nil {
		return Approver{}, Compromised{}, false
	}
	canonical := signature.Key(key)
	for _, approver := range d.Approvers {
		for _, lost := range approver.Compromised {
			if lost.Key == canonical {
				return approver, lost, true
			}
		}
	}
	return Approver{}, Compromised{}, false
}

// nobody says in words why a key is no person's that may sign.
func (d *Document) nobody(key ssh.PublicKey) string {
	if person, lost, ok := d.Compromised(key); ok {
		return fmt.Sprintf("it was a key of %s, and is compromised since %s", person.Name, nhi.FormatTime(lost.Since))
	}
	return "it belongs to nobody in this policy"
}

// environment returns the environment called name.
func (d *Document) environment(name string) (Environment, bool) {
	for _, environment := range d.Environments {
		if environment.Name == name {
			return environment, true
		}
	}
	return Environment{}, false
}

// system returns the system called name.
func (e Environment) system(name string) (System, bool) {
	for _, system := range e.Systems {
		if system.Name == name {
			return system, true
		}
	}
	return System{}, false
}
