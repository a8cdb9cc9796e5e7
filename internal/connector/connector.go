// Package connector is the contract between the lifecycle and one kind of
// target system, and the guard (Checked) that stands between the two.
//
// A connector is one folder below this one and one line in builtin. It never
// imports another connector or the lifecycle.
package connector

import (
	"context"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Account is one grant's access on one target, as the lifecycle knows it: what
// a connector is asked to observe, make, change or remove.
type Account struct {
	Mark      nhi.Mark   `json:"mark"`      // whose it is, with the nonce of its intent
	Principal string     `json:"principal"` // its deterministic name on the target
	ID        string     `json:"id"`        // the target's immutable id; empty until an effect or a read gave it
	Evidence  string     `json:"evidence"`  // what the connector returned last, given back unchanged; never secret
	Access    nhi.Values `json:"access"`    // what was approved
	NotBefore time.Time  `json:"not_before"`
	NotAfter  time.Time  `json:"not_after"` // the end of the term
	// Enabled says that Enable may have been called for this nonce. Where it
	// is false, it never was: what a crash left behind is inert at most.
	Enabled bool `json:"enabled"`
	// ByMark says that nothing but its whole mark tells that an object is this
	// account: what is asked about was remembered outside of the ledger, where
	// anybody may have written a name and an id. Where it is false, name and id
	// tell an object whose mark was edited by hand.
	ByMark bool `json:"by_mark"`
}

// State is what a target holds under an account's name.
type State string

// The states of an account on its target.
const (
	// Absent: nothing of that name, and the target said so itself.
	Absent State = "absent"
	// Inert: ours, and without any privilege or way to log in.
	Inert State = "inert"
	// Active: ours, with privileges (the approved ones, or others: see Findings).
	Active State = "active"
	// Foreign: something of that name that does not carry our mark, nonce or
	// id. It is reported and never touched.
	Foreign State = "foreign"
	// Unknown: the target cannot be asked, by design (external). Never an
	// answer to a failure: that is an error.
	Unknown State = "unknown"
	// Released: an account that was taken over and is ours no more. It stands
	// without our mark: shut (Kind.Adopts says so), or as it was found. Only a
	// removal ends in it.
	Released State = "released"
)

// Who enforces the end of a term.
const (
	EnforcedByTarget = "target" // the target refuses by itself after it
	EnforcedByApply  = "apply"  // the next apply or sweep does
)

// Observation is what a target answered about one account.
type Observation struct {
	Principal  string
	ID         string
	Evidence   string
	State      State
	Privileges []string // what it holds, in the words of Kind.Privileges, sorted
	Findings   []string // what differs from Account.Access: "role admin was added by hand"
	// Warnings are what people should know and no apply changes: "policy
	// orders-read has another text than at activation".
	Warnings   []string
	NotAfter   time.Time
	EnforcedBy string
	// UsableUntil is when what was issued stops by itself even if its removal
	// is never confirmed; zero where that is never, or where nothing is usable.
	UsableUntil time.Time
	// Verified says that the target itself, or a probe, confirmed the state.
	Verified bool
}

// Outcome is an observation after an effect, or the error that stands in its
// place. A removal that was ordered and not confirmed is nhi.ErrUnconfirmed
// together with an observation that says until when it may be usable.
type Outcome struct {
	Observation
	Err error
}

// Holdings is what one read of a system found.
type Holdings interface {
	// Of returns what was found of an account. An account that was not in the
	// read is Absent only if the read would have listed it.
	Of(Account) Observation
}

// Connector is one open target system. Every method takes many accounts and
// returns one outcome for each, in order; one account's failure is its own
// outcome and never another's. Every effect is idempotent, honours its
// context, and, where the target can check, is conditional on mark and id.
//
// Errors: nhi.ErrForeign for an object that is not ours, nhi.ErrUnreachable
// for no answer, time-out, refused credentials and garbage alike (none of
// these is ever "gone"), nhi.ErrUnconfirmed for a removal that was not
// confirmed. Errors never carry a secret.
type Connector interface {
	// Read returns what the system holds of ours: of these accounts, or, for
	// nil, everything with a mark. It changes nothing.
	Read(ctx context.Context, accounts []Account) (Holdings, error)
	// Prepare makes each account exist, inert: without privileges and without
	// a way to log in. An account of ours that has more (an unfinished intent)
	// is stripped. ID and Evidence come back, to be recorded.
	Prepare(ctx context.Context, accounts []Account) []Outcome
	// Enable gives exactly the approved privileges to a prepared or active
	// account, until NotAfter; privileges beyond them are taken away.
	Enable(ctx context.Context, accounts []Account) []Outcome
	// Revoke takes privileges, then sessions, then credentials, then the
	// account, and reads back. An account already gone is success (Absent). One
	// that was taken over and is to be kept is shut instead, and Released.
	Revoke(ctx context.Context, accounts []Account) []Outcome
	// Probe tries the access from outside, as its user would: Active where it
	// is accepted, Absent where it is refused, Unknown where there is no way
	// to try. A wrong host, a time-out or garbage is an error, never Absent.
	Probe(ctx context.Context, accounts []Account) []Outcome
	// Close releases connections. It is called once.
	Close() error
}

// Credential is what an Issuer issued for one use.
type Credential struct {
	Handle    string // names the credential on the target, for Withdraw; never secret
	Values    map[string]nhi.Secret
	ExpiresAt time.Time
}

// Issuer is implemented by connectors that can issue credentials for an
// active account.
type Issuer interface {
	// Issue makes a credential that ends at notAfter, at the latest. It must
	// refuse (nhi.ErrEnded) an account that is not active on the target. Options
	// are those of Kind.Options that were asked for, checked and complete.
	Issue(ctx context.Context, account Account, notAfter time.Time, options nhi.Values) (Credential, error)
	// Withdraw removes an issued credential. One already gone is success.
	Withdraw(ctx context.Context, account Account, handle string) error
}
