package provider

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// lookUpOwner asks the identity's source whether it knows the owner, and lays
// what it says over the state. Only a clear answer changes anything.
func (r *identityResource) lookUpOwner(ctx context.Context, state *identityModel, memory *identityMemory, diags *diag.Diagnostics) {
	status := nhi.IdentityStatus(state.Status.ValueString())
	if state.Source.IsNull() || status != nhi.IdentityActive && status != nhi.IdentityOrphaned {
		return
	}
	known, err := r.session.engine.Systems.Knows(ctx, state.Source.ValueString(), state.Owner.ValueString())
	if err != nil {
		warning(diags, fmt.Sprintf("The owner of %s could not be looked up", state.ID.ValueString()), err)
		return
	}
	memory.OwnerKnown = known
	if known {
		if status == nhi.IdentityOrphaned {
			state.Findings = list([]string{"its owner is known again: the next apply makes it active"})
		}
		return
	}
	state.Status = types.StringValue(string(nhi.IdentityOrphaned))
	state.Findings = list([]string{fmt.Sprintf("%s does not know its owner %s any more", state.Source.ValueString(), state.Owner.ValueString())})
}

// orphanStays says whether an identity whose owner had left is planned to stay
// so: neither owner nor source has changed, and the owner was not seen again.
func orphanStays(plan, state identityModel, memory identityMemory) bool {
	return state.Status.ValueString() == string(nhi.IdentityOrphaned) && !memory.OwnerKnown &&
		plan.Owner.Equal(state.Owner) && plan.Source.Equal(state.Source)
}

// checkSource wants a source to be a system that knows people.
func (r *identityResource) checkSource(ctx context.Context, source types.String, diags *diag.Diagnostics) {
	if source.IsNull() || source.IsUnknown() {
		return
	}
	if err := r.session.engine.Systems.HasPeople(ctx, source.ValueString()); err != nil && !errors.Is(err, lifecycle.ErrNotKnownYet) {
		failure(diags, path.Root("source"), "Invalid source", err)
	}
}
