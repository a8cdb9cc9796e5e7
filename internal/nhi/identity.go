package nhi

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kinds of identity.
const (
	KindService    = "service"
	KindAutomation = "automation"
	KindAgent      = "agent"
	KindThirdParty = "third_party"
)

// Kinds lists every kind of identity, the default first.
func Kinds() []string {
	return []string{KindService, KindAutomation, KindAgent, KindThirdParty}
}

// CheckKind holds for one of Kinds.
func CheckKind(kind string) error {
	if !slices.Contains(Kinds(), kind) {
		return fmt.Errorf("%.80q is none of %s: %w", kind, strings.Join(Kinds(), ", "), ErrInvalid)
	}
	return nil
}

// IdentityStatus is where an identity stands in its life.
type IdentityStatus string

// The statuses of an identity. Only an active one may hold access.
const (
	IdentityActive   IdentityStatus = "active"
	IdentityDisabled IdentityStatus = "disabled"
	IdentityExpired  IdentityStatus = "expired"
	IdentityOrphaned IdentityStatus = "orphaned"
	// IdentityDeleted is in the ledger alone: the resource was destroyed.
	IdentityDeleted IdentityStatus = "deleted"
)

// Identity is a machine identity with an accountable owner, a purpose and an
// end. A zero ExpiresAt means that no end was set.
type Identity struct {
	ID        IdentityID     `json:"id"`
	Owner     string         `json:"owner"`
	Purpose   string         `json:"purpose"`
	Kind      string         `json:"kind"`
	Status    IdentityStatus `json:"status"`
	ExpiresAt time.Time      `json:"expires_at"`
}

// Check holds when every part of the identity is well formed.
func (i Identity) Check() error {
	if _, err := ParseIdentityID(string(i.ID)); err != nil {
		return err
	}
	if err := CheckText(i.Owner); err != nil {
		return fmt.Errorf("owner: %w", err)
	}
	if err := CheckText(i.Purpose); err != nil {
		return fmt.Errorf("purpose: %w", err)
	}
	if err := CheckKind(i.Kind); err != nil {
		return fmt.Errorf("kind: %w", err)
	}
	return nil
}
