package lifecycle

import (
	"maps"
	"strings"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Phase is where the ledger left a grant.
type Phase string

// The phases.
const (
	PhaseNone       Phase = ""           // nothing was ever held, or what was begun is verified undone
	PhaseUnfinished Phase = "unfinished" // an activation was begun and neither used nor undone
	PhaseActive     Phase = "active"
	PhaseRevoking   Phase = "revoking" // a removal was begun and is not confirmed on every target
	PhaseRevoked    Phase = "revoked"
)

// Record is what the ledger says of one grant: the end of its chain. It is
// also kept, as JSON, beside the Terraform state, so that access can be removed
// while the ledger is away. Nothing in it is secret.
type Record struct {
	Ledger     string                   `json:"ledger"` // its id
	Grant      nhi.ApprovalID           `json:"grant"`
	Phase      Phase                    `json:"phase"`
	Epoch      uint64                   `json:"epoch"` // number of the last intent or block
	Head       nhi.Head                 `json:"head"`
	Activation int                      `json:"activation"` // of the last activation begun
	Held       nhi.Digest               `json:"held"`       // the request in force, or last in force
	Text       string                   `json:"text"`       // its text
	StartedAt  time.Time                `json:"started_at"`
	ExpiresAt  time.Time                `json:"expires_at"`
	Targets    map[string]ledger.Target `json:"targets"` // all that may exist on systems
	// Enabled says that Enable may have been called under these nonces.
	Enabled bool `json:"enabled"`
	// Last is what was read back last, by target key.
	Last map[string]ledger.Verified `json:"last"`
	// Uses counts the activations consumed, by request.
	Uses map[nhi.Digest]int `json:"uses"`
	// Blocked says who ended the grant by hand, and why; empty where nobody did.
	Blocked string `json:"blocked"`
	// Destroyed says that the last removal came from destroying the grant.
	Destroyed bool `json:"destroyed"`

	intent ledger.IntentBody // the last one
	before *Record           // what stood before the last activation
}

// ReasonDestroyed is the reason of a removal that comes from destroying the
// grant in Terraform.
const ReasonDestroyed = "destroyed"

// retiredMark stands between the key of a target and the number of the
// activation that it was made for, once another account has taken its place.
// No key that people type may hold it.
const retiredMark = "@"

// Retired says whether key names an account that was replaced and only waits
// for its removal.
func Retired(key string) bool { return strings.Contains(key, retiredMark) }

// Fold reads the record of a grant from its chain.
func Fold(grant nhi.ApprovalID, chain ledger.Chain) Record {
	record := Record{Grant: grant, Targets: map[string]ledger.Target{}, Last: map[string]ledger.Verified{}, Uses: map[nhi.Digest]int{}}
	late := false
	for _, entry := range chain.Entries {
		record.Ledger = entry.Ledger
		if intent, ok := entry.Body.(ledger.IntentBody); ok {
			late = arrivedLate(intent, entry)
		}
		if !late {
			record.add(entry)
		}
	}
	record.Head = chain.Head()
	return record
}

// arrivedLate says whether a removal was carried out while the ledger was away
// and recorded after another run had gone on: it is testimony about an older
// activation and says nothing of the newer one.
func arrivedLate(intent ledger.IntentBody, entry ledger.Entry) bool {
	relied, ok := intent.Heads[entry.Chain]
	return ok && intent.Verb == ledger.VerbRevoke && relied.Hash != entry.Prev
}

func (r *Record) add(entry ledger.Entry) {
	switch body := entry.Body.(type) {
	case ledger.IntentBody:
		r.begin(body)
		r.Epoch = entry.Seq
	case ledger.EffectBody:
		r.effect(body)
	case ledger.VerificationBody:
		r.verify(body)
	case ledger.UseBody:
		r.use(body)
	case ledger.BlockBody:
		r.Blocked = body.By + ": " + body.Reason
		r.Epoch = entry.Seq
	case ledger.LiftBody:
		r.Blocked = ""
	}
}

func (r *Record) begin(intent ledger.IntentBody) {
	previous := *r
	previous.Targets = maps.Clone(r.Targets)
	r.intent = intent
	for key, target := range intent.Targets {
		r.Targets[key] = target
	}
	switch intent.Verb {
	case ledger.VerbActivate:
		if r.Phase == PhaseActive {
			r.before = &previous
		}
		r.Activation = intent.Activation
		r.Phase, r.Enabled = PhaseUnfinished, r.Phase == PhaseActive
	case ledger.VerbRevoke, ledger.VerbUndo:
		r.Phase = PhaseRevoking
		r.Destroyed = intent.Reason == ReasonDestroyed
	}
}

func (r *Record) effect(effect ledger.EffectBody) {
	r.Enabled = true // the next step is Enable, and it may have begun
	for key, target := range effect.Targets {
		if _, known := r.Targets[key]; known {
			r.Targets[key] = target
		}
	}
}

func (r *Record) verify(verification ledger.VerificationBody) {
	for key, verified := range verification.Targets {
		r.Last[key] = verified
		if gone(verified) && r.removing(key) {
			delete(r.Targets, key)
		}
	}
	switch r.intent.Verb {
	case ledger.VerbRevoke:
		if len(r.Targets) == 0 {
			r.Phase = PhaseRevoked
		}
	case ledger.VerbUndo:
		if len(r.Targets) == 0 {
			r.Phase = PhaseNone
		}
	case ledger.VerbRepair:
		r.restore()
	}
}

// removing says whether the last intent takes the target away.
func (r *Record) removing(key string) bool {
	if r.intent.Verb == ledger.VerbRevoke || r.intent.Verb == ledger.VerbUndo {
		return true
	}
	_, wished := r.intent.Targets[key]
	return !wished || Retired(key)
}

// restore ends a repair that follows an activation which failed over a live
// grant: what stood before is in force again.
func (r *Record) restore() {
	if r.Phase == PhaseUnfinished && r.before != nil && r.intent.Request == r.before.Held {
		r.Phase = PhaseActive
		r.Activation = r.before.Activation
		r.before = nil
	}
}

func (r *Record) use(use ledger.UseBody) {
	r.Phase = PhaseActive
	r.before = nil
	r.Held, r.Text = use.Request, r.intent.Text
	r.StartedAt, r.ExpiresAt = r.intent.StartedAt, r.intent.ExpiresAt
	r.Activation = use.Activation
	r.Uses[use.Request]++
}

// gone says whether a removal is complete, as far as it can ever be seen.
func gone(v ledger.Verified) bool {
	return v.Open == "" && (v.State == string(connector.Absent) || v.State == string(connector.Unknown) || v.State == string(connector.Foreign))
}

// Account is the target called key, as its connector is asked about it.
func (r *Record) Account(key string) connector.Account {
	target := r.Targets[key]
	name, _, _ := strings.Cut(key, retiredMark)
	return connector.Account{
		Mark:      nhi.Mark{Ledger: r.Ledger, Grant: r.Grant, Target: name, Nonce: target.Nonce},
		Principal: target.Principal,
		ID:        target.ID,
		Evidence:  target.Evidence,
		Access:    target.Access,
		NotBefore: target.NotBefore,
		NotAfter:  target.NotAfter,
		Enabled:   r.Enabled,
	}
}
