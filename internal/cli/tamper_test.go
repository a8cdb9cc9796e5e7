package cli_test

import (
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/cli"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/local"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// forger is somebody who may write to the folder of the ledger, and has kept
// what people signed long ago.
type forger struct {
	*world
	db   *sql.DB
	kept map[string]nhi.SignedDecision // by key, on each job
	// draft is a base that nobody signed.
	draft string
}

// forged is a world in which every job was approved and activated under the
// first policy, each on a record of its own. Policy 2 has dropped cyd's key,
// and calls ben's compromised.
func forged(t *testing.T, jobs ...int) *forger {
	t.Helper()
	f := &forger{world: newWorld(t), kept: map[string]nhi.SignedDecision{}}
	for _, name := range []string{"ben2", "cyd2"} {
		f.makeKey(name, "")
	}
	for _, job := range jobs {
		id := approval(job)
		text := f.approved(f.request(id))
		must(t, f.engine().RecordIdentity(t.Context(), nhi.Identity{ID: id.Identity(), Owner: "cyd@example.com", Purpose: "moved", Kind: nhi.KindService, Status: nhi.IdentityActive}))
		for _, name := range []string{"ana", "ben", "cyd", "mal"} {
			f.kept[fmt.Sprint(name, job)] = f.signedBy(name, text, f.chain(ledger.ApprovalChain(id)).Head())
		}
		f.activate(text)
	}
	f.pass(time.Hour)
	key := func(name string) string { return strings.TrimSpace(f.read(f.key(name + ".pub"))) }
	short := func(name string) string { return strings.Join(strings.Fields(key(name))[:2], " ") }
	ben := f.read(f.path("policy.hcl"))
	at := strings.Index(ben, `"`+short("ben")+`"`)
	if at < 0 {
		t.Fatalf("the policy does not name ben's key:\n%s", ben)
	}
	since := nhi.FormatTime(f.now().Add(-time.Minute))
	f.edit("version = 1", "version = 2", `"`+short("cyd")+`"`, `"`+short("cyd2")+`"`,
		`["`+short("ben")+`"]`, `["`+short("ben2")+"\"]\n  compromised \""+short("ben")+"\" {\n    since = \""+since+"\"\n  }")
	f.ok("policy", "sign", "--publish", "--key", f.key("root"))
	f.pass(time.Hour)
	db, err := sql.Open("sqlite", filepath.Join(f.path(".nhi"), local.FileName))
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
	f.db = db
	f.draft, err = f.engine().DraftBase(t.Context(), "forged")
	must(t, err)
	return f
}

func (f *forger) exec(statement string, args ...any) {
	f.t.Helper()
	for _, trigger := range []string{"entry_create", "entry_update", "entry_delete"} {
		_, err := f.db.ExecContext(f.t.Context(), "DROP TRIGGER IF EXISTS "+trigger)
		must(f.t, err)
	}
	_, err := f.db.ExecContext(f.t.Context(), statement, args...)
	must(f.t, err)
}

func keyOf(chain string, seq int) string { return fmt.Sprintf("%s/%08d", chain, seq) }

func (f *forger) get(chain string, seq int) (value string) {
	f.t.Helper()
	must(f.t, f.db.QueryRowContext(f.t.Context(), "SELECT value FROM entry WHERE key = ?", keyOf(chain, seq)).Scan(&value))
	return value
}

func (f *forger) put(chain string, seq int, value string) {
	f.t.Helper()
	f.exec("DELETE FROM entry WHERE key = ?", keyOf(chain, seq))
	f.exec("INSERT INTO entry (key, value) VALUES (?, CAST(? AS BLOB))", keyOf(chain, seq), value)
}

func (f *forger) drop(chain string, seq int) {
	f.t.Helper()
	f.exec("DELETE FROM entry WHERE key = ?", keyOf(chain, seq))
}

// reword edits an entry so that it can still be read.
func (f *forger) reword(chain string, seq int, old, next string) {
	f.t.Helper()
	value := f.get(chain, seq)
	if !strings.Contains(value, old) {
		f.t.Fatalf("%s %d does not hold %q: %s", chain, seq, old, value)
	}
	f.put(chain, seq, strings.Replace(value, old, next, 1))
}

// wantFaults wants verify to name each of the faults; it may show at other
// places too.
func (f *forger) wantFaults(want []string, args ...string) {
	f.t.Helper()
	args = append([]string{"verify"}, args...)
	got := f.fails(cli.ExitWrong, "the record is not what it must be", args...)
	for _, words := range want {
		where, what, _ := strings.Cut(words, ": ")
		said := false
		for line := range strings.Lines(got.out) {
			said = said || strings.Contains(line, "! "+where+": ") && strings.Contains(line, what)
		}
		if !said {
			f.t.Errorf("verify does not say %q of %s", what, where)
		}
	}
	if f.t.Failed() {
		f.t.Log(got.out)
	}
}

func TestVerifyFindsEachTampering(t *testing.T) {
	t.Parallel()
	for job, forgery := range forgeries {
		t.Run(forgery.name, func(t *testing.T) {
			t.Parallel()
			f := forged(t, job)
			f.ok("verify")
			f.wantFaults([]string{forgery.make(f, job)})
		})
	}
}

// TestVerifyFindsAllTampering: one ledger with all of it, one pass.
func TestVerifyFindsAllTampering(t *testing.T) {
	t.Parallel()
	jobs := slices.Sorted(maps.Keys(forgeries))
	f := forged(t, jobs...)
	var out found
	f.json(&out, "verify")
	if !out.OK || out.Activations != len(jobs) {
		t.Fatalf("before: %+v", out)
	}
	var want []string
	for _, job := range jobs {
		want = append(want, forgeries[job].make(f, job))
	}
	f.wantFaults(want)
}

// What only a Terraform state remembers: a grant's own chain that was cut, and
// another ledger in its place.
func TestVerifyAgainstAState(t *testing.T) {
	t.Parallel()
	f := forged(t, 1)
	chain := f.chain(ledger.GrantChain(approval(1)))
	record := lifecycle.Fold(approval(1), chain)
	state := f.path("terraform.tfstate")
	f.state(state, record)
	f.ok("verify", "--state", state)
	f.drop(chain.Name, 2)
	f.ok("verify") // nobody in the ledger has seen it
	f.wantFaults([]string{chain.Name + " entry 2: it is missing, and " + state + " (nhi_grant.etl) has seen the chain up to entry 2"}, "--state", state)
	record.Ledger = strings.Repeat("0", 32)
	f.state(state, record)
	f.wantFaults([]string{state + " (nhi_grant.etl): it remembers " + string(approval(1)) + " in ledger 00000000"}, "--state", state)
	f.write(state, "{}")
	f.fails(cli.ExitUsage, "is a state of version 0", "verify", "--state", state)
}

// state writes a Terraform state as Terraform does.
func (w *world) state(path string, record lifecycle.Record) {
	w.t.Helper()
	memory, err := json.Marshal(map[string]any{"record": record})
	must(w.t, err)
	private, err := json.Marshal(map[string][]byte{"nhi": memory})
	must(w.t, err)
	data, err := json.Marshal(map[string]any{"version": 4, "resources": []any{map[string]any{
		"mode": "managed", "type": "nhi_grant", "name": "etl",
		"instances": []any{map[string]any{"attributes": map[string]any{"id": string(record.Grant)}, "private": base64.StdEncoding.EncodeToString(private)}},
	}}})
	must(w.t, err)
	w.write(path, string(data))
}

// Access that needed a compromised key is told: as a fault where the decision
// was recorded after that, as a note where it was before.
func TestVerifyFlagsCompromisedKeys(t *testing.T) {
	t.Parallel()
	f := forged(t, 1)
	out := f.ok("verify")
	words := "grant/production%2Fpayments%2Fetl%2Fjob-001:default entry 1: it rests on an approval by ben@example.com with the key SHA256:"
	if !strings.Contains(out, words) || !strings.Contains(out, "before that") {
		t.Errorf("verify said %s", out)
	}
	f.edit("version = 2", "version = 3", "since = \"2030-01-08T09:59:00Z\"", "since = \"2030-01-01T00:00:00Z\"")
	f.ok("policy", "sign", "--publish", "--key", f.key("root"))
	f.wantFaults([]string{words, ledger.ApprovalChain(approval(1)) + " entry 3: the key SHA256:"})
	if out := f.ok("show", string(approval(1))); !strings.Contains(out, "compromised since 2030-01-01T00:00:00Z") {
		t.Errorf("show said %s", out)
	}
}
