package provider

import (
	"context"
	"encoding/json"

	"github.com/hashicorp/terraform-plugin-framework/diag"
)

// memoryKey is the one key of a resource's private state. Private state is in
// the state file: nothing in it is secret.
const memoryKey = "nhi"

// keeper and teller are the private state of a response and of a request.
type keeper interface {
	SetKey(ctx context.Context, key string, value []byte) diag.Diagnostics
}

type teller interface {
	GetKey(ctx context.Context, key string) ([]byte, diag.Diagnostics)
}

// remember keeps a memory in private state.
func remember(ctx context.Context, private keeper, memory any, diags *diag.Diagnostics) {
	data, err := json.Marshal(memory)
	if err != nil {
		diags.AddError("Private state could not be written", err.Error())
		return
	}
	diags.Append(private.SetKey(ctx, memoryKey, data)...)
}

// recall reads a memory from private state, and leaves it as it is where there
// is none: a state may have lost it, and the ledger has it all.
func recall(ctx context.Context, private teller, memory any, diags *diag.Diagnostics) {
	data, found := private.GetKey(ctx, memoryKey)
	diags.Append(found...)
	if len(data) == 0 {
		return
	}
	if err := json.Unmarshal(data, memory); err != nil {
		diags.AddWarning("Private state could not be read", "What the ledger says is used alone: "+err.Error())
	}
}
