package lifecycle

import (
	"maps"
	"slices"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Fold reads the record of a grant from its chain.
func Fold(grant nhi.ApprovalID, chain ledger.Chain) Record {
	record := Record{
		Grant: grant, Targets: map[string]ledger.Target{}, Enabled: map[string]bool{},
		Last: map[string]ledger.Verified{}, Uses: map[nhi.Digest]int{}, Used: map[string]bool{},
		triggers: map[uint64]string{}, triggered: map[nhi.Digest]map[string]bool{},
	}
	late := false
	for _, entry := range chain.Entries {
		record.Ledger = entry.Ledger
		if intent, ok := entry.Body.(ledger.IntentBody); ok {
			late = arrivedLate(chain, intent, entry.Seq)
		}
		if !late || alone(entry.Body) {
			record.add(entry)
		}
	}
	record.Head, record.chain = chain.Head(), chain
	return record
}

// arrivedLate says whether a removal was carried out while the ledger was away
// and recorded after another run had gone on to give access: it is testimony
// about an older time and says nothing of the newer one.
func arrivedLate(chain ledger.Chain, intent ledger.IntentBody, seq uint64) bool {
	relied, ok := intent.Heads[chain.Name]
	if !ok || intent.Verb != ledger.VerbRevoke && intent.Verb != ledger.VerbUndo {
		return false
	}
	if relied.Seq >= seq || chain.Entries[relied.Seq].Prev != relied.Hash {
		return true // it is about another history
	}
	for _, entry := range chain.Entries[max(relied.Seq, ownEmergency(chain, intent, seq)) : seq-1] {
		if between, ok := entry.Body.(ledger.IntentBody); ok &&
			(between.Verb == ledger.VerbActivate || between.Verb == ledger.VerbRepair) {
			return true
		}
	}
	return false
}

// alone says whether a body belongs to no intent, so that it counts wherever
// it stands.
func alone(body ledger.Body) bool {
	switch body.(type) {
	case ledger.BlockBody, ledger.LiftBody, ledger.HolderBody, ledger.EmergencyBody:
		return true
	default:
		return false
	}
}

func (r *Record) add(entry ledger.Entry) {
	switch body := entry.Body.(type) {
	case ledger.IntentBody:
		r.begin(body, entry.Seq)
	case ledger.EffectBody:
		if r.owns(body.Epoch) {
			r.effect(body)
		}
	case ledger.VerificationBody:
		// A removal that was spooled did not know its own number.
		if r.owns(body.Epoch) || body.Epoch == 0 && r.removes() {
			r.verify(body)
		}
	case ledger.UseBody:
		r.use(body)
	case ledger.HolderBody:
		if r.Phase == PhaseActive && r.Activation == body.Activation {
			r.Holder = body.Holder
		}
	case ledger.BlockBody:
		r.Blocked, r.BlockedAt = blockWords(body), entry.Seq
		r.Epoch = entry.Seq
	case ledger.LiftBody, ledger.DecisionBody, ledger.EmergencyBody: // whether they lift a block is the policy's to say
	}
}

// removes says whether the last intent takes everything away.
func (r *Record) removes() bool {
	return r.intent.Verb == ledger.VerbRevoke || r.intent.Verb == ledger.VerbUndo
}

func (r *Record) begin(intent ledger.IntentBody, seq uint64) {
	r.mapped()
	r.interrupted(intent)
	previous := *r
	previous.Targets = maps.Clone(r.Targets)
	was := r.Phase
	r.intent, r.acting, r.Epoch = intent, seq, seq
	r.triggers[seq] = intent.Trigger
	for _, target := range intent.Targets {
		if target.Ledger != "" {
			r.origins[target.Ledger] = true
		}
	}
	switch intent.Verb {
	case ledger.VerbActivate:
		if was == PhaseActive {
			r.before = &previous
		}
		r.Activation = r.number(intent)
		r.Phase = PhaseUnfinished
	case ledger.VerbRevoke, ledger.VerbUndo:
		r.refund = ""
		if was == PhaseActive && intent.Verb == ledger.VerbUndo && intent.Request == r.Held {
			r.refund = r.Held
		}
		r.Phase, r.before = PhaseRevoking, nil
		r.ending(intent, was)
	}
	r.replace(intent, seq)
}

// ending notes whether a term ends because the grant was destroyed. Undoing
// what was never in force says nothing about the term before it.
func (r *Record) ending(intent ledger.IntentBody, was Phase) {
	destroyed := intent.Verb == ledger.VerbRevoke && intent.Reason == ReasonDestroyed
	switch was {
	case PhaseActive:
		r.Destroyed = destroyed
	default:
		r.Destroyed = r.Destroyed || destroyed
	}
}

// replace takes over the intent's targets. No account is forgotten on the way:
// what the intent does not name stays, retired, until it is confirmed as gone.
// A repair alone replaces an account under its key, because it has seen that
// the old one is gone.
func (r *Record) replace(intent ledger.IntentBody, seq uint64) {
	targets, named := maps.Clone(intent.Targets), nonces(intent.Targets)
	if targets == nil {
		targets = map[string]ledger.Target{}
	}
	for _, key := range slices.Sorted(maps.Keys(r.Targets)) {
		old := r.Targets[key]
		_, again := targets[key]
		switch {
		case named[old.Nonce], again && !Retired(key) && intent.Verb == ledger.VerbRepair:
		default:
			targets[retiredKey(targets, key, seq)] = old
		}
	}
	if r.removes() { // of what it brings along, nobody knows whether it was enabled
		known := nonces(r.Targets)
		for nonce := range named {
			r.Enabled[nonce] = r.Enabled[nonce] || !known[nonce]
			r.unproven[nonce] = r.unproven[nonce] || !known[nonce]
		}
	}
	r.Targets = targets
}

func (r *Record) effect(effect ledger.EffectBody) {
	for nonce := range nonces(r.intent.Targets) {
		r.Enabled[nonce] = true // the next step is Enable, and it may have begun
	}
	for key, target := range effect.Targets {
		if known, ok := r.Targets[key]; ok && known.Nonce == target.Nonce {
			r.Targets[key] = target
		}
	}
}

func (r *Record) verify(verification ledger.VerificationBody) {
	for key, verified := range verification.Targets {
		r.Last[key] = verified
		if gone(verified) && (r.removes() || Retired(key)) {
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
			r.giveBack()
		}
	case ledger.VerbRepair:
		r.restore()
	}
}

// restore ends a repair that follows an activation which failed over a live
// grant: what stood before is in force again.
func (r *Record) restore() {
	if r.Changing() && r.intent.Request == r.before.Held {
		r.Phase = PhaseActive
		r.Activation = r.before.Activation
		r.before = nil
	}
}

// use counts an activation. One that does not belong to the last intent still
// counts as used, and puts nothing in force.
func (r *Record) use(use ledger.UseBody) {
	r.mapped()
	same := r.owns(use.Epoch) && r.intent.Verb == ledger.VerbActivate && use.Request == r.intent.Request
	if same && r.Phase == PhaseActive {
		return // the same word twice
	}
	r.Uses[use.Request]++
	r.spend(use.Request, r.triggers[use.Epoch])
	if !same || r.Phase != PhaseUnfinished {
		return
	}
	r.Phase = PhaseActive
	r.before = nil
	r.Destroyed = false
	r.Held, r.Text = use.Request, r.intent.Text
	r.StartedAt, r.ExpiresAt = r.intent.StartedAt, r.intent.ExpiresAt
	r.bound()
	if use.Activation > 0 {
		r.Activation = use.Activation
	}
	r.usedAt = use.Epoch
	r.Trigger, r.Holder = r.intent.Trigger, r.intent.Holder
	maps.Copy(r.Used, nonces(r.intent.Targets))
	r.IdentitySeen = r.intent.Heads[ledger.IdentityChain(r.Grant.Identity())].Seq
	if r.BlockedAt < use.Epoch { // the activation came after the block, so that was lifted
		r.Blocked, r.BlockedAt = "", 0
	}
}

// mapped makes the maps of a record that comes from a caller's memory.
func (r *Record) mapped() {
	if r.Used == nil {
		r.Used = map[string]bool{}
	}
	if r.unproven == nil {
		r.unproven, r.origins = map[string]bool{}, map[string]bool{}
	}
	if r.triggers == nil {
		r.triggers, r.triggered = map[uint64]string{}, map[nhi.Digest]map[string]bool{}
	}
}

// spend notes that a request was activated for a value of the trigger.
func (r *Record) spend(request nhi.Digest, trigger string) {
	if r.triggered[request] == nil {
		r.triggered[request] = map[string]bool{}
	}
	r.triggered[request][trigger] = true
}

// giveBack returns the use of an activation whose run never learned that it
// had been recorded, and has undone it, verified.
func (r *Record) giveBack() {
	if r.refund != "" {
		r.Uses[r.refund]--
		delete(r.triggered[r.refund], r.Trigger)
		r.refund = ""
	}
}

// gone says whether a removal is complete, as far as it can ever be seen.
func gone(v ledger.Verified) bool {
	return v.Open == "" && (v.State == string(connector.Absent) || v.State == string(connector.Unknown) ||
		v.State == string(connector.Foreign) || v.State == string(connector.Released))
}
