package hcp

import (
	"testing"
	"time"

	tfe "github.com/hashicorp/go-tfe"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// What the API does not tell is no yes: each part that a yes needs is left out
// of a good run, one after the other.
func TestWhatIsNotToldIsNoYes(t *testing.T) {
	t.Parallel()
	no, at := false, time.Date(2030, 1, 10, 12, 0, 0, 0, time.UTC)
	request := nhi.DigestOf("nhi request 1\n")
	good := func() Run {
		ana := Account{ID: "user-ana", Name: "ana", Service: &no}
		return Run{
			Identity: Identity{Run: "run-1", Phase: "apply", Workspace: "ws-1", Organization: "acme", WorkspaceName: "etl"},
			ID:       "run-1", Workspace: "ws-1", Status: tfe.RunApplying, AutoApply: &no, PlannedAt: at, ConfirmedAt: at,
			CreatedBy: Account{ID: "user-rae", Name: "rae", Service: &no}, ConfirmedBy: Account{ID: "user-ana"},
			Events: []Event{{Action: "confirmed", At: at, Actor: ana}}, Source: tfe.ConfigurationSourceAPI,
			Requests: map[nhi.Digest]bool{request: true},
		}
	}
	if yes, err := good().Confirmation("app.terraform.io", request); err != nil || yes.Unproven != "" {
		t.Fatalf("%+v %v", yes, err)
	}
	for name, change := range map[string]func(*Run){
		"run of the token":       func(r *Run) { r.Identity.Run = "" },
		"run of the API":         func(r *Run) { r.ID = "" },
		"both runs":              func(r *Run) { r.ID, r.Identity.Run = "", "" },
		"workspace of the token": func(r *Run) { r.Identity.Workspace = "" },
		"both workspaces":        func(r *Run) { r.Workspace, r.Identity.Workspace = "", "" },
		"phase":                  func(r *Run) { r.Identity.Phase = "" },
		"status":                 func(r *Run) { r.Status = "" },
		"queued":                 func(r *Run) { r.Status = tfe.RunApplyQueued },
		"plan only":              func(r *Run) { r.PlanOnly = true },
		"auto-apply":             func(r *Run) { r.AutoApply = nil },
		"a pause":                func(r *Run) { yes := true; r.AutoApply = &yes },
		"when it was planned":    func(r *Run) { r.PlannedAt = time.Time{} },
		"when it was confirmed":  func(r *Run) { r.ConfirmedAt = time.Time{} },
		"a second too early":     func(r *Run) { r.ConfirmedAt = at.Add(-time.Second) },
		"who confirmed":          func(r *Run) { r.ConfirmedBy = Account{} },
		"events":                 func(r *Run) { r.Events = nil },
		"events of before":       func(r *Run) { r.Events[0].At = at.Add(-time.Second) },
		"what account it is":     func(r *Run) { r.Events[0].Actor.Service = nil },
		"the account's name":     func(r *Run) { r.Events[0].Actor.Name = "" },
		"requests":               func(r *Run) { r.Requests = nil },
		"a second confirmation": func(r *Run) {
			r.Events = append(r.Events, Event{Action: "confirmed", At: at, Actor: Account{ID: "user-ben"}})
		},
		"creator is confirmer": func(r *Run) { r.CreatedBy.ID = "user-ana" },
	} {
		run := good()
		change(&run)
		if yes, err := run.Confirmation("app.terraform.io", request); err == nil {
			t.Errorf("%s: %+v", name, yes)
		}
	}
	// Nothing but the account tells who asked by an upload: policy must know it.
	if yes, err := good().Confirmation("app.terraform.io", request); err != nil || !yes.Others[0].Sole {
		t.Errorf("who uploaded may be anybody: %+v %v", yes, err)
	}
	bare := good()
	bare.CreatedBy.Service = nil
	if yes, err := bare.Confirmation("app.terraform.io", request); err != nil || yes.Unproven == "" {
		t.Errorf("a creator of whom nothing is told: %+v %v", yes, err)
	}
}
