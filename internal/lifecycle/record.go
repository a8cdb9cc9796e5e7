package lifecycle

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
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
	Ledger     string         `json:"ledger"` // its id; empty where no ledger was ever read
	Grant      nhi.ApprovalID `json:"grant"`
	Phase      Phase          `json:"phase"`
	Epoch      uint64         `json:"epoch"` // number of the last intent or block
	Head       nhi.Head       `json:"head"`
	Activation int            `json:"activation"` // of the last activation begun
	Held       nhi.Digest     `json:"held"`       // the request in force, or last in force
	Text       string         `json:"text"`       // its text
	StartedAt  time.Time      `json:"started_at"`
	ExpiresAt  time.Time      `json:"expires_at"`
	// Targets are all that may exist on systems: those that are wished under
	// their keys, and what was replaced or left out under retired ones.
	Targets map[string]ledger.Target `json:"targets"`
	// Enabled holds the nonces under which Enable may have been called.
	Enabled map[string]bool `json:"enabled"`
	// Used holds the nonces of accounts that were in force.
	Used map[string]bool `json:"used"`
	// Last is what was read back last, by target key.
	Last map[string]ledger.Verified `json:"last"`
	// Uses counts the activations consumed, by request.
	Uses map[nhi.Digest]int `json:"uses"`
	// Blocked says who ended the grant by hand, and why, and BlockedAt by which
	// entry; empty where nobody did since the last activation. Whether it was
	// lifted is in the standing.
	Blocked   string `json:"blocked"`
	BlockedAt uint64 `json:"blocked_at"`
	// IdentitySeen is how much of the identity's chain the activation in force
	// rests on: a block in there was lifted before it.
	IdentitySeen uint64 `json:"identity_seen"`
	// Destroyed says that the last term ended because the grant was destroyed.
	Destroyed bool `json:"destroyed"`
	// Trigger is the value of the grant's trigger that the activation in force,
	// or last in force, was for.
	Trigger string `json:"trigger"`
	// Holder names the resource instance that holds the grant; empty where no
	// release that names one has activated it.
	Holder string `json:"holder"`
	// Heads are the ends of the other chains that were relied on, by chain.
	Heads map[string]nhi.Head `json:"heads"`
	// Base is the number of the newest base that was known when the heads were
	// read; 0 where the ledger was never restored.
	Base int `json:"base,omitempty"`

	// unproven holds the nonces of accounts that a removal has brought along, from
	// a memory or from marks: no run of this ledger has made them.
	unproven map[string]bool
	// origins are the lost ledgers that accounts of this chain were of.
	origins map[string]bool

	chain  ledger.Chain      // that this was read from
	intent ledger.IntentBody // the last one
	acting uint64            // its number; 0 where it waits in the spool
	before *Record           // what stood before an activation over a live grant
	usedAt uint64            // number of the intent of the activation in force, or last in force
	refund nhi.Digest        // the request whose use is given back once an undo is verified
	// triggers are those of the activations begun, by number of the intent, and
	// triggered those that were used, by request.
	triggers  map[uint64]string
	triggered map[nhi.Digest]map[string]bool
}

// ReasonDestroyed is the reason of a removal that comes from destroying the
// grant in Terraform.
const ReasonDestroyed = "destroyed"

// retiredMark stands between the key of a target and the number of the entry
// that retired it. No key that people type may hold it.
const retiredMark = "@"

// Retired says whether key names an account that was replaced or left out and
// only waits for its removal.
func Retired(key string) bool { return strings.Contains(key, retiredMark) }

// retiredKey is the key of an account that entry seq retires, and that no
// other one in targets has.
func retiredKey(targets map[string]ledger.Target, key string, seq uint64) string {
	if !Retired(key) {
		key += retiredMark + strconv.FormatUint(seq, 10)
	}
	for _, taken := targets[key]; taken; _, taken = targets[key] {
		key += retiredMark
	}
	return key
}

// Changing says whether a change was begun over a live grant and neither
// finished nor taken back: what was in force may be damaged or exceeded.
func (r *Record) Changing() bool { return r.Phase == PhaseUnfinished && r.before != nil }

// holds says whether anything may be left on a target.
func (r *Record) holds() bool {
	return len(r.Targets) > 0 || r.Phase == PhaseActive || r.Phase == PhaseRevoking || r.Phase == PhaseUnfinished
}

// blank says whether nothing is remembered at all, not even that nothing is held.
func (r *Record) blank() bool { return r.Ledger == "" && len(r.Targets) == 0 }

// keys returns the targets that are wished, sorted, without the retired ones.
func (r *Record) keys() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(r.Targets)), Retired)
}

// retired returns the targets that wait for their removal, sorted.
func (r *Record) retired() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(r.Targets)), func(key string) bool { return !Retired(key) })
}

// nonces returns the nonces of the targets.
func nonces(targets map[string]ledger.Target) map[string]bool {
	set := map[string]bool{}
	for _, target := range targets {
		set[target.Nonce] = true
	}
	return set
}

// Account is the target called key, as its connector is asked about it.
func (r *Record) Account(key string) connector.Account {
	target := r.Targets[key]
	name, _, _ := strings.Cut(key, retiredMark)
	return connector.Account{
		Mark:      nhi.Mark{Ledger: cmp.Or(target.Ledger, r.Ledger), Grant: r.Grant, Target: name, Nonce: target.Nonce},
		Principal: target.Principal,
		ID:        target.ID,
		Evidence:  target.Evidence,
		Access:    target.Access,
		NotBefore: target.NotBefore,
		NotAfter:  target.NotAfter,
		Enabled:   r.Enabled[target.Nonce],
		ByMark:    r.unproven[target.Nonce] || target.Ledger != "",
	}
}

// remembered merges what is intact of the ledger with what the caller
// remembers: every target that either knows. A record that is not whole cannot
// say of any account that it never was enabled.
func remembered(intact, known Record) Record {
	merged := known
	if len(intact.Targets) > 0 || intact.Phase != PhaseNone {
		merged = intact
	}
	if known.Phase == PhaseActive || known.Phase == PhaseRevoking || known.Phase == PhaseUnfinished {
		merged.Phase = known.Phase
	}
	if merged.Ledger == "" {
		merged.Ledger = known.Ledger
	}
	merged.Grant, merged.Head, merged.Heads = known.Grant, intact.Head, known.Heads
	merged.Base = max(intact.Base, known.Base)
	if intact.Head.Seq == 0 {
		merged.Head = known.Head
	}
	merged.Targets = map[string]ledger.Target{}
	maps.Copy(merged.Targets, intact.Targets)
	recorded := nonces(intact.Targets)
	merged.unproven = map[string]bool{}
	maps.Copy(merged.unproven, intact.unproven)
	for _, key := range slices.Sorted(maps.Keys(known.Targets)) {
		target := known.Targets[key]
		if recorded[target.Nonce] {
			continue
		}
		if _, taken := merged.Targets[key]; taken {
			key = retiredKey(merged.Targets, key, known.Head.Seq)
		}
		merged.Targets[key], merged.unproven[target.Nonce] = target, true
	}
	merged.Enabled = nonces(merged.Targets)
	merged.Used = map[string]bool{}
	maps.Copy(merged.Used, intact.Used)
	maps.Copy(merged.Used, known.Used)
	merged.Last = maps.Clone(merged.Last)
	if merged.Last == nil {
		merged.Last = map[string]ledger.Verified{}
	}
	return merged
}
