package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Example is one test of a policy, kept beside it: a request, who decides, and
// what must come of it.
type Example struct {
	Name string
	Line int // where it stands in its file, from 1

	request exampleRequest
	asks    Supposition // but for the request and the time
	at      time.Time   // zero: an hour before the policy expires

	expect    Status
	because   []string
	decidedBy []string
}

// exampleRequest is a request as an example sketches it.
type exampleRequest struct {
	environment, scope, identity, approval string
	owner, purpose, kind                   string
	ttl                                    time.Duration
	reusableUntil                          time.Time
	term                                   int
	access                                 []exampleAccess
}

type exampleAccess struct {
	key, system    string
	kind, endpoint string // empty: as the policy says
	settings       nhi.Values
}

// Result is what became of an example.
type Result struct {
	Example  string   `json:"example"`
	Line     int      `json:"line"`
	Passed   bool     `json:"passed"`
	Problems []string `json:"problems"` // empty where it passed
	// Explanation is nil where the example could not be put to the policy.
	Explanation *Explanation `json:"explanation,omitempty"`
}

// Run puts the example to a policy. It looks at no clock.
func (x Example) Run(d *Document) Result {
	result := Result{Example: x.Name, Line: x.Line, Problems: []string{}}
	supposed := x.asks
	supposed.Request, supposed.Now = x.request.of(d), x.at
	if supposed.Now.IsZero() {
		supposed.Now = d.Expires.Add(-time.Hour)
	}
	explained, err := d.Suppose(supposed)
	if err != nil {
		result.Problems = append(result.Problems, plain(err))
		return result
	}
	result.Explanation = &explained
	if explained.Status != x.expect {
		result.Problems = append(result.Problems, fmt.Sprintf("it is %s, and %s was expected", explained.Status, x.expect))
	}
	said := slices.Concat(explained.Denied, explained.Held, explained.Needs, explained.Reviews, explained.Notes)
	for _, words := range x.because {
		if !slices.ContainsFunc(said, func(sentence string) bool { return strings.Contains(sentence, words) }) {
			result.Problems = append(result.Problems, fmt.Sprintf("nothing says %q", words))
		}
	}
	if rules := explained.rules(); x.decidedBy != nil && !slices.Equal(rules, x.decidedBy) {
		result.Problems = append(result.Problems, fmt.Sprintf("it is decided by %s, and not by %s", quoted(rules), quoted(x.decidedBy)))
	}
	result.Passed = len(result.Problems) == 0
	return result
}

// rules are the names of the deciding rules, each once, sorted.
func (e Explanation) rules() []string {
	rules := []string{}
	for _, target := range e.Targets {
		if target.Rule != "" {
			rules = append(rules, target.Rule)
		}
	}
	slices.Sort(rules)
	return slices.Compact(rules)
}

func quoted(names []string) string {
	if len(names) == 0 {
		return "no rule"
	}
	parts := make([]string, len(names))
	for i, name := range names {
		parts[i] = fmt.Sprintf("%q", name)
	}
	return strings.Join(parts, ", ")
}

// of is the request, with what the policy knows filled in.
func (x exampleRequest) of(d *Document) nhi.Request {
	id := x.environment + "/" + x.scope + "/" + x.identity
	request := nhi.Request{Ledger: d.Ledger, Approval: nhi.ApprovalID(id + ":" + x.approval), Term: x.term, Owner: x.owner,
		Kind: x.kind, Purpose: x.purpose, TTL: x.ttl, ReusableUntil: x.reusableUntil, Access: nhi.Accesses{}}
	environment, _ := d.environment(x.environment)
	for _, asked := range x.access {
		access := nhi.Access{System: asked.system, Kind: asked.kind, Endpoint: asked.endpoint, Settings: asked.settings}
		if asked.system == nhi.KindExternal {
			request.Access[asked.key] = nhi.Access{Kind: nhi.KindExternal, Settings: asked.settings}
			continue
		}
		system, _ := environment.system(asked.system)
		if access.Kind == "" {
			access.Kind = or(system.Kind, "unknown")
		}
		if access.Endpoint == "" {
			access.Endpoint = or(system.Endpoint, "unknown")
		}
		request.Access[asked.key] = access
	}
	return request
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
