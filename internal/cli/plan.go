package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Bounds of a plan: it belongs to whoever wrote the configuration.
const (
	maxPlan    = 64 << 20 // bytes of its JSON
	maxPlanned = 1_000    // requests
)

// What is looked for in a plan, whatever the registry's host.
const (
	approvalType   = "nhi_approval"
	providerSuffix = "/nhi-terraform/nhi"
)

// plan is what `terraform show -json PLAN` prints, as far as it matters here.
type plan struct {
	Format  string `json:"format_version"`
	Errored bool   `json:"errored"`
	Changes []struct {
		Address  string `json:"address"`
		Mode     string `json:"mode"`
		Type     string `json:"type"`
		Provider string `json:"provider_name"`
		Change   struct {
			After json.RawMessage `json:"after"`
		} `json:"change"`
	} `json:"resource_changes"`
}

// planned is one request of a plan. It is what somebody wrote down, and proves
// nothing but what is asked for.
type planned struct {
	address string
	id      nhi.ApprovalID
	wish    wanted
	problem error // why nothing can be said of it; nil where something can
}

// readPlan reads the JSON of a plan from a file, or with "-" from In: every
// request that it asks for, in its order. What is no plan, is too long, or holds
// too much is nhi.ErrInvalid.
func (a *app) readPlan(path string) ([]planned, error) {
	data, err := a.planBytes(path)
	if err != nil {
		return nil, err
	}
	var read plan
	if err := json.Unmarshal(data, &read); err != nil {
		return nil, fmt.Errorf("%s is no plan as `terraform show -json PLAN` prints it: %w: %w", path, err, nhi.ErrInvalid)
	}
	if !strings.HasPrefix(read.Format, "1.") {
		return nil, usage("%s is no plan of a known format (%.20q): make it with `terraform show -json PLAN`", path, read.Format)
	}
	if read.Errored {
		return nil, usage("%s is of a plan that failed, so what it asks for is not known", path)
	}
	var all []planned
	for _, change := range read.Changes {
		if change.Type != approvalType || change.Mode != "managed" || string(change.Change.After) == "null" {
			continue
		}
		if len(all) == maxPlanned {
			return nil, usage("%s asks for more than %d approvals", path, maxPlanned)
		}
		one := planned{address: change.Address}
		if strings.HasSuffix(change.Provider, providerSuffix) {
			one.take(change.Change.After)
		} else {
			one.problem = fmt.Errorf("it is of another provider, %.100q: %w", change.Provider, nhi.ErrInvalid)
		}
		all = append(all, one)
	}
	return once(all), nil
}

func (a *app) planBytes(path string) ([]byte, error) {
	if path != toStdout {
		return readFile(path, maxPlan)
	}
	data, err := io.ReadAll(io.LimitReader(a.In, maxPlan+1))
	if err != nil {
		return nil, fmt.Errorf("read the plan: %w", err)
	}
	if len(data) > maxPlan {
		return nil, fmt.Errorf("the plan is longer than %d bytes: %w", maxPlan, nhi.ErrInvalid)
	}
	return data, nil
}

// take reads what an approval will be after the apply.
func (p *planned) take(after []byte) {
	var model struct {
		Justification *string `json:"justification"`
		Ticket        *struct {
			Text *string `json:"text"`
		} `json:"ticket"`
	}
	if err := json.Unmarshal(after, &model); err != nil {
		p.problem = fmt.Errorf("it cannot be read: %w: %w", err, nhi.ErrInvalid)
		return
	}
	if model.Ticket == nil || model.Ticket.Text == nil || model.Justification == nil {
		p.problem = fmt.Errorf("what it asks for is known after apply alone: %w", nhi.ErrInvalid)
		return
	}
	p.wish = wanted{Text: *model.Ticket.Text, Justification: *model.Justification}
	request, err := nhi.ParseRequest(p.wish.Text)
	if err != nil {
		p.problem = err
		return
	}
	if err := nhi.CheckText(p.wish.Justification); err != nil {
		p.problem = fmt.Errorf("justification: %w", err)
		return
	}
	p.id = request.Approval
}

// once refuses what is asked for twice: one of the two could hide the other.
func once(all []planned) []planned {
	seen := map[nhi.ApprovalID]int{}
	for _, one := range all {
		seen[one.id]++
	}
	for i, one := range all {
		if one.problem == nil && seen[one.id] > 1 {
			all[i].problem = fmt.Errorf("%s is asked for by more than one resource of the plan: %w", one.id, nhi.ErrInvalid)
		}
	}
	return all
}
