package hcp

import (
	"time"

	tfe "github.com/hashicorp/go-tfe"
)

// The documents of the API, as far as they are needed. They are narrower than
// those of go-tfe, and tell what was not said (nil) from what is false: an account of
// which nothing is known is not a person.

type userDocument struct {
	ID               string `jsonapi:"primary,users"`
	Username         string `jsonapi:"attr,username"`
	IsServiceAccount *bool  `jsonapi:"attr,is-service-account"`
}

type runDocument struct {
	ID                   string                 `jsonapi:"primary,runs"`
	AutoApply            *bool                  `jsonapi:"attr,auto-apply"`
	PlanOnly             bool                   `jsonapi:"attr,plan-only"`
	Status               tfe.RunStatus          `jsonapi:"attr,status"`
	StatusTimestamps     *runTimes              `jsonapi:"attr,status-timestamps"`
	CreatedBy            *userDocument          `jsonapi:"relation,created-by"`
	ConfirmedBy          *userDocument          `jsonapi:"relation,confirmed-by"`
	ConfigurationVersion *configurationDocument `jsonapi:"relation,configuration-version"`
	Plan                 *planDocument          `jsonapi:"relation,plan"`
	Workspace            *workspaceDocument     `jsonapi:"relation,workspace"`
}

type runTimes struct {
	PlannedAt       time.Time `jsonapi:"attr,planned-at,rfc3339"`
	PlannedAndSaved time.Time `jsonapi:"attr,planned-and-saved-at,rfc3339"`
	ConfirmedAt     time.Time `jsonapi:"attr,confirmed-at,rfc3339"`
}

type workspaceDocument struct {
	ID string `jsonapi:"primary,workspaces"`
}

type planDocument struct {
	ID               string     `jsonapi:"primary,plans"`
	StatusTimestamps *planTimes `jsonapi:"attr,status-timestamps"`
}

type planTimes struct {
	FinishedAt time.Time `jsonapi:"attr,finished-at,rfc3339"`
}

type configurationDocument struct {
	ID                string                    `jsonapi:"primary,configuration-versions"`
	Source            tfe.ConfigurationSource   `jsonapi:"attr,source"`
	IngressAttributes *ingressReferenceDocument `jsonapi:"relation,ingress-attributes"`
}

type ingressReferenceDocument struct {
	ID string `jsonapi:"primary,ingress-attributes"`
}

type ingressDocument struct {
	ID             string        `jsonapi:"primary,ingress-attributes"`
	CloneURL       string        `jsonapi:"attr,clone-url"`
	SenderUsername string        `jsonapi:"attr,sender-username"`
	CreatedBy      *userDocument `jsonapi:"relation,created-by"`
}

type eventDocument struct {
	ID        string        `jsonapi:"primary,run-events"`
	Action    string        `jsonapi:"attr,action"`
	CreatedAt time.Time     `jsonapi:"attr,created-at,iso8601"`
	Actor     *userDocument `jsonapi:"relation,actor"`
}

type eventList struct {
	Items []*eventDocument
}
