package cli_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/builtin"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// live is a world whose system orders is a real PostgreSQL.
type live struct {
	*world
	server  *testserver.PostgresServer
	readers string
	etl     nhi.ApprovalID // of its own, because the tests share a cluster
}

func newLive(t *testing.T) *live {
	t.Helper()
	l := &live{world: bare(t), server: testserver.Postgres(t)}
	l.readers = l.server.Prefix() + "readers"
	l.etl = nhi.ApprovalID("production/payments/etl/orders-" + strings.TrimSuffix(l.server.Prefix(), "_") + ":default")
	l.server.Exec("CREATE ROLE " + l.readers)
	var made struct{ Pin nhi.Digest }
	args := l.initArgs()
	for i, arg := range args {
		if strings.HasPrefix(arg, "orders:postgres=") {
			args[i] = "orders:postgres=" + l.endpoint()
		}
	}
	l.json(&made, args...)
	l.pins = append(l.pins, made.Pin)
	l.configure(fmt.Sprintf("orders = { postgres = { url = %q } }", l.server.URL("")))
	return l
}

func (l *live) endpoint() string {
	return fmt.Sprintf("%s:%d/%s", l.server.Host(), l.server.Port(), l.server.Database())
}

// configure writes nhi.hcl with these systems.
func (l *live) configure(systems ...string) {
	l.t.Helper()
	base, _, _ := strings.Cut(l.read(l.path("nhi.hcl")), "\nsystems = {")
	l.write(l.path("nhi.hcl"), base+"\nsystems = {\n  "+strings.Join(systems, "\n  ")+"\n}\n")
}

func (l *live) wants(id nhi.ApprovalID) nhi.Request {
	request := l.request(id, l.readers)
	db := request.Access["db"]
	db.Endpoint = l.endpoint()
	request.Access["db"] = db
	return request
}

// provider is an engine as the provider has it, with the systems of the world.
func (l *live) provider() *lifecycle.Engine {
	l.t.Helper()
	engine := l.engine()
	engine.Systems = lifecycle.NewSystems(builtin.All())
	for _, err := range engine.Systems.Configure("orders", "postgres", nhi.Values{"url": nhi.Text(l.server.URL(""))}) {
		must(l.t, err)
	}
	return engine
}

// granted asks, has ana and ben approve, and activates.
func (l *live) granted(id nhi.ApprovalID) (text, principal string) {
	l.t.Helper()
	text = l.approved(l.wants(id))
	_, err := l.provider().Activate(context.Background(), lifecycle.Ask{Text: text}, lifecycle.Record{})
	must(l.t, err)
	return text, nhi.Principal(id, "db")
}

// role says whether a role is there, and whether it may do anything.
func (l *live) role(name string) (exists, member bool) {
	l.t.Helper()
	rows := l.server.Query(`SELECT EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid)::text FROM pg_roles r WHERE rolname = $1`, name)
	return len(rows) > 0, len(rows) > 0 && rows[0][0] == "true"
}

func (l *live) wantGone(name string) {
	l.t.Helper()
	if exists, _ := l.role(name); exists {
		l.t.Errorf("role %s is still there", name)
	}
}

func (l *live) wantThere(name string) {
	l.t.Helper()
	if exists, member := l.role(name); !member {
		l.t.Errorf("role %s: exists %t, member %t", name, exists, member)
	}
}

func (l *live) look(text string) lifecycle.View {
	l.t.Helper()
	request, err := nhi.ParseRequest(text)
	must(l.t, err)
	return l.provider().Look(context.Background(), text, lifecycle.Record{Grant: request.Approval},
		lifecycle.Wish{Request: nhi.DigestOf(text), Identity: nhi.IdentityActive}, true)
}

// victim makes a role that carries a copy of a grant's mark.
func (l *live) victim(of string) string {
	l.t.Helper()
	name := l.server.Prefix() + "victim"
	mark := l.server.Query("SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = $1", of)[0][0]
	l.server.Exec(fmt.Sprintf("CREATE ROLE %s LOGIN IN ROLE %s; COMMENT ON ROLE %s IS '%s'", name, l.readers, name, mark))
	return name
}

const month = 720 * time.Hour
