package lifecycle

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// SignedEmergency is an emergency text, and what holders of the trust root have
// signed over it. Nothing in it is verified yet.
type SignedEmergency struct {
	Text       string
	Signatures string // one armoured block for each signer
}

func (s SignedEmergency) digest() nhi.Digest { return nhi.DigestOf(s.Text) }

// PinnedEmergency reads an emergency and the root that it is to be signed
// under. That root must be pinned here: ErrUntrusted where it is not.
func (e *Engine) PinnedEmergency(text string) (nhi.Emergency, nhi.Root, error) {
	emergency, err := nhi.ParseEmergency(text)
	if err != nil {
		return emergency, nhi.Root{}, err
	}
	pins, err := e.Pins()
	if err != nil {
		return emergency, nhi.Root{}, err
	}
	if digest := nhi.DigestOf(emergency.Root); !slices.Contains(pins, digest) {
		return emergency, nhi.Root{}, fmt.Errorf("the emergency is for the root %s, and this machine trusts %v: %w", digest, pins, ErrUntrusted)
	}
	root, err := nhi.ParseRoot(emergency.Root)
	return emergency, root, err
}

// EmergencyInTime holds where the time is one at which the emergency may be used. Its
// own text is the only hint at a clock that is behind. Errors: nhi.ErrEnded,
// nhi.ErrDenied for one from the future, nhi.ErrUnreachable for the zero time.
func EmergencyInTime(emergency nhi.Emergency, now time.Time) error {
	switch {
	case now.IsZero():
		return fmt.Errorf("the time is not known: %w", nhi.ErrUnreachable)
	case !now.Before(emergency.NotAfter):
		return fmt.Errorf("the emergency ended %s, and it is %s: %w", shortTime(emergency.NotAfter), shortTime(now), nhi.ErrEnded)
	case emergency.MadeAt.After(now.Add(ledger.MaxAhead)):
		return fmt.Errorf("the emergency was made %s, and it is %s: one of the two clocks is wrong: %w",
			shortTime(emergency.MadeAt), shortTime(now), nhi.ErrDenied)
	}
	return nil
}

// CheckEmergency holds where an emergency may be granted here at a time: its
// root is pinned, the root's threshold has signed it, its time is now, and
// every access is well formed and on a configured system. Whether it was used
// before, it does not say.
//
// Errors: nhi.ErrInvalid, nhi.ErrNotCanonical, ErrUntrusted, nhi.ErrDenied for
// too few signatures, nhi.ErrEnded, ErrNoSystem.
func (e *Engine) CheckEmergency(signed SignedEmergency, now time.Time) (nhi.Emergency, error) {
	emergency, root, err := e.PinnedEmergency(signed.Text)
	if err != nil {
		return emergency, err
	}
	if err := policy.VerifyEmergency(signed.Text, signed.Signatures, root); err != nil {
		return emergency, err
	}
	if err := EmergencyInTime(emergency, now); err != nil {
		return emergency, err
	}
	return emergency, e.Systems.CheckAccess(emergency.Access)
}

// errTakesOver says that an emergency would take an existing account over.
var errTakesOver = errors.New("an emergency takes no existing account over")

// CheckAccess holds where every access is on a configured system that leads
// where the access says, and its settings are what that kind of system takes,
// complete and in their canonical form. An access that takes an account over
// is refused: nobody has seen that account.
func (s *Systems) CheckAccess(accesses nhi.Accesses) error {
	for _, key := range accesses.Keys() {
		access := accesses[key]
		if err := s.Check(ledger.Target{System: access.System, Kind: access.Kind, Endpoint: access.Endpoint}); err != nil {
			return fmt.Errorf("target %q: %w", key, err)
		}
		kind, ok := s.Kind(access.Kind)
		if !ok {
			return fmt.Errorf("target %q: kind %q is not built in: %w", key, access.Kind, ErrNoSystem)
		}
		complete, wrong := setting.Complete(kind.Access, access.Settings)
		switch {
		case len(wrong) > 0:
			return fmt.Errorf("target %q: %w", key, wrong[0])
		case !complete.Equal(access.Settings):
			return fmt.Errorf("target %q: its settings are not complete, or not those of kind %s: %w", key, access.Kind, nhi.ErrInvalid)
		case kind.Adoption(complete).Name != "":
			return fmt.Errorf("target %q: %w: %w", key, errTakesOver, nhi.ErrInvalid)
		case kind.CheckAccess == nil:
			continue
		}
		if err := kind.CheckAccess(complete); err != nil {
			return fmt.Errorf("target %q: %w", key, err)
		}
	}
	return nil
}

// emergency returns the emergency that is in force, or was last; false where
// what is in force is no emergency. One that cannot be read is one all the
// same.
func (r *Record) emergency() (emergency nhi.Emergency, is bool) {
	if !nhi.IsEmergency(r.Text) {
		return nhi.Emergency{}, false
	}
	emergency, _ = nhi.ParseEmergency(r.Text) // whether it is good, unvouched says
	return emergency, true
}

// emergencyWords says that an emergency is in force, for plans; empty where
// none is.
func (r *Record) emergencyWords() string {
	emergency, is := r.emergency()
	if !is || r.Phase != PhaseActive {
		return ""
	}
	return fmt.Sprintf("an emergency is in force until %s: %s", shortTime(r.ExpiresAt), emergency.Reason)
}

// unvouched says in words why the emergency in force gives nothing; empty where
// it is good, and where none is in force. The error says that it could not be
// judged: then it gives nothing, and is not ended for that.
func (e *Engine) unvouched(record Record) (why string, err error) {
	if _, is := record.emergency(); !is {
		return "", nil
	}
	emergency, err := nhi.ParseEmergency(record.Text)
	switch {
	case err != nil:
		return "the emergency on record cannot be read", nil //nolint:nilerr // that is what it says
	case nhi.DigestOf(record.Text) != record.Held, emergency.Ledger != record.Ledger, emergency.Grant != record.Grant:
		return "the emergency on record is another one's", nil
	}
	trust, err := e.Trust()
	if err != nil {
		return "", fmt.Errorf("whether the emergency is good is not known: %w", err)
	}
	why = "nobody signed the emergency on record"
	for _, entry := range record.chain.Entries {
		body, ok := entry.Body.(ledger.EmergencyBody)
		if !ok || body.Text != record.Text {
			continue
		}
		root, err := trust.EmergencyRoot(nhi.DigestOf(emergency.Root), entry.Time)
		if err == nil {
			err = policy.VerifyEmergency(body.Text, body.Signatures, root)
		}
		if err == nil {
			return "", nil
		}
		why = err.Error()
	}
	return why, nil
}

// errOtherRoot says that an emergency was signed under a root that was not the
// ledger's when it was recorded.
var errOtherRoot = errors.New("the emergency is signed under a trust root that is not the ledger's, or was not any more")

// EmergencyRoot returns the root that an emergency recorded at some time may be
// signed under: the one in force, or one before it as long as it had no
// successor.
func (t Trust) EmergencyRoot(digest nhi.Digest, recorded time.Time) (nhi.Root, error) {
	for i, rooted := range t.Roots {
		succeeded := i+1 < len(t.Roots) && !recorded.Before(t.Roots[i+1].Since)
		if rooted.Digest == digest && rooted.Verified && !succeeded {
			return rooted.Root, nil
		}
	}
	return nhi.Root{}, errOtherRoot
}
