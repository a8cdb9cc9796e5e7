package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/workload"
)

// proof holds where a request's proof is of its text. A key that the issuer
// does not have any more can tell nothing: that is noted.
func (v *audit) proof(ctx context.Context, chain ledger.Chain, entry ledger.Entry, body ledger.RequestBody) error {
	proof := lifecycle.AskedOf(entry.Time, body).Proof
	url, err := proof.Issuer()
	if err != nil {
		return fmt.Errorf("the requester's proof: %w", err)
	}
	// What was good by the policy of its day is good: issuers change their keys and
	// policies their audiences.
	var untold, wrong error
	for _, one := range slices.Backward(v.documents) {
		issuer, known := one.document.Issuer(url)
		if !known || issuer.Vault {
			continue
		}
		keys := v.engine.IssuerKeys(ctx, one.document, ledger.Chain{Name: chain.Name, Entries: []ledger.Entry{entry}})
		switch err := issuer.Proves(policy.Asked{Proof: proof, At: entry.Time}, body.Text, keys); {
		case err == nil:
			return nil
		case errors.Is(err, workload.ErrUnknownKey):
			untold = err
		case wrong == nil:
			wrong = err
		}
	}
	switch {
	case untold != nil:
		v.note(chain.Name, entry.Seq, "the requester's proof cannot be checked any more: %s", untold)
		return nil
	case wrong != nil:
		return fmt.Errorf("the requester's proof: %w", wrong)
	}
	v.note(chain.Name, entry.Seq, "the requester's token is of %.80q, which was never an issuer of a policy here", url)
	return nil
}
