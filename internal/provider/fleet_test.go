package provider_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// member is one workspace of a fleet, with one grant of its own.
type member struct {
	*landscape
	name string
}

// newFleet is a landscape in which many grants are approved, each in a workspace
// of its own: what kills one run leaves the others alone. With on_pending =
// "error" the first apply of each activates.
func newFleet(t testing.TB, many int, access func(*landscape) string) (*landscape, []*member) {
	t.Helper()
	l := newLandscape(t, false)
	config := func(name string) string {
		return strings.NewReplacer("orders-etl", name, "justification =", "on_pending    = \"error\"\n  justification =").Replace(grantOf("720h", access(l)))
	}
	asked, _, _ := strings.Cut(config("job-${count.index}"), `resource "nhi_grant"`)
	l.Write(t, "main.tf", l.providerBlock(l.systems())+variables+strings.NewReplacer(
		`"etl" {`, fmt.Sprintf("\"etl\" {\n  count = %d", many), "nhi_identity.etl.", "nhi_identity.etl[count.index].").Replace(asked))
	wants(t, l.Apply(t), 1, "Not approved") // it is asked for, and waits
	var fleet []*member
	for i := range many {
		m := &member{name: fmt.Sprintf("job-%d", i)}
		own := *l
		m.landscape = &own
		m.landscape.world = l.another(l.scope)
		m.etl = nhi.ApprovalID("production/" + l.scope + "/" + m.name + ":default")
		m.Write(t, "main.tf", l.providerBlock(l.systems())+variables+config(m.name))
		l.decide(nhi.VerdictApprove, m.etl, ana, ben)
		fleet = append(fleet, m)
	}
	return l, fleet
}

// accounts are the roles of this member's grant on the server, with their ids.
func (m *member) accounts() []string {
	m.t.Helper()
	var found []string
	for _, row := range m.db.Query(`SELECT oid || ' ' || rolname FROM pg_roles WHERE shobj_description(oid, 'pg_authid') LIKE $1`,
		"nhi:1 "+m.ledger+" "+string(m.etl)+" %") {
		found = append(found, row[0])
	}
	return found
}

// converged checks that a grant is active with one account and one activation,
// and that nobody was asked again.
func (m *member) converged() {
	m.t.Helper()
	if accounts := m.accounts(); len(accounts) != 1 || !strings.HasSuffix(accounts[0], " "+nhi.Principal(m.etl, "db")) {
		m.t.Errorf("accounts: %v", accounts)
	}
	if active := m.attribute("nhi_grant.etl", "active"); m.used() != 1 || active != true {
		m.t.Errorf("%d activations recorded, and active is %v", m.used(), active)
	}
	m.askedOnce()
}

// askedOnce checks that the approval's chain holds one request, and the two
// decisions on it.
func (m *member) askedOnce() {
	m.t.Helper()
	requests, decisions := 0, 0
	for _, entry := range m.chain(ledger.ApprovalChain(m.etl)).Entries {
		switch entry.Body.(type) {
		case ledger.RequestBody:
			requests++
		case ledger.DecisionBody:
			decisions++
		}
	}
	if requests != 1 || decisions != 2 {
		m.t.Errorf("%d requests and %d decisions on record", requests, decisions)
	}
}

// entries counts the entries of the grant's chain.
func (w *world) entries() int {
	w.t.Helper()
	return len(w.chain(ledger.GrantChain(w.etl)).Entries)
}

// verified checks with every target that all grants of the ledger are as it
// says, and that no account is left that it does not stand by.
func (l *landscape) verified() {
	l.t.Helper()
	l.configured()
	wants(l.t, l.NHI(l.t, "verify", "--targets", "--all"), 0)
	orphans := l.NHI(l.t, "orphans", "--json")
	if strings.Contains(orphans.Stdout, l.ledger) {
		l.t.Errorf("orphans:\n%s", orphans.Stdout)
	}
}

// stateOr loses the state where lost.
func (m *member) stateOr(lost bool) {
	if lost {
		m.loseState()
		_ = os.Remove(filepath.Join(m.Dir, ".terraform.tfstate.lock.info")) // a killed CLI leaves it
	}
}
