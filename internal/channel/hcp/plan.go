package hcp

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// providerName ends the address of this provider in a plan, whatever registry it
// came from.
const providerName = "/nhi-terraform/nhi"

var errPlan = errors.New("its plan cannot be read as a plan in JSON")

// requestsIn returns the requests that a plan asks for or grants: those of its
// nhi_approval and nhi_grant that it creates or changes. What a plan leaves as it
// is was not shown to whoever confirmed it. Source:
// https://developer.hashicorp.com/terraform/internals/json-format#plan-representation
func requestsIn(plan []byte) (map[nhi.Digest]bool, error) {
	var document struct {
		FormatVersion   string           `json:"format_version"`
		ResourceChanges []resourceChange `json:"resource_changes"`
	}
	if err := json.Unmarshal(plan, &document); err != nil || document.FormatVersion == "" {
		return nil, errPlan
	}
	requests := map[nhi.Digest]bool{}
	for _, change := range document.ResourceChanges {
		if request := change.request(); request != "" {
			requests[nhi.Digest(request)] = true
		}
	}
	return requests, nil
}

type resourceChange struct {
	Mode     string `json:"mode"`
	Type     string `json:"type"`
	Provider string `json:"provider_name"`
	Change   struct {
		Actions []string        `json:"actions"`
		After   json.RawMessage `json:"after"`
	} `json:"change"`
}

// request is the digest of what a change asks for; empty where it asks nothing.
func (c resourceChange) request() string {
	shown := slices.Contains(c.Change.Actions, "create") || slices.Contains(c.Change.Actions, "update")
	if c.Mode != "managed" || !shown || !strings.HasSuffix(c.Provider, providerName) {
		return ""
	}
	var after struct {
		Request string `json:"request"`
		Ticket  struct {
			Request string `json:"request"`
		} `json:"ticket"`
	}
	if json.Unmarshal(c.Change.After, &after) != nil {
		return ""
	}
	switch c.Type {
	case "nhi_approval":
		return after.Request
	case "nhi_grant":
		return after.Ticket.Request
	default:
		return ""
	}
}
