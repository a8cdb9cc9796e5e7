package provider

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"maps"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/diag"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// grantMemory is what is kept of a grant in private state.
type grantMemory struct {
	Record lifecycle.Record `json:"record"`
	// Rested is what apply set last of pending and revoked: a read lays other
	// statuses over it, and lifts them again.
	Rested lifecycle.Status `json:"rested"`
	// Holder names this resource instance, so that destroying one that holds the
	// grant no more leaves it to the one that does. Empty after an import.
	Holder string `json:"holder"`
	// Held says that this instance was the holder once.
	Held bool `json:"held"`
	// Adopt says that the last read found the grant in force, and this resource
	// without it.
	Adopt bool `json:"adopt"`
	// Again says that the last read found the approval to serve each new value
	// of the trigger.
	Again bool `json:"again"`
	// SeenAt is the ledger's time at the last read; zero where it was not known.
	SeenAt time.Time `json:"seen_at"`
}

// sparing returns the memory as it is kept. What a target issued for the
// access, such as an SSH certificate, is in the ledger alone: it is no secret,
// but whoever reads the state has no need of it.
func (m grantMemory) sparing() grantMemory {
	targets := maps.Clone(m.Record.Targets)
	for key, target := range targets {
		target.Evidence = ""
		targets[key] = target
	}
	m.Record.Targets = targets
	return m
}

// inForce is the request in force, as the last read or apply found it; nil
// where nothing is, or where it is not remembered.
func (m grantMemory) inForce(state grantModel) *nhi.Request {
	request, err := nhi.ParseRequest(m.Record.Text)
	if err != nil || string(m.Record.Held) != state.ActiveRequest.ValueString() || nhi.DigestOf(m.Record.Text) != m.Record.Held {
		return nil
	}
	return &request
}

// newHolder returns a name that no other resource instance has.
func newHolder() string {
	random := make([]byte, 16)
	_, _ = rand.Read(random) // never fails
	return hex.EncodeToString(random)
}

// newGrantMemory is the memory of a grant whose private state is lost.
func newGrantMemory(state grantModel) grantMemory {
	return grantMemory{Record: lifecycle.Record{Grant: nhi.ApprovalID(state.ID.ValueString())}, Rested: restedIn(state)}
}

// recallGrant reads the memory of a grant. One that cannot be read, or is of
// another grant than the state, says nothing: the ledger is asked alone.
func recallGrant(ctx context.Context, private teller, state grantModel, diags *diag.Diagnostics) grantMemory {
	memory, blank := newGrantMemory(state), newGrantMemory(state)
	recall(ctx, private, &memory, diags)
	if memory.Record.Grant != blank.Record.Grant {
		diags.AddWarning("Private state could not be used", "It is not about "+state.ID.ValueString()+". What the ledger says is used alone.")
		return blank
	}
	return memory
}

// restedIn is the status that a grant without access rests in.
func restedIn(model grantModel) lifecycle.Status {
	if model.Status.ValueString() == string(lifecycle.Revoked) {
		return lifecycle.Revoked
	}
	return lifecycle.Pending
}
