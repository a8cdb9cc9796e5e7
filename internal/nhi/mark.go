package nhi

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"
)

// markHeading starts every mark that we leave on a target.
const markHeading = "nhi:1"

// Mark is what every object of ours carries on its target: whose it is, and
// the nonce of the intent that made it. A mark alone proves nothing: a nonce
// that the ledger does not know is somebody else's.
type Mark struct {
	Ledger string     `json:"ledger"`
	Grant  ApprovalID `json:"grant"`
	Target string     `json:"target"`
	Nonce  string     `json:"nonce"` // 32 hexadecimal digits
}

// String writes the mark in one line: nhi:1 LEDGER GRANT TARGET NONCE.
func (m Mark) String() string {
	return strings.Join([]string{markHeading, m.Ledger, string(m.Grant), m.Target, m.Nonce}, " ")
}

// ParseMark reads what String wrote; ErrInvalid for anything else.
func ParseMark(text string) (Mark, error) {
	parts := strings.Split(text, " ")
	if len(parts) != 5 || parts[0] != markHeading {
		return Mark{}, fmt.Errorf("no mark of ours: %w", ErrInvalid)
	}
	mark := Mark{Ledger: parts[1], Grant: ApprovalID(parts[2]), Target: parts[3], Nonce: parts[4]}
	if err := CheckLedgerID(mark.Ledger); err != nil {
		return Mark{}, err
	}
	if _, err := ParseApprovalID(parts[2]); err != nil {
		return Mark{}, err
	}
	if err := CheckName(mark.Target); err != nil {
		return Mark{}, fmt.Errorf("mark: target %w", err)
	}
	if err := CheckLedgerID(mark.Nonce); err != nil {
		return Mark{}, fmt.Errorf("mark: nonce: %w", ErrInvalid)
	}
	return mark, nil
}

// principalEncoding has no capital letters and no padding.
var principalEncoding = base32.NewEncoding("abcdefghijkmnpqrstuvwxyz23456789").WithPadding(base32.NoPadding)

// Principal returns the name of a grant's account on a target: the identity's
// name, and six characters of a hash over everything that tells it apart
// ("orders-etl-k3x9ab"). It follows from environment, scope, identity,
// approval and target alone, so that it is known at plan and found again after
// any loss. At most MaxName + 7 bytes.
func Principal(grant ApprovalID, target string) string {
	const shown = 6
	sum := sha256.Sum256([]byte("nhi principal 1\n" + string(grant) + "\n" + target + "\n"))
	return grant.Identity().Name() + "-" + principalEncoding.EncodeToString(sum[:])[:shown]
}
