package postgres_test

import (
	"slices"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// TestSurvey: machines without a mark are listed with all that is known of
// them; people, groups and PostgreSQL's own roles are not.
func TestSurvey(t *testing.T) {
	t.Parallel()
	b := newBench(t, testserver.PrivatePostgres(t))
	ours, lost := b.active(), b.active()
	issued, left := b.issue(ours, ours.NotAfter), b.issue(lost, lost.NotAfter)
	b.Exec("DROP ROLE " + quote(lost.Principal))
	taken := b.take(b.existing("taken", ""))
	b.Exec(`CREATE ROLE svc_orders LOGIN CREATEROLE; COMMENT ON ROLE svc_orders IS 'Orders. Ask <ana@example.com>, please';
		GRANT ` + b.readers + `, pg_monitor TO svc_orders WITH ADMIN OPTION; CREATE TABLE its (n int); ALTER TABLE its OWNER TO svc_orders;
		GRANT INSERT ON orders TO svc_orders; CREATE ROLE guest; GRANT svc_orders TO guest;
		CREATE ROLE files LOGIN PASSWORD 'always had it'; GRANT pg_read_server_files TO files; CREATE ROLE "ana.lee" LOGIN; CREATE ROLE "bo@example.com" LOGIN;
		CREATE ROLE "v1.2-app" LOGIN`)
	session := b.loggedIn("files")
	defer func() { _ = session.Close(t.Context()) }()
	var found []connector.Sighting
	b.changedNothing(func() {
		var err error
		if found, err = b.surveyor().Survey(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	byName := map[string]connector.Sighting{}
	var names []string
	for _, seen := range found {
		byName[seen.Principal] = seen
		names = append(names, seen.Principal)
	}
	want := []string{ours.Principal, left.Handle, taken.Principal, "svc_orders", "files", "v1.2-app"}
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("listed %q, want %q (and not %s)", names, want, issued.Handle)
	}
	svc := byName["svc_orders"]
	privileges := []string{"ADMIN OPTION on role pg_monitor", "ADMIN OPTION on role " + b.readers, "CREATEROLE", "LOGIN", "member: role guest",
		"owns 1 objects", "privileges on 1 objects", "role pg_monitor", "role " + b.readers}
	if !slices.Equal(svc.Privileges, privileges) || svc.Owner != "ana@example.com" || !svc.LastUsed.IsZero() || svc.ID != b.oid("svc_orders") {
		t.Errorf("svc_orders is %+v, want %q", svc, privileges)
	}
	if got := svc.Access.Items("roles"); !slices.Equal(got, []string{"pg_monitor", b.readers}) || svc.Access.Text("on_revoke") != "disable" {
		t.Errorf("the access for svc_orders is %v", svc.Access)
	}
	files := byName["files"]
	if files.Access != nil || time.Since(files.LastUsed) > time.Minute {
		t.Errorf("files is %+v, want used now and no access", files)
	}
	for name, account := range map[string]connector.Account{ours.Principal: ours, left.Handle: lost, taken.Principal: taken} {
		if seen := byName[name]; seen.Mark != account.Mark || seen.Access != nil || !seen.Machine {
			t.Errorf("%s is %+v", name, seen)
		}
	}
}
