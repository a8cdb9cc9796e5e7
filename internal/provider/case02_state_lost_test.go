package provider_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// TestCase02StateTruncated: twenty grants with several targets each are active,
// and the state file is truncated to nothing. The next applies adopt all of
// them: the same accounts, nothing changed on any target, nobody asked again.
func TestCase02StateTruncated(t *testing.T) {
	t.Parallel()
	const many = 20
	l := newLandscape(t, false)
	access := l.dbAccess() + strings.Replace(l.dbAccess(), "db =", "report =", 1) + l.boxAccess() + externalAccess
	l.Write(t, "main.tf", l.providerBlock(l.systems())+variables+strings.NewReplacer(
		`"etl" {`, fmt.Sprintf("\"etl\" {\n  count = %d", many), `"orders-etl"`, `"job-${count.index}"`,
		"nhi_identity.etl.", "nhi_identity.etl[count.index].", "nhi_approval.etl.", "nhi_approval.etl[count.index].",
		"nhi_grant.etl.active", "length([for g in nhi_grant.etl : g if g.active])").Replace(grantOf("720h", access)))
	wants(t, l.Apply(t, "-parallelism=20"), 0, "active = 0")
	var ids []nhi.ApprovalID
	for i := range many {
		ids = append(ids, nhi.ApprovalID(fmt.Sprintf("production/%s/job-%d:default", l.scope, i)))
		l.decide(nhi.VerdictApprove, ids[i], ana, ben)
	}
	wants(t, l.Apply(t, "-parallelism=20"), 0, fmt.Sprintf("active = %d", many))
	check, before := l.untouched(), l.oids()
	if len(before) != 2*many {
		t.Fatalf("%d accounts", len(before))
	}
	must(t, os.Truncate(filepath.Join(l.Dir, "terraform.tfstate"), 0))
	wants(t, l.Apply(t, "-parallelism=20"), 0, "active = 0")
	wants(t, l.Apply(t, "-parallelism=20"), 0, fmt.Sprintf("active = %d", many))
	wants(t, l.Plan(t), 0, "No changes")
	check("adopted")
	if after := l.oids(); !slices.Equal(before, after) {
		t.Errorf("the accounts were %v and are %v", before, after)
	}
	for _, id := range ids {
		uses := 0
		for _, entry := range l.chain(ledger.GrantChain(id)).Entries {
			if _, ok := entry.Body.(ledger.UseBody); ok {
				uses++
			}
		}
		if asked := len(l.chain(ledger.ApprovalChain(id)).Entries); uses != 1 || asked != 3 {
			t.Errorf("%s: %d activations, and %d entries on the approval's chain", id, uses, asked)
		}
	}
}

// oids are the ids of the roles of ours on the server.
func (l *landscape) oids() []string {
	l.t.Helper()
	var ids []string
	for _, row := range l.db.Query(`SELECT oid FROM pg_roles WHERE shobj_description(oid, 'pg_authid') LIKE $1 ORDER BY oid`, "nhi:1 "+l.ledger+" %") {
		ids = append(ids, row[0])
	}
	return ids
}
