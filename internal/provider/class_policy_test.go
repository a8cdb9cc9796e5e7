package provider_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// hardwareKey is a key of a token that nobody here holds.
const hardwareKey = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIOAIkZWjSaE+oS8oMAT6cJ4z4BTDgX04O3TC9soMQWJAAAAABHNzaDo="

// classRule is a rule for everything, with more in it.
func classRule(name, more string) string {
	return fmt.Sprintf("rule %q {\n environments = [\"production\"]\n scopes = [\"**\"]\n systems = [\"*\"]\n max_ttl = \"720h\"\n%s\n}\n", name, more)
}

const oneOfSecurity = "quorum \"security\" { count = 1 }\n"

// classCase is what a policy may say of a request that two approved, so that it
// is not activated.
type classCase struct{ name, rules, says string }

func classCases(now time.Time) []classCase {
	condition := func(expression string) string {
		return oneOfSecurity + fmt.Sprintf("condition \"it must be so\" { expression = %q }\n", expression)
	}
	const missing = "access.settings['missing'][0] == 'x'"
	otherDay := []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}[now.UTC().Add(72*time.Hour).Weekday()]
	bound := "issuer \"https://ci.example.com\" { audiences = [\"nhi\"] }\nrunner \"CI\" {\n environments = [\"production\"]\n scopes = [\"**\"]\n issuer = \"https://ci.example.com\"\n claim \"x\" { values = [\"y\"] }\n}\n"
	return []classCase{
		{"condition that is false", classRule("a", condition("identity.kind == 'agent'")), "requires: it must be so"},
		{"condition that errors", classRule("a", condition(missing)), "cannot be told"},
		{"when that errors", classRule("a", fmt.Sprintf("when = %q\n", missing)+oneOfSecurity) + classRule("open", oneOfSecurity), "cannot be told"},
		{"condition on the time", classRule("a", condition("now < timestamp('2020-01-01T00:00:00Z')")), "requires: it must be so"},
		{"window that is shut", classRule("a", oneOfSecurity+fmt.Sprintf("window \"x\" {\n days = [%q]\n from = \"00:00\"\n until = \"24:00\"\n zone = \"UTC\"\n}", otherDay)), "activated only in"},
		{"protected principal", classRule("a", oneOfSecurity) + "protected \"buckets\" {\n kinds = [\"*\"]\n names = [\"read * bucket\"]\n}\n", "no grant may touch it"},
		{"bound to a runner", classRule("a", oneOfSecurity) + bound, "nothing proves that this is one"},
		{"hardware keys", classRule("a", "hardware_keys = true\n"+oneOfSecurity), "without a hardware key"},
		{"distinct persons", classRule("a", "distinct_persons = true\n"+oneOfSecurity+"quorum \"data\" { count = 1 }"), "needs 1 of"},
		{"renewed too often", classRule("a", "max_renewals = 0\n"+oneOfSecurity), "renewal 1"},
		{"rule wider than its delegate", "delegate \"d\" {\n environments = [\"*\"]\n scopes = [\"other/**\"]\n systems = [\"*\"]\n groups = [\"security\"]\n max_ttl = \"720h\"\n" +
			classRule("wide", oneOfSecurity) + "}\n", "no rule of the policy matches"},
	}
}

// TestPolicyClasses: what two approved is not activated where a condition does
// not hold or cannot be told, and so on for everything that a rule may want;
// and what was activated in an emergency ends where nobody reviews it.
func TestPolicyClasses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	version := 0
	rules := func(text string) {
		version++
		// Ana is in both groups, somebody has a token, and ben is in none.
		w.policy(version, "", text+fmt.Sprintf("approver \"tok@example.com\" {\n keys = [%q]\n groups = [\"security\", \"data\", \"review\"]\n}\n", hardwareKey))
		source := w.read("policy.hcl")
		source = regroup(source, ana, `"security", "data"`)
		source = regroup(source, ben, "")
		source = regroup(source, cyd, `"data", "review"`)
		w.signPolicy(source)
	}
	rules(classRule("a", oneOfSecurity))
	w.Write(t, "main.tf", w.providerBlock("")+strings.Replace(grantOf("720h", externalAccess), "justification =", "renewal = 1\n  justification =", 1))
	wants(t, w.Apply(t), 0, "active = false")
	w.decide(nhi.VerdictApprove, w.etl, ana, ben)
	for _, c := range classCases(w.now()) {
		rules(c.rules)
		result := w.Apply(t)
		if result.Code != 0 || !strings.Contains(result.Text(), "active = false") || !strings.Contains(result.Text(), strings.Join(strings.Fields(c.says), " ")) {
			t.Fatalf("%s: %q is missing, or it is active:\n%s\n%s", c.name, c.says, result.Stdout, result.Stderr)
		}
	}
	rules(classRule("emergencies", "when = \"request.approval == 'default'\"\n"+oneOfSecurity+"review \"review\" {\n count = 1\n within = \"24h\"\n}"))
	wants(t, w.Apply(t), 0, "active = true")
	wants(t, w.Plan(t), 0, "No changes", "Review missing", "lacks a review by 1 of review")
	w.advance(25 * time.Hour)
	wants(t, w.Plan(t), 2, `"ended" -> "revoked"`, "lacks a review by 1 of review")
	wants(t, w.Apply(t), 0, "active = false")
	wants(t, w.Plan(t), 0, "Review missing")
}

// regroup changes the groups of one approver.
func regroup(source, person, groups string) string {
	before, after, _ := strings.Cut(source, fmt.Sprintf("approver %q {", person))
	start := strings.Index(after, "groups = [")
	end := start + strings.Index(after[start:], "]")
	return before + fmt.Sprintf("approver %q {", person) + after[:start] + "groups = [" + groups + after[end:]
}

// TestPolicyClassesAtPlan: a plan says no where the policy does, whoever signs,
// and promises nothing that depends on the time.
func TestPolicyClassesAtPlan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.policy(1, "", classRule("a", "approval = \"no approval needed\"\ncondition \"services only\" { expression = \"identity.kind == 'agent'\" }"))
	w.Write(t, "main.tf", w.providerBlock("")+grantOf("720h", externalAccess))
	wants(t, w.Plan(t), 1, "The policy says no", "requires: services only")
	w.policy(2, "", classRule("a", "approval = \"no approval needed\"\ncondition \"later\" { expression = \"now > timestamp('2020-01-01T00:00:00Z')\" }"))
	wants(t, w.Plan(t), 2, "only apply can tell")
	wants(t, w.Apply(t), 0, "active = false")
	wants(t, w.Apply(t), 0, "active = true")
}
