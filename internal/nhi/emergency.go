package nhi

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// emergencyHeading names the format of an emergency text and its version.
const emergencyHeading = "nhi emergency 1"

// MaxEmergency is the longest that access given in an emergency may last from
// the time that its text names.
const MaxEmergency = 24 * time.Hour

// MaxEmergencyBytes bounds an emergency text. It leaves room in one entry of a
// ledger for the text together with its signatures.
const MaxEmergencyBytes = 512 << 10

// emergencyNonceBytes is how long the nonce of an emergency is.
const emergencyNonceBytes = 16

// Emergency is access that holders of the trust root give by their signatures
// alone, while the ledger is away. It carries all that is needed to check it
// without one: the ledger's id, and the root whose threshold must sign. It is
// used once.
type Emergency struct {
	Ledger  string // id of the ledger that it is recorded in afterwards
	Grant   ApprovalID
	Owner   string // of the identity
	Purpose string // of the identity
	Reason  string
	Nonce   string // 32 hexadecimal digits; makes each emergency another one
	MadeAt  time.Time
	// NotAfter is the end of the access, at most MaxEmergency after MadeAt.
	NotAfter time.Time
	Access   Accesses
	Root     string // the canonical root text
}

// Identity returns the id of the identity that the access is for.
func (e Emergency) Identity() IdentityID { return e.Grant.Identity() }

// Check holds when every part of the emergency is well formed.
func (e Emergency) Check() error {
	if err := CheckLedgerID(e.Ledger); err != nil {
		return err
	}
	if _, err := ParseApprovalID(string(e.Grant)); err != nil {
		return err
	}
	identity := Identity{ID: e.Identity(), Owner: e.Owner, Purpose: e.Purpose, Kind: KindService}
	if err := identity.Check(); err != nil {
		return err
	}
	if err := CheckText(e.Reason); err != nil {
		return fmt.Errorf("reason: %w", err)
	}
	nonce, err := hex.DecodeString(e.Nonce)
	if err != nil || len(nonce) != emergencyNonceBytes || strings.ToLower(e.Nonce) != e.Nonce {
		return fmt.Errorf("nonce %.80q is not %d hexadecimal digits: %w", e.Nonce, hex.EncodedLen(emergencyNonceBytes), ErrInvalid)
	}
	if err := e.checkTimes(); err != nil {
		return err
	}
	if _, err := ParseRoot(e.Root); err != nil {
		return err
	}
	return e.Access.Check()
}

func (e Emergency) checkTimes() error {
	for _, t := range []time.Time{e.MadeAt, e.NotAfter} {
		if err := checkTime(t); err != nil {
			return err
		}
	}
	if !e.NotAfter.After(e.MadeAt) || e.NotAfter.Sub(e.MadeAt) > MaxEmergency {
		return fmt.Errorf("not after must be later than made at, by %s at most: %w", FormatTTL(MaxEmergency), ErrInvalid)
	}
	return nil
}

// Text returns the canonical text, or ErrInvalid where a part is malformed.
func (e Emergency) Text() (string, error) {
	if err := e.Check(); err != nil {
		return "", fmt.Errorf("emergency: %w", err)
	}
	w := &textWriter{}
	w.heading(emergencyHeading)
	w.line("", "ledger", e.Ledger)
	w.line("", "grant", string(e.Grant))
	w.line("", "environment", e.Identity().Environment())
	w.line("", "scope", e.Identity().Scope())
	w.line("", "identity", e.Identity().Name())
	w.line("", "owner", e.Owner)
	w.line("", "purpose", e.Purpose)
	w.line("", "reason", e.Reason)
	w.line("", "nonce", e.Nonce)
	w.line("", "made at", FormatTime(e.MadeAt))
	w.line("", "not after", FormatTime(e.NotAfter))
	for _, key := range e.Access.Keys() {
		writeAccess(w, key, e.Access[key])
	}
	w.line("", "root", string(DigestOf(e.Root)))
	w.out.WriteString(e.Root)
	if w.out.Len() > MaxEmergencyBytes {
		return "", fmt.Errorf("emergency is %d bytes long, and %d is the longest allowed: %w", w.out.Len(), MaxEmergencyBytes, ErrInvalid)
	}
	return w.out.String(), nil
}

// ParseEmergency reads a canonical emergency text. A text that would be written
// in another way is ErrNotCanonical.
func ParseEmergency(text string) (Emergency, error) {
	r := newTextReader(text, emergencyHeading)
	emergency := Emergency{Ledger: r.line("", "ledger"), Grant: ApprovalID(r.line("", "grant"))}
	for _, derived := range []string{"environment", "scope", "identity"} {
		r.line("", derived) // compared when the text is written again
	}
	emergency.Owner = r.line("", "owner")
	emergency.Purpose = r.line("", "purpose")
	emergency.Reason = r.line("", "reason")
	emergency.Nonce = r.line("", "nonce")
	emergency.MadeAt = r.parsedTime(r.line("", "made at"))
	emergency.NotAfter = r.parsedTime(r.line("", "not after"))
	emergency.Access = readAccesses(r)
	r.line("", "root") // compared when the text is written again
	emergency.Root = r.rest()
	if r.err != nil {
		return Emergency{}, fmt.Errorf("emergency: %w", r.err)
	}
	again, err := emergency.Text()
	if err != nil {
		return Emergency{}, err
	}
	if again != text {
		return Emergency{}, fmt.Errorf("emergency: %w", ErrNotCanonical)
	}
	return emergency, nil
}

// IsEmergency says whether a text says of itself that it is an emergency, of
// whatever version. Whether it is a good one, ParseEmergency says.
func IsEmergency(text string) bool { return strings.HasPrefix(text, "nhi emergency ") }

// kitHeading names the format of a kit and its version.
const kitHeading = "nhi emergency kit 1"

// EmergencyKit is what a machine must have at hand to write an emergency while
// the ledger is away. Nothing in it is secret.
type EmergencyKit struct {
	Ledger string // id of the ledger
	Root   string // the canonical root text
}

// Text returns the canonical text, or ErrInvalid where a part is malformed.
func (k EmergencyKit) Text() (string, error) {
	if err := CheckLedgerID(k.Ledger); err != nil {
		return "", fmt.Errorf("emergency kit: %w", err)
	}
	if _, err := ParseRoot(k.Root); err != nil {
		return "", fmt.Errorf("emergency kit: %w", err)
	}
	w := &textWriter{}
	w.heading(kitHeading)
	w.line("", "ledger", k.Ledger)
	w.out.WriteString(k.Root)
	return w.out.String(), nil
}

// ParseEmergencyKit reads a canonical kit; ErrNotCanonical where it is written
// in another way.
func ParseEmergencyKit(text string) (EmergencyKit, error) {
	r := newTextReader(text, kitHeading)
	kit := EmergencyKit{Ledger: r.line("", "ledger"), Root: r.rest()}
	if r.err != nil {
		return EmergencyKit{}, fmt.Errorf("emergency kit: %w", r.err)
	}
	again, err := kit.Text()
	if err != nil {
		return EmergencyKit{}, err
	}
	if again != text {
		return EmergencyKit{}, fmt.Errorf("emergency kit: %w", ErrNotCanonical)
	}
	return kit, nil
}
