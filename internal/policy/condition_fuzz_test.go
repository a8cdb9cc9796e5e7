package policy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// large is a request that is about as large as one may be.
func large() nhi.Request {
	request := orders()
	request.Access = nhi.Accesses{}
	for i := range 45 {
		var roles []string
		for n := range 100 {
			roles = append(roles, fmt.Sprintf("role_%03d_%s", n, strings.Repeat("x", 50)))
		}
		request.Access[fmt.Sprintf("a%03d", i)] = nhi.Access{System: "orders", Kind: "postgres", Endpoint: "db.internal:5432/orders",
			Settings: nhi.Values{"roles": nhi.List(roles...), "text": nhi.Text(strings.Repeat("a", 4000))}}
	}
	return request
}

// Whatever is written as a condition: it is refused, or it ends soon and is
// true, false, or an error. A condition that is true is so twice.
func FuzzExpression(f *testing.F) {
	for _, seed := range []string{
		"true", "request.ttl <= duration('24h') && identity.kind == 'agent'", "access.settings.roles.all(r, r.endsWith('_ro'))",
		"request.access.all(a, a.settings.roles.all(r, r != 'postgres'))", "now.getHours('Europe/Berlin') >= 8",
		"access.settings['text'][0].matches('(a+)+$')", "access.settings['missing'][0] == 'x'", "1 / 0 == 1",
		"requester.proven && requester.name != identity.owner", "'x' in runner.claims && runner.claims.x == 'y'",
		"[1, 2, 3].map(i, i * 2).exists(i, i == request.term)", "request.reusable_until > now", "has(access.settings.roles)",
		"dyn(1) == 1", "type(request) == string", "((((((true))))))", "size(access.settings.roles) < 5 ? true : false", "\x00", "🙂 == 'x'",
	} {
		f.Add(seed)
	}
	document := parse(f, classes(rule("a", oneOfSecurity)))
	request := large()
	facts := document.Facts(policy.Input{Request: request, Text: textOf(f, request), Now: now})
	f.Fuzz(func(t *testing.T, source string) {
		began := time.Now()
		cost, err := policy.Cost(source, facts)
		again, errAgain := policy.Cost(source, facts)
		if spent := time.Since(began); spent > 10*time.Second {
			t.Errorf("it took %s", spent)
		}
		if cost > 2*policy.MaxCost {
			t.Errorf("it cost %d", cost)
		}
		if (err == nil) != (errAgain == nil) || err == nil && cost != again {
			t.Errorf("once %v, once %v", err, errAgain)
		}
	})
}

// What is cheap once is too dear for a large request and many rules: then
// nothing is decided by guess, and nobody is let in.
func TestConditionsCostTooMuchTogether(t *testing.T) {
	t.Parallel()
	var rules strings.Builder
	for n := range 9 {
		rules.WriteString(rule(fmt.Sprintf("r%d", n), "when = \"request.access.all(a, a.settings.roles.exists(r, r == 'postgres'))\"\n"+oneOfSecurity))
	}
	for n := range 9 {
		rules.WriteString(rule(fmt.Sprintf("s%d", n), "when = \"!request.access.all(a, a.settings.roles.all(r, r != 'postgres'))\"\n"+oneOfSecurity))
	}
	rules.WriteString(rule("open", `approval = "no approval needed"`))
	document := parse(t, classes(rules.String()))
	s := policy.Supposition{Request: large(), Now: now}
	wantExplained(t, "large", supposed(t, document, s), "denied", "cost too much")
	s.Request = orders()
	wantExplained(t, "small", supposed(t, document, s), "approved", "")
}
