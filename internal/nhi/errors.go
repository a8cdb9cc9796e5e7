package nhi

import "errors"

// Sentinel errors of the domain. Callers match them with errors.Is; the
// message around them says which thing and why.
var (
	// ErrInvalid says that an input breaks a rule on names, texts or formats.
	ErrInvalid = errors.New("invalid")
	// ErrNotCanonical says that a text can be read but is not written in the
	// one way that its format allows, so its digest cannot be trusted.
	ErrNotCanonical = errors.New("not in canonical form")
	// ErrDenied says that policy, or a person, said no.
	ErrDenied = errors.New("denied")
	// ErrNotApproved says that the quorum is not met (yet, or any more).
	ErrNotApproved = errors.New("not approved")
	// ErrSpent says that an approval was used as often as was signed.
	ErrSpent = errors.New("approval already used")
	// ErrEnded says that the identity was disabled, expired or blocked.
	ErrEnded = errors.New("identity or grant has ended")
	// ErrForeign says that an object on a target is not ours: it lacks our
	// mark, or carries another nonce or id. It is never changed.
	ErrForeign = errors.New("not ours")
	// ErrUnconfirmed says that a removal was ordered and could not be
	// confirmed by the target.
	ErrUnconfirmed = errors.New("removal not confirmed")
	// ErrUnreachable says that a system or the ledger did not answer.
	ErrUnreachable = errors.New("unreachable")
)
