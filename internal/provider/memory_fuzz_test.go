package provider

import (
	"context"
	"testing"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// stored is private state that says what it was given.
type stored []byte

func (s stored) GetKey(context.Context, string) ([]byte, diag.Diagnostics) { return s, nil }

// FuzzRecallGrant reads any private state of a grant: what is recalled is about
// the grant of the state, and what cannot be read is a warning and no error.
func FuzzRecallGrant(f *testing.F) {
	const grant = nhi.ApprovalID("production/payments/etl/orders-etl:default")
	f.Add([]byte(`{"record":{"Grant":"` + string(grant) + `"},"rested":"pending","holder":"x","seen_at":"2030-01-31T09:00:00Z"}`))
	f.Add([]byte(`{"record":{"Grant":"another"}}`))
	f.Add([]byte(`{"record":null,"seen_at":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var diags diag.Diagnostics
		state := grantModel{ID: types.StringValue(string(grant))}
		memory := recallGrant(context.Background(), stored(data), state, &diags)
		if memory.Record.Grant != grant || diags.HasError() {
			t.Errorf("recalled %q, %v", memory.Record.Grant, diags)
		}
		_ = memory.sparing()
		_ = memory.inForce(state)
	})
}
