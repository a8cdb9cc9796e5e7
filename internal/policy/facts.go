package policy

import (
	"encoding/json"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Facts are what conditions see, and what `nhi policy input` prints: small,
// typed and written out. The names are those of the JSON and of CEL alike.
type Facts struct {
	Request   RequestFacts   `json:"request"`
	Identity  IdentityFacts  `json:"identity"`
	Requester RequesterFacts `json:"requester"`
	Runner    RunnerFacts    `json:"runner"`
	Now       time.Time      `json:"now"` // of the evaluation, UTC
}

// RequestFacts are what is asked for.
type RequestFacts struct {
	Ledger      string        `json:"ledger" cel:"ledger"`
	Environment string        `json:"environment" cel:"environment"`
	Scope       string        `json:"scope" cel:"scope"`
	Approval    string        `json:"approval" cel:"approval"` // its name: "default"
	Term        int           `json:"term" cel:"term"`         // 1, and one more for each renewal
	TTL         time.Duration `json:"ttl" cel:"ttl"`
	// Reusable says that ReusableUntil is set; else that is the year 1.
	Reusable      bool          `json:"reusable" cel:"reusable"`
	ReusableUntil time.Time     `json:"reusable_until" cel:"reusable_until"`
	Access        []AccessFacts `json:"access" cel:"access"` // sorted by key
}

// MarshalJSON writes the TTL as people write it and in seconds, and leaves out
// an end that is not set.
func (f RequestFacts) MarshalJSON() ([]byte, error) {
	type plain RequestFacts
	until := ""
	if f.Reusable {
		until = nhi.FormatTime(f.ReusableUntil)
	}
	return json.Marshal(struct {
		plain
		TTL           string `json:"ttl"`
		TTLSeconds    int64  `json:"ttl_seconds"`
		ReusableUntil string `json:"reusable_until,omitempty"`
	}{plain(f), nhi.FormatTTL(f.TTL), int64(f.TTL / time.Second), until})
}

// IdentityFacts are whom it is asked for.
type IdentityFacts struct {
	ID      string `json:"id" cel:"id"` // environment/scope/name
	Name    string `json:"name" cel:"name"`
	Owner   string `json:"owner" cel:"owner"`
	Purpose string `json:"purpose" cel:"purpose"`
	Kind    string `json:"kind" cel:"kind"` // service, automation, agent or third_party
}

// AccessFacts are one access of the request. Its privileges are its settings.
type AccessFacts struct {
	Key      string `json:"key" cel:"key"`
	System   string `json:"system" cel:"system"` // as rules name it: "external" where there is none
	Kind     string `json:"kind" cel:"kind"`
	Endpoint string `json:"endpoint" cel:"endpoint"`
	// Settings are all lists: a setting that is one text is a list of one.
	Settings map[string][]string `json:"settings" cel:"settings"`
}

// RequesterFacts are who asked, as far as that is proven.
type RequesterFacts struct {
	Name     string `json:"name" cel:"name"`           // empty where any request is unproven
	Proven   bool   `json:"proven" cel:"proven"`       // whoever asked is proven
	ProvenBy string `json:"proven_by" cel:"proven_by"` // "ssh", "oidc", "vault", or empty
}

// RunnerFacts are where Terraform runs, as far as that is proven.
type RunnerFacts struct {
	Issuer string            `json:"issuer" cel:"issuer"` // empty where nothing is proven
	Claims map[string]string `json:"claims" cel:"claims"`
}

// standingFacts are those that follow from the request alone.
func standingFacts(request nhi.Request) Facts {
	id := request.Identity()
	facts := Facts{
		Request: RequestFacts{
			Ledger: request.Ledger, Environment: request.Environment(), Scope: request.Scope(), Approval: request.Approval.Name(),
			Term: request.Term, TTL: request.TTL, Reusable: !request.ReusableUntil.IsZero(), ReusableUntil: request.ReusableUntil.UTC(),
			Access: []AccessFacts{},
		},
		Identity: IdentityFacts{ID: string(id), Name: id.Name(), Owner: request.Owner, Purpose: request.Purpose, Kind: request.Kind},
		Runner:   RunnerFacts{Claims: map[string]string{}},
	}
	for _, key := range request.Access.Keys() {
		facts.Request.Access = append(facts.Request.Access, accessFacts(key, request.Access[key]))
	}
	return facts
}

func accessFacts(key string, access nhi.Access) AccessFacts {
	facts := AccessFacts{Key: key, System: matchedSystem(access), Kind: access.Kind, Endpoint: access.Endpoint, Settings: map[string][]string{}}
	for _, name := range access.Settings.Names() {
		facts.Settings[name] = itemsOf(access.Settings[name])
	}
	return facts
}

// itemsOf are the items of a set, or the one line of a text.
func itemsOf(value nhi.Value) []string {
	if value.IsList() {
		return append([]string{}, value.Items()...)
	}
	return []string{value.Text()}
}

// Facts returns what conditions see of the input. It decides nothing.
func (d *Document) Facts(in Input) Facts {
	e := &evaluation{document: d, in: in, askers: map[string]bool{}}
	e.requesters()
	return e.facts()
}

// facts are those of the request, and what only an evaluation knows.
func (e *evaluation) facts() Facts {
	facts := standingFacts(e.in.Request)
	facts.Now = e.in.Now.UTC()
	facts.Requester = RequesterFacts{Name: e.verdict.Requester, Proven: !e.unproven, ProvenBy: e.verdict.ProvenBy}
	facts.Runner.Issuer = e.in.Runner.Issuer
	for name, value := range e.in.Runner.Claims {
		facts.Runner.Claims[name] = value
	}
	return facts
}
