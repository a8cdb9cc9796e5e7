package provider

import (
	"errors"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// advice is what to do next about an error, the first that matches.
var advice = []struct {
	err  error
	next string
}{
	{lifecycle.ErrLiveGrants, "Destroy those grants first, where they are configured."},
	{lifecycle.ErrOvertaken, "Wait for the other run to end, then plan and apply again."},
	{lifecycle.ErrUntrusted, "Set NHI_TRUST_ROOT, or ~/.config/nhi/trust_root, to the digest that \"nhi init\" printed. It must not come from the configuration."},
	{nhi.ErrUnconfirmed, "Nothing is forgotten: the grant stays in state as revoking. Bring the system back, or mend what is named above, then apply again."},
	{nhi.ErrSpent, "One approval serves one activation. Ask again under another name, or with another term."},
	{nhi.ErrNotApproved, "See what is missing with \"nhi show\", have it approved with \"nhi approve\", then plan and apply again."},
	{nhi.ErrEnded, "Nothing was added, and what is in force stays until it is removed. See that the identity lives and that the ttl reaches beyond now, or make a new request."},
	{lifecycle.ErrPolicy, "Nothing is granted without a valid policy. Sign it with \"nhi policy sign\", or fetch the newest one."},
	{nhi.ErrDenied, "The policy says no. Change the request, or have the platform team change the policy."},
	{nhi.ErrForeign, "An object that cannot be told to be this grant's own stands there, so it was not touched. Rename it or remove it by hand, then apply again."},
	{ledger.ErrNoLedger, "Make one with \"nhi init\", or correct the ledger's path. The provider never makes a ledger itself."},
	{ledger.ErrAhead, "This machine's clock is behind, or the clock of an earlier run was ahead. Nothing is granted on that record until the time has come; removing access still works."},
	{ledger.ErrBroken, "Nothing is granted on a record that was changed. \"nhi verify\" names every fault. Removing access still works."},
	{ledger.ErrUnknownEntry, "A newer release has written here. Upgrade the provider. Removing access still works."},
	{lifecycle.ErrNoTrustedLedger, "Nothing is granted without the ledger. Bring it back and apply again; removing access still works."},
	{lifecycle.ErrNoSystem, "Correct the provider's systems, or the approval's access."},
	{nhi.ErrUnreachable, "Nothing is concluded from silence. Bring the system back and apply again."},
}

// explain writes the detail of a diagnostic: what happened, and what to do next.
func explain(err error) string {
	for _, a := range advice {
		if errors.Is(err, a.err) {
			return fmt.Sprintf("%s\n\n%s%s", statement(err), a.next, aboutRisk(err))
		}
	}
	return sentence(err)
}

// failure adds an error to the attribute that it is about.
func failure(diags *diag.Diagnostics, at path.Path, summary string, err error) {
	diags.AddAttributeError(at, summary, explain(err))
}

// warning adds a warning.
func warning(diags *diag.Diagnostics, summary string, err error) {
	diags.AddWarning(summary, explain(err))
}
