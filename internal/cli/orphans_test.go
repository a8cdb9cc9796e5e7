package cli_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/cli"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/builtin"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// scout lists what a test says; all else is the real connector's.
type scout struct {
	connector.Connector
	sightings []connector.Sighting
}

// Survey implements connector.Surveyor.
func (s *scout) Survey(context.Context) ([]connector.Sighting, error) { return s.sightings, nil }

// scouted are the kinds that are built in, with postgres listing sightings.
func scouted(sightings ...connector.Sighting) []connector.Kind {
	kinds := builtin.All()
	for i, kind := range kinds {
		if kind.Name != "postgres" {
			continue
		}
		open := kind.Open
		kinds[i].Open = func(ctx context.Context, settings setting.Settings) (connector.Connector, error) {
			inner, err := open(ctx, settings)
			return &scout{inner, sightings}, err
		}
	}
	return kinds
}

func (l *live) runWith(kinds []connector.Kind, args ...string) result {
	l.t.Helper()
	var out, errs strings.Builder
	code := cli.Run(context.Background(), append(args, "--config", l.path("nhi.hcl")), cli.Options{
		Version: "test", Out: &out, Err: &errs, Now: l.now, Home: l.keys, SpoolDir: filepath.Join(l.keys, "spool"), Kinds: kinds,
		Pins: func() ([]nhi.Digest, error) { return l.pins, nil },
	})
	return result{code, out.String(), errs.String()}
}

func TestOrphans(t *testing.T) {
	t.Parallel()
	w := newLive(t)
	_, role := w.granted(w.etl)
	rows := w.server.Query("SELECT oid::text, shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = $1", role)
	mark, err := nhi.ParseMark(rows[0][1])
	must(t, err)
	ours := connector.Sighting{Principal: role, ID: rows[0][0], Mark: mark}
	copied := connector.Sighting{Principal: "victim", ID: "1", Mark: mark}
	bare := connector.Sighting{Principal: "svc_orders", ID: "2", Machine: true, Owner: "dba@example.com", LastUsed: w.now(), Privileges: []string{"role " + w.readers}}

	if got := w.runWith(scouted(ours, bare), "orphans"); got.code != cli.ExitOK ||
		!strings.Contains(got.out, "unmanaged  svc_orders on orders ("+w.endpoint()+"): owner dba@example.com, last used 2030-01-08T09:00:00Z, holds role "+w.readers) {
		t.Errorf("exit %d: %s%s", got.code, got.out, got.err)
	}
	got := w.runWith(scouted(ours, copied), "orphans")
	w.failed(got, cli.ExitWrong, "1 orphan", "orphans")
	if !strings.Contains(got.out, "victim on orders") || !strings.Contains(got.out, "the mark is a copy") {
		t.Errorf("orphans said %s", got.out)
	}
	w.server.Exec(`DROP ROLE "` + role + `"`)
	got = w.runWith(scouted(), "orphans", "--json")
	w.failed(got, cli.ExitWrong, "0 orphans and 1 missing", "orphans")
	if !strings.Contains(got.out, `"principal": "`+role+`"`) {
		t.Errorf("orphans told %s", got.out)
	}
	w.configure()
	w.fails(cli.ExitUsage, "names no systems", "orphans")
}

func TestOrphansGenerate(t *testing.T) {
	t.Parallel()
	w := newLive(t)
	access := nhi.Values{"roles": nhi.List(w.readers)}
	hostile := "svc\n}\nresource \"x\" \"y\" { # ${file(\"/etc/passwd\")}"
	kinds := scouted(
		connector.Sighting{Principal: "svc_orders", ID: "1", Machine: true, Owner: "dba@example.com", LastUsed: w.now().Add(-time.Hour), Access: access},
		connector.Sighting{Principal: "SVC-Orders", ID: "2", Machine: true, Access: access},
		connector.Sighting{Principal: "9 lives ${x}", ID: "3", Machine: true, Owner: "${var.owner} \"quoted\"", Access: access},
		connector.Sighting{Principal: hostile, ID: "4", Machine: true, Privileges: []string{hostile}, Access: access},
		connector.Sighting{Principal: "superuser", ID: "5", Machine: true},
	)
	folder := t.TempDir()
	if got := w.runWith(kinds, "orphans", "--generate", folder); got.code != cli.ExitOK {
		t.Fatalf("exit %d: %s%s", got.code, got.out, got.err)
	}
	text := w.read(filepath.Join(folder, "unmanaged.tf"))
	for _, words := range []string{
		`resource "nhi_identity" "svc_orders" {`, `owner   = "dba@example.com"`, `resource "nhi_approval" "svc_orders_2" {`, `"TODO: who answers for it"`,
		`subject       = nhi_identity.svc_orders.subject`, `ticket = nhi_approval.svc_orders.ticket`, `"$${var.owner} \"quoted\""`,
		"# It cannot be taken over as it is.", `roles = ["` + w.readers + `"]`,
	} {
		if !strings.Contains(text, words) {
			t.Errorf("%q is not in\n%s", words, text)
		}
	}
	w.failed(w.runWith(kinds, "orphans", "--generate", folder), cli.ExitUsage, "is there already", "orphans")

	workspace := testserver.NewWorkspace(t)
	workspace.Write(t, "main.tf", `
terraform {
  required_providers {
    nhi = { source = "nhi-terraform/nhi" }
  }
}
provider "nhi" {
  environment = "production"
  scope       = "payments/etl"
  systems     = { orders = { postgres = { url = "`+w.server.URL("")+`" } } }
}
`)
	workspace.Write(t, "unmanaged.tf", text)
	if got := workspace.Run(t, "validate", "-no-color"); got.Code != 0 {
		t.Errorf("terraform validate: %s\n%s", got.Text(), text)
	}
	if got := workspace.Run(t, "fmt", "-check", "-no-color"); got.Code != 0 && strings.Contains(got.Stdout, "unmanaged.tf") {
		t.Errorf("it is not formatted:\n%s", text)
	}
}

// What PostgreSQL itself lists: an account that nobody manages, which the
// written Terraform asks to take over, and a victim with a copied mark.
func TestOrphansOnPostgreSQL(t *testing.T) {
	t.Parallel()
	w := newLive(t)
	_, role := w.granted(w.etl)
	victim, service := w.victim(role), w.server.Prefix()+"svc"
	w.server.Exec("CREATE ROLE " + service + " LOGIN PASSWORD 'x' IN ROLE " + w.readers)
	folder := t.TempDir()
	got := w.fails(cli.ExitWrong, "orphan", "orphans", "--generate", folder)
	if !strings.Contains(got.out, "orphan     "+victim+" on orders") || !strings.Contains(got.out, "unmanaged  "+service+" on orders") ||
		strings.Contains(got.out, "orphan     "+role+" ") {
		t.Errorf("orphans said %s", got.out)
	}
	w.wantThere(victim)
	text := w.read(filepath.Join(folder, "unmanaged.tf"))
	if !strings.Contains(text, `"`+service+`"`) || !strings.Contains(text, "adopt") {
		t.Errorf("generated\n%s", text)
	}
	workspace := testserver.NewWorkspace(t)
	workspace.Write(t, "main.tf", `
terraform {
  required_providers {
    nhi = { source = "nhi-terraform/nhi" }
  }
}
provider "nhi" {
  environment = "production"
  scope       = "payments/etl"
  systems     = { orders = { postgres = { url = "`+w.server.URL("")+`" } } }
}
`)
	workspace.Write(t, "unmanaged.tf", text)
	if got := workspace.Run(t, "validate", "-no-color"); got.Code != 0 {
		t.Errorf("terraform validate: %s\n%s", got.Text(), text)
	}
}
