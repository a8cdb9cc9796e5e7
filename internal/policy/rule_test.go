package policy_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

func TestRuleDenials(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*nhi.Request)
		want   policy.Denial // the reason by some of its words
	}{
		"another ledger": {func(r *nhi.Request) { r.Ledger = strings.Repeat("a", 32) }, policy.Denial{Field: policy.FieldLedger, Reason: "policy is for ledger"}},
		"unknown environment": {func(r *nhi.Request) { r.Approval = "staging/payments/etl/orders-etl:default" },
			policy.Denial{Field: policy.FieldEnvironment, Reason: `no environment "staging"`}},
		"unknown system": {func(r *nhi.Request) { r.Access["db"] = access("other", "postgres", "db.internal:5432/orders") },
			policy.Denial{Target: "db", Field: policy.FieldSystem, Reason: `no system "other" in environment "production"`}},
		"system of another environment": {func(r *nhi.Request) {
			r.Approval = "sandbox/payments/etl/orders-etl:default"
			r.Access["db"] = access("bastion", "ssh", "SHA256:bastion")
		}, policy.Denial{Target: "db", Field: policy.FieldSystem, Reason: `no system "bastion" in environment "sandbox"`}},
		"endpoint of another environment": {func(r *nhi.Request) {
			r.Approval = "sandbox/payments/etl/orders-etl:default"
		}, policy.Denial{Target: "db", Field: policy.FieldEndpoint, Reason: `has the endpoint "sandbox:5432/orders"`}},
		"another kind": {func(r *nhi.Request) { r.Access["db"] = access("orders", "ssh", "db.internal:5432/orders") },
			policy.Denial{Target: "db", Field: policy.FieldSystem, Reason: `of kind "postgres" in the policy, not "ssh"`}},
		"another endpoint": {func(r *nhi.Request) { r.Access["db"] = access("orders", "postgres", "evil:5432/orders") },
			policy.Denial{Target: "db", Field: policy.FieldEndpoint, Reason: `not "evil:5432/orders"`}},
		"endpoint in capitals": {func(r *nhi.Request) { r.Access["db"] = access("orders", "postgres", "DB.internal:5432/orders") },
			policy.Denial{Target: "db", Field: policy.FieldEndpoint, Reason: "has the endpoint"}},
		"external with a system": {func(r *nhi.Request) { r.Access["db"] = access("orders", "external", "x") },
			policy.Denial{Target: "db", Field: policy.FieldSystem, Reason: "no system and no endpoint"}},
		"no rule for the scope": {func(r *nhi.Request) { r.Approval = "production/billing/etl/orders-etl:default" },
			policy.Denial{Target: "db", Field: policy.FieldPolicy, Reason: "no rule of the policy matches orders in production/billing/etl"}},
		"ttl over the rule's": {func(r *nhi.Request) { r.TTL = 720*time.Hour + time.Second },
			policy.Denial{Field: policy.FieldTTL, Reason: `longer than 720h, the longest that rule "production databases" allows`}},
		"no access": {func(r *nhi.Request) { r.Access = nil }, policy.Denial{Field: policy.FieldRequest, Reason: "no access"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := orders()
			c.change(&request)
			denials := parse(t, source()).Rule(request).Denials
			if len(denials) != 1 || denials[0].Target != c.want.Target || denials[0].Field != c.want.Field ||
				!strings.Contains(denials[0].Reason, c.want.Reason) {
				t.Errorf("denials = %+v, want %+v", denials, c.want)
			}
		})
	}
}

func TestRuleGroupsTargetsByRuleAndGroup(t *testing.T) {
	t.Parallel()
	request := orders()
	request.Access["db2"] = access("orders", "postgres", "db.internal:5432/orders")
	request.Access["books"] = access("ledger", "postgres", "db.internal:5432/ledger")
	request.Access["box"] = access("bastion", "ssh", "SHA256:bastion")
	request.Access["aws"] = external()
	ruling := parse(t, source()).Rule(request)
	want := []policy.Requirement{
		{Rule: "production databases", Group: "security", Count: 2, Targets: []string{"db", "db2"}},
		{Rule: "the books", Group: "security", Count: 1, Targets: []string{"books"}},
		{Rule: "the books", Group: "data", Count: 1, Targets: []string{"books"}},
		{Rule: "machines", Group: "security", Count: 1, Targets: []string{"aws", "box"}},
	}
	if len(ruling.Denials) != 0 || !reflect.DeepEqual(ruling.Requirements, want) {
		t.Errorf("got %+v", ruling)
	}
}

func TestTheFirstRuleThatMatchesDecides(t *testing.T) {
	t.Parallel()
	broad := "rule \"everything\" {\n environments = [\"*\"]\n scopes = [\"**\"]\n systems = [\"*\"]\n max_ttl = \"1h\"\n quorum \"data\" { count = 1 }\n}\n"
	before := strings.Replace(source(), `rule "production databases"`, broad+`rule "production databases"`, 1)
	for src, want := range map[string]string{before: "everything", source() + broad: "production databases"} {
		request := orders()
		request.TTL = time.Hour
		ruling := parse(t, src).Rule(request)
		if len(ruling.Denials) != 0 || len(ruling.Requirements) != 1 || ruling.Requirements[0].Rule != want {
			t.Errorf("got %+v, want %q to decide", ruling, want)
		}
	}
}

func TestRuleWithoutApproval(t *testing.T) {
	t.Parallel()
	request := orders()
	request.Approval = "sandbox/payments/etl/orders-etl:default"
	request.Access = nhi.Accesses{"db": access("orders", "postgres", "sandbox:5432/orders"), "aws": external()}
	ruling := parse(t, source()).Rule(request)
	want := []policy.Requirement{{Rule: "sandbox", Targets: []string{"aws", "db"}, NoApproval: true}}
	if len(ruling.Denials) != 0 || !reflect.DeepEqual(ruling.Requirements, want) {
		t.Errorf("got %+v", ruling)
	}
}

// A rule for "external" is not for a system, and the reverse.
func TestExternalIsNoSystem(t *testing.T) {
	t.Parallel()
	src := strings.Replace(source(), `["bastion", "external"]`, `["bastion"]`, 1)
	request := orders()
	request.Access = nhi.Accesses{"aws": external()}
	denials := parse(t, src).Rule(request).Denials
	if len(denials) != 1 || denials[0].Target != "aws" || denials[0].Field != policy.FieldPolicy {
		t.Errorf("denials = %+v", denials)
	}
}
