package provider

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// destroying warns that a plan takes live access away.
func destroying(state *grantModel, diags *diag.Diagnostics) {
	if state == nil || !state.Active.ValueBool() {
		return
	}
	diags.AddWarning("Access will be revoked", fmt.Sprintf(
		"Destroying this resource revokes %s on %s. Its approval is used then: another nhi_grant for it needs a new one (renewal). "+
			"To rename or move the resource and keep the access, use a moved block.",
		state.ID.ValueString(), strings.Join(slices.Sorted(maps.Keys(targetsOf(state.Targets))), ", ")))
}

// replacing warns that a grant which is planned afresh was live in this run: it
// is replaced, tainted or renamed. It is a word to people and decides nothing.
func (r *grantResource) replacing(plan grantModel, diags *diag.Diagnostics) {
	id := plan.ID.ValueString()
	if _, live := r.session.live.Load(id); !live || plan.Active.ValueBool() {
		return
	}
	diags.AddWarning("Access will be revoked, and asked for again", fmt.Sprintf(
		"%s is in force, and this plan replaces its resource: apply revokes the access, and the new resource waits. "+
			"Its approval is used, so ask for another term: set or raise renewal in the nhi_approval. "+
			"To rename or move the resource and keep the access, use a moved block.", id))
}

// restWarning says in every plan why a grant rests without access, where
// nothing that is under way would change it.
func restWarning(state grantModel, view lifecycle.View, diags *diag.Diagnostics) {
	id := state.ID.ValueString()
	again := "To have access again, ask for another term: set or raise renewal in the nhi_approval."
	if view.Standing != nil && view.Standing.Again {
		again = "To have access again, set a new value of trigger."
	}
	if !state.Active.ValueBool() {
		reviewMissing(diags, id, view)
	}
	spent := view.Standing != nil && view.Standing.Status == lifecycle.Spent
	switch status := lifecycle.Status(state.Status.ValueString()); {
	case status == lifecycle.Revoked && view.Blocked != "":
		diags.AddAttributeWarning(path.Root("status"), "Access is down",
			fmt.Sprintf("%s was ended by %s. It stays down until that is lifted: nhi unblock %s", id, view.Blocked, id))
	case status == lifecycle.Revoked:
		diags.AddAttributeWarning(path.Root("status"), "Access is down",
			fmt.Sprintf("%s was revoked and stays so. %s Otherwise remove it from the configuration.", id, again))
	case status == lifecycle.Pending && spent:
		diags.AddAttributeWarning(path.Root("status"), "Approval already used",
			fmt.Sprintf("%s waits, and its approval was used: one approval serves one activation. %s", id, again))
	}
}

// liveWarnings says in every plan what people should know of access in force,
// and what no apply changes.
func liveWarnings(state grantModel, memory grantMemory, view lifecycle.View, diags *diag.Diagnostics) {
	if !state.Active.ValueBool() {
		return
	}
	id := state.ID.ValueString()
	for _, key := range slices.Sorted(maps.Keys(view.Targets)) {
		for _, word := range view.Targets[key].Observation.Warnings {
			diags.AddAttributeWarning(path.Root("targets").AtMapKey(key), "What was approved means something else now",
				fmt.Sprintf("%s, target %q: %s. Nobody has approved that. Look at it, and ask for another term (renewal) or end the access.", id, key, word))
		}
	}
	if view.Status == lifecycle.Drifted {
		diags.AddAttributeWarning(path.Root("status"), "Changed by hand", fmt.Sprintf(
			"%s: %s.\nApply puts back what was approved, until %s. If the change was meant, ask for less access, or set enabled = false on the identity.",
			id, strings.Join(view.Findings, "; "), state.ExpiresAt.ValueString()))
	}
	reviewMissing(diags, id, view)
	if len(view.Forbidden) > 0 && view.Status != lifecycle.Ended {
		diags.AddAttributeWarning(path.Root("status"), "The policy forbids what is active",
			fmt.Sprintf("%s runs on until %s, although the policy would not allow it today: %s. It cannot be extended. To end it now: nhi revoke %s",
				id, state.ExpiresAt.ValueString(), strings.Join(view.Forbidden, "; "), id))
	}
	for _, tainted := range view.Tainted {
		diags.AddAttributeWarning(path.Root("status"), "Approved with a compromised key",
			fmt.Sprintf("%s: %s. It runs on until %s. To end it now: nhi revoke %s. To keep it, have it approved again: ask for another term (renewal).", id, tainted, state.ExpiresAt.ValueString(), id))
	}
	if memory.lost(view.Record) {
		diags.AddAttributeWarning(path.Root("id"), "Another resource holds this grant",
			fmt.Sprintf("Another nhi_grant has taken %s over. Destroying this one leaves the access to it; keep one nhi_grant for each approval.", id))
	}
}

// lost says whether this resource instance held the grant, and another one
// holds it now. What another ledger says is about access of its own.
func (m grantMemory) lost(record lifecycle.Record) bool {
	same := m.Record.Ledger == "" || m.Record.Ledger == record.Ledger
	return same && m.Held && record.Holder != "" && record.Holder != m.Holder
}

// noteLive remembers, for words to people in this run alone, that a grant was
// found in force.
func (s *session) noteLive(state grantModel) {
	if state.Active.ValueBool() && nhi.ApprovalID(state.ID.ValueString()) != "" {
		s.live.Store(state.ID.ValueString(), true)
	}
}
