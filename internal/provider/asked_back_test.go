package provider_test

import (
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// TestAskedWhenBack: what was edited while an identity was disabled is asked for
// when it is enabled again: another term, and another justification.
func TestAskedWhenBack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		from, to string
		plan     string // what the plan of the return says
		record   string // what stands on record after it
	}{
		"another term":          {`ttl           = "720h"`, "ttl           = \"720h\"\n  renewal = 1", "This is term 2 of the same approval", "term: 2"},
		"another justification": {`"CHG-1234"`, `"CHG-9999"`, `"disabled" -> "active"`, "CHG-9999"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLandscape(t, false)
			l.Write(t, "main.tf", l.providerBlock(l.postgresSystem())+variables+grantOf("720h", l.dbAccess()))
			wants(t, l.Apply(t), 0)
			l.decide(nhi.VerdictApprove, l.etl, ana, ben)
			wants(t, l.Apply(t), 0, "active = true")
			l.edit(`ttl     = "2160h"`, "ttl     = \"2160h\"\n  enabled = false")
			l.edit(c.from, c.to)
			wants(t, l.Apply(t), 0)
			l.edit("enabled = false", "enabled = true")
			wants(t, l.Plan(t), 2, c.plan)
			wants(t, l.Apply(t), 0)
			found := false
			for _, entry := range l.chain(ledger.ApprovalChain(l.etl)).Entries {
				if body, ok := entry.Body.(ledger.RequestBody); ok {
					t.Logf("%s\n%s", body.Justification, body.Text)
					found = found || strings.Contains(body.Text+body.Justification, c.record)
				}
			}
			if !found {
				t.Errorf("%q was never asked for", c.record)
			}
		})
	}
}
