package provider_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// breakGlass is a company whose trust root has three keys, two of which sign,
// with a real PostgreSQL.
type breakGlass struct {
	*world
	db      *testserver.PostgresServer
	readers string // a role
}

func newBreakGlass(t *testing.T) *breakGlass {
	t.Helper()
	b := &breakGlass{world: &world{Workspace: testserver.NewWorkspace(t), t: t}, db: testserver.Postgres(t)}
	b.readers = b.db.Prefix() + "orders_ro"
	b.db.Exec(`CREATE ROLE "` + b.readers + `"`)
	b.installed(t)
	b.answersYes(t)
	b.Env = append(b.Env, "EMERGENCY_URL="+b.db.URL(""))
	must(t, os.Mkdir(filepath.Join(b.Dir, "keys"), 0o700))
	init := "nhi init --scope payments/etl --threshold 2 --pin --approver ana@example.com=keys/approver.pub"
	for _, name := range []string{"root-ana", "root-ben", "root-cyd", "approver"} {
		testserver.NewSSHKey(t, filepath.Join(b.Dir, "keys", name))
		if name != "approver" {
			init += " --root-key keys/" + name
		}
	}
	b.must(init + fmt.Sprintf(" --system orders:postgres=%s:%d/%s", b.db.Host(), b.db.Port(), b.db.Database()))
	config := read(t, filepath.Join(b.Dir, "nhi.hcl"))
	config, _, _ = strings.Cut(config, "\nsystems = {")
	b.Write(t, "nhi.hcl", config+"\nsystems = {\n  orders = { postgres = { url = env(\"EMERGENCY_URL\") } }\n}\n")
	return b
}

// answersYes makes the commands of an emergency ask nobody.
func (b *breakGlass) answersYes(t *testing.T) {
	t.Helper()
	bin := t.TempDir()
	must(t, os.WriteFile(filepath.Join(bin, "nhi"), []byte(`#!/bin/sh
case "$1 $2" in "emergency sign" | "emergency grant" | "emergency revoke") set -- "$@" --yes ;; esac
exec '`+testserver.Binary(t)+`' "$@"
`), 0o700))
	for i, variable := range b.Env {
		if path, ok := strings.CutPrefix(variable, "PATH="); ok {
			b.Env[i] = "PATH=" + bin + string(os.PathListSeparator) + path
		}
	}
}

// printed runs one of the commands of the guide, on this test's own database.
func (b *breakGlass) printed(script string, edits ...string) (string, error) {
	b.t.Helper()
	edits = append(edits, "orders_ro", b.readers)
	return b.shell(strings.NewReplacer(edits...).Replace(read(b.t, examplePath("break-glass", script))))
}

func (b *breakGlass) says(script string, texts ...string) string {
	b.t.Helper()
	out, err := b.printed(script)
	if err != nil {
		b.t.Fatalf("%s: %v\n%s", script, err, out)
	}
	wants(b.t, testserver.Result{Stdout: out}, 0, texts...)
	b.t.Logf("%s:\n%s", script, out)
	return out
}

func (b *breakGlass) must(commands string) string {
	b.t.Helper()
	out, err := b.shell(commands)
	if err != nil {
		b.t.Fatalf("%s: %v\n%s", commands, err, out)
	}
	return out
}

// fails runs commands that must fail and say each of texts.
func (b *breakGlass) fails(commands string, texts ...string) {
	b.t.Helper()
	out, err := b.shell(commands)
	if err == nil {
		b.t.Fatalf("%s did not fail:\n%s", commands, out)
	}
	wants(b.t, testserver.Result{Stdout: out}, 0, texts...)
}

// move moves the ledger away, or back.
func (b *breakGlass) move(from, to string) {
	b.t.Helper()
	must(b.t, os.Rename(filepath.Join(b.Dir, from), filepath.Join(b.Dir, to)))
}

// logsIn says whether the credential in a file lets somebody in, as a member of
// the approved role.
func (b *breakGlass) logsIn(file string) error {
	b.t.Helper()
	var issued map[string]map[string]string
	must(b.t, json.Unmarshal([]byte(read(b.t, filepath.Join(b.Dir, file))), &issued))
	conn, err := pgx.Connect(b.t.Context(), issued["db"]["url"])
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(b.t.Context()) }()
	var member bool
	must(b.t, conn.QueryRow(b.t.Context(), "SELECT pg_has_role($1, 'member')", b.readers).Scan(&member))
	if !member {
		b.t.Error("logged in, and not a member of the approved role")
	}
	return nil
}

func (b *breakGlass) wantGone(name string) {
	b.t.Helper()
	principal := nhi.Principal("production/payments/etl/orders-etl:"+nhi.ApprovalID(name), "db")
	if rows := b.db.Query("SELECT rolname FROM pg_roles WHERE starts_with(rolname, $1)", principal); len(rows) > 0 {
		b.t.Errorf("left over: %v", rows)
	}
}

// TestBreakGlassAsPrinted does what the guide says: with the ledger moved away,
// two of three holders sign, the operator grants, and the credential works; once
// the ledger is back, all of it is on record and verified. The same file serves
// no second time, and the access ends at its end.
func TestBreakGlassAsPrinted(t *testing.T) {
	t.Parallel()
	testserver.Require(t, "ssh-keygen")
	b := newBreakGlass(t)
	b.says("1-kit.sh")
	b.move(".nhi", "away")

	b.says("2-new.sh", "orders-etl:emergency", "role "+b.readers, "2 of the 3 holders")
	b.fails("nhi emergency grant incident.emergency", "signed by 0 of the 2")
	b.says("3-sign.sh", "signed by 1 of the 2", "1 more must run")
	b.must("nhi emergency sign --key keys/root-ana incident.emergency") // the same holder once more
	b.fails("nhi emergency grant incident.emergency", "signed by 1 of the 2")
	b.must("cp incident.emergency twice.emergency; for i in 1 2; do cat incident.emergency.sig; done > twice.emergency.sig")
	b.fails("nhi emergency grant twice.emergency", "signed by 1 of the 2")
	b.says("3-ssh-keygen.sh")
	b.wantGone("emergency")

	granted := b.says("4-grant.sh", "signed by 2 of the 2", "In force until", "The ledger could not be asked", "nhi emergency record")
	secret := read(t, filepath.Join(b.Dir, "incident.json"))
	var issued map[string]map[string]string
	must(t, json.Unmarshal([]byte(secret), &issued))
	if password := issued["db"]["password"]; password == "" || strings.Contains(granted, password) {
		t.Error("no password, or one that was printed")
	}
	if info, err := os.Stat(filepath.Join(b.Dir, "incident.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v, want a file for its owner alone", info.Mode(), err)
	}
	must(t, b.logsIn("incident.json"))
	b.fails("nhi emergency grant incident.emergency", "this emergency was used on this machine")

	b.move("away", ".nhi")
	b.fails("nhi emergency grant incident.emergency", "the ledger holds a use of this emergency")
	b.says("6-record.sh", "Everything that was done on this machine is in the ledger.", "emergency recorded, with 2 signatures of root keys",
		"the emergency is in force", "an emergency was used, without approval", "Everything that can be checked here is as it must be.")
	b.must("nhi verify --targets --all")
	b.fails("XDG_CACHE_HOME=$PWD/elsewhere nhi emergency grant incident.emergency", "the ledger holds a use of this emergency")
	wants(t, testserver.Result{Stdout: b.must("nhi sweep --revoke")}, 0, "Nothing is due.")
	must(t, b.logsIn("incident.json"))

	b.SetClock(t, 4*time.Hour)
	wants(t, testserver.Result{Stdout: b.must("nhi sweep --revoke")}, 0, "the term ended", "is gone")
	b.wantGone("emergency")
	if err := b.logsIn("incident.json"); err == nil {
		t.Error("the credential still lets somebody in")
	}
	b.fails("nhi emergency grant incident.emergency", "the ledger holds a use of this emergency")
	b.must("nhi verify")
}

// TestBreakGlassEndsAsPrinted: given and ended while the ledger is down, and
// recorded in that order.
func TestBreakGlassEndsAsPrinted(t *testing.T) {
	t.Parallel()
	testserver.Require(t, "ssh-keygen")
	b := newBreakGlass(t)
	b.says("1-kit.sh")
	b.move(".nhi", "away")
	out, err := b.printed("2-new.sh", "--for", "--name second --for")
	if err != nil {
		t.Fatal(err, out)
	}
	b.says("3-sign.sh")
	b.says("3-ssh-keygen.sh")
	b.says("4-grant.sh")
	must(t, b.logsIn("incident.json"))
	b.must("nhi emergency credential incident.emergency --credentials again.json")
	must(t, b.logsIn("again.json"))
	b.says("5-end.sh", "is gone", "this waits on this machine")
	b.wantGone("second")
	b.fails("nhi emergency credential incident.emergency", "not in force")
	b.move("away", ".nhi")
	b.says("6-record.sh", "an emergency was used", "as it must be")
	b.fails("nhi emergency grant incident.emergency", "the ledger holds a use of this emergency")
	wants(t, testserver.Result{Stdout: b.must("nhi verify --targets --all")}, 0, "gone, as it must be")

	// A forged record is named.
	text := read(t, filepath.Join(b.Dir, "incident.emergency"))
	b.Write(t, "forged.emergency", strings.Replace(text, "INC-4711", "INC-4712", 1))
	must(t, os.Rename(filepath.Join(b.Dir, "incident.emergency.sig"), filepath.Join(b.Dir, "forged.emergency.sig")))
	b.fails("nhi emergency grant forged.emergency", "signed by 0 of the 2", "does not match the text")
	b.wantGone("second")
}
