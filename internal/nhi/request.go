package nhi

import (
	"fmt"
	"strconv"
	"time"
)

// requestHeading names the format of a request text and its version.
const requestHeading = "nhi request 1"

// notReusable stands in the line "reusable until" of an approval that serves
// one activation.
const notReusable = "no"

// MaxRequestBytes bounds a request text. It leaves room in MaxTextBytes for a
// decision on it, together with the longest list and the signature.
const MaxRequestBytes = 512 << 10

// Request is the exact access asked for. Its text is what approvers sign and
// names nothing else, so that editing a justification asks nobody.
type Request struct {
	Ledger   string // id of the ledger that the request is recorded in
	Approval ApprovalID
	Term     int // 1, and one more for each renewal
	Owner    string
	Kind     string // of the identity
	Purpose  string
	TTL      time.Duration
	// ReusableUntil is the end of an approval that serves many activations;
	// zero where it serves one.
	ReusableUntil time.Time
	Access        Accesses
}

// Identity returns the id of the identity that the request is for.
func (r Request) Identity() IdentityID { return r.Approval.Identity() }

// Environment returns the environment of the request.
func (r Request) Environment() string { return r.Identity().Environment() }

// Scope returns the scope of the request.
func (r Request) Scope() string { return r.Identity().Scope() }

// Check holds when every part of the request is well formed.
func (r Request) Check() error {
	if err := CheckLedgerID(r.Ledger); err != nil {
		return err
	}
	if _, err := ParseApprovalID(string(r.Approval)); err != nil {
		return err
	}
	if r.Term < 1 || r.Term > 1_000_000 {
		return fmt.Errorf("term %d: %w", r.Term, ErrInvalid)
	}
	identity := Identity{ID: r.Identity(), Owner: r.Owner, Purpose: r.Purpose, Kind: r.Kind}
	if err := identity.Check(); err != nil {
		return err
	}
	if err := CheckTTL(r.TTL); err != nil {
		return fmt.Errorf("ttl: %w", err)
	}
	if err := checkTime(r.ReusableUntil); err != nil {
		return fmt.Errorf("reusable until: %w", err)
	}
	return r.Access.Check()
}

// Text returns the canonical text, or ErrInvalid where a part is malformed.
func (r Request) Text() (string, error) {
	if err := r.Check(); err != nil {
		return "", fmt.Errorf("request: %w", err)
	}
	w := &textWriter{}
	w.heading(requestHeading)
	w.line("", "ledger", r.Ledger)
	w.line("", "approval", string(r.Approval))
	w.line("", "term", strconv.Itoa(r.Term))
	w.line("", "environment", r.Environment())
	w.line("", "scope", r.Scope())
	w.line("", "identity", r.Identity().Name())
	w.line("", "owner", r.Owner)
	w.line("", "kind", r.Kind)
	w.line("", "purpose", r.Purpose)
	w.line("", "ttl", FormatTTL(r.TTL))
	reusable := notReusable
	if !r.ReusableUntil.IsZero() {
		reusable = FormatTime(r.ReusableUntil)
	}
	w.line("", "reusable until", reusable)
	for _, key := range r.Access.Keys() {
		writeAccess(w, key, r.Access[key])
	}
	if w.out.Len() > MaxRequestBytes {
		return "", fmt.Errorf("request is %d bytes long, and %d is the longest allowed: %w", w.out.Len(), MaxRequestBytes, ErrInvalid)
	}
	return w.out.String(), nil
}

func writeAccess(w *textWriter, key string, access Access) {
	w.line("", "access", key)
	w.line("  ", "kind", access.Kind)
	w.line("  ", "system", access.System)
	w.line("  ", "endpoint", access.Endpoint)
	for _, name := range access.Settings.Names() {
		if value := access.Settings[name]; value.IsList() {
			w.list("  ", name, value.Items())
		} else {
			w.line("  ", name, value.Text())
		}
	}
}

// ParseRequest reads a canonical request text. A text that would be written in
// another way is ErrNotCanonical, so the digest of what was parsed is the
// digest of what was read.
func ParseRequest(text string) (Request, error) {
	r := newTextReader(text, requestHeading)
	request := Request{Ledger: r.line("", "ledger"), Approval: ApprovalID(r.line("", "approval"))}
	request.Term = r.number("term")
	for _, derived := range []string{"environment", "scope", "identity"} {
		r.line("", derived) // compared when the text is written again
	}
	request.Owner = r.line("", "owner")
	request.Kind = r.line("", "kind")
	request.Purpose = r.line("", "purpose")
	request.TTL = r.ttl("ttl")
	if reusable := r.line("", "reusable until"); reusable != notReusable {
		request.ReusableUntil = r.parsedTime(reusable)
	}
	request.Access = readAccesses(r)
	if err := r.end(); err != nil {
		return Request{}, fmt.Errorf("request: %w", err)
	}
	again, err := request.Text()
	if err != nil {
		return Request{}, err
	}
	if again != text {
		return Request{}, fmt.Errorf("request: %w", ErrNotCanonical)
	}
	return request, nil
}

func readAccesses(r *textReader) Accesses {
	accesses := Accesses{}
	for r.has("access:") && len(accesses) <= MaxAccesses {
		key := r.line("", "access")
		access := Access{Kind: r.line("  ", "kind"), System: r.line("  ", "system"), Endpoint: r.line("  ", "endpoint"), Settings: Values{}}
		for r.has("  ") {
			name, value := r.setting("  ")
			access.Settings[name] = value
		}
		if _, twice := accesses[key]; twice {
			r.fail("access %.80q stands twice", key)
		}
		accesses[key] = access
	}
	return accesses
}

func (r *textReader) number(name string) int {
	n, err := strconv.Atoi(r.line("", name))
	if err != nil {
		r.fail("%s is no number", name)
	}
	return n
}

func (r *textReader) ttl(name string) time.Duration {
	ttl, err := ParseTTL(r.line("", name))
	if err != nil {
		r.fail("%s: %w", name, err)
	}
	return ttl
}

func (r *textReader) parsedTime(text string) time.Time {
	t, err := ParseTime(text)
	if err != nil {
		r.fail("%w", err)
	}
	return t
}

// CheckLedgerID holds for 32 lower-case hexadecimal digits.
func CheckLedgerID(id string) error {
	const length = 32
	if len(id) != length {
		return fmt.Errorf("ledger id %.80q is not %d hexadecimal digits: %w", id, length, ErrInvalid)
	}
	for _, c := range id {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return fmt.Errorf("ledger id %.80q is not %d hexadecimal digits: %w", id, length, ErrInvalid)
		}
	}
	return nil
}
