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
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
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

// forgeries are all kinds of tampering. Each changes the record of one job and
// returns what verify must say of it. An approval's chain has three entries (a
// request, two decisions), an identity's two, a grant's two.
var forgeries = map[int]struct {
	name string
	make func(f *forger, job int) string
}{
	1: {"an entry edited", func(f *forger, job int) string {
		chain := ledger.ApprovalChain(approval(job))
		f.reword(chain, 1, "CHG-1234", "CHG-9999")
		return chain + " entry 2: it does not follow from the entry before it"
	}},
	2: {"deleted", func(f *forger, job int) string {
		chain := ledger.ApprovalChain(approval(job))
		f.drop(chain, 2)
		return chain + " entry 2: it is missing"
	}},
	3: {"inserted", func(f *forger, job int) string {
		chain := ledger.ApprovalChain(approval(job))
		for seq := 3; seq >= 2; seq-- {
			f.put(chain, seq+1, f.get(chain, seq))
		}
		f.reword(chain, 2, "nhi test", "nhi tEst")
		return chain + " entry 3: it was written as entry 2"
	}},
	4: {"reordered", func(f *forger, job int) string {
		chain := ledger.ApprovalChain(approval(job))
		second, third := f.get(chain, 2), f.get(chain, 3)
		f.put(chain, 2, third)
		f.put(chain, 3, second)
		return chain + " entry 2: it was written as entry 3"
	}},
	5: {"duplicated", func(f *forger, job int) string {
		chain := ledger.ApprovalChain(approval(job))
		f.put(chain, 4, f.get(chain, 3))
		return chain + " entry 4: it was written as entry 3"
	}},
	6: {"shortened", func(f *forger, job int) string {
		chain := ledger.ApprovalChain(approval(job))
		f.drop(chain, 3)
		return chain + " entry 3: it is missing, and " + ledger.GrantChain(approval(job)) + " entry 1 has seen the chain up to entry 3"
	}},
	7: {"forked", func(f *forger, job int) string {
		chain := ledger.ApprovalChain(approval(job))
		f.reword(chain, 3, "nhi test", "nhi tEst")
		return chain + " entry 3: it is another one than " + ledger.GrantChain(approval(job)) + " entry 1 has seen"
	}},
	8: {"yesterday's copy", func(f *forger, job int) string {
		chain := ledger.IdentityChain(approval(job).Identity())
		f.drop(chain, 2)
		return chain + " entry 2: it is missing, and " + ledger.GrantChain(approval(job)) + " entry 1 has seen the chain up to entry 2: the chain was cut, or replaced by an older copy"
	}},
	9: {"another ledger's", func(f *forger, job int) string {
		chain := ledger.ApprovalChain(approval(job))
		f.reword(chain, 3, f.book().ID(), strings.Repeat("0", 32))
		return chain + " entry 3: it is of ledger"
	}},
	10: {"a decision forged", func(f *forger, job int) string {
		signed := f.kept[fmt.Sprint("ana", job)]
		signed.Signature = f.kept[fmt.Sprint("mal", job)].Signature
		signed.Text = strings.Replace(signed.Text, "justification:", "justification: really", 1)
		return f.decide(job, signed, "the list that was signed does not name this decision")
	}},
	11: {"its signature stripped", func(f *forger, job int) string {
		signed := f.kept[fmt.Sprint("ana", job)]
		signed.Signature = ""
		return f.decide(job, signed, "there is no signature")
	}},
	12: {"a key unknown", func(f *forger, job int) string {
		return f.decide(job, f.kept[fmt.Sprint("mal", job)], "belongs to nobody in policy version 1, which its signer saw")
	}},
	13: {"a key dropped", func(f *forger, job int) string {
		return f.decide(job, f.kept[fmt.Sprint("cyd", job)], "belongs to nobody in policy version 2, which was in force when it was recorded")
	}},
	14: {"a key compromised", func(f *forger, job int) string {
		return f.decide(job, f.kept[fmt.Sprint("ben", job)], "is compromised since 2030-01-08T09:59:00Z, and it was recorded after that")
	}},
	15: {"another namespace", func(f *forger, job int) string {
		signed := f.kept[fmt.Sprint("ana", job)]
		block, err := signature.Sign(f.signer("ana"), signature.NamespaceReport, signed.List)
		must(f.t, err)
		signed.Signature = block
		return f.decide(job, signed, `signature is for "nhi-report@v1"`)
	}},
	16: {"a signature over another list", func(f *forger, job int) string {
		signed := f.kept[fmt.Sprint("ana", job)]
		block, err := signature.Sign(f.signer("ana"), signature.NamespaceDecision, "another list\n")
		must(f.t, err)
		signed.Signature = block
		return f.decide(job, signed, "does not match the text")
	}},
	17: {"an entry of a newer release", func(f *forger, job int) string {
		chain := ledger.GrantChain(approval(job))
		last := f.get(chain, 2)
		f.put(chain, 3, fmt.Sprintf(`{"ledger":%q,"chain":%q,"seq":3,"prev":%q,"time":"2030-01-08T09:00:00Z","writer":"x","type":"future@1","body":{}}`,
			f.book().ID(), chain, nhi.DigestOf(last)))
		return chain + " entry 3: type future@1"
	}},
	18: {"a policy with a key of everybody", func(f *forger, _ int) string {
		source := strings.NewReplacer("version = 2", "version = 3", "ana@example.com", "*").Replace(f.read(f.path("policy.hcl")))
		block, err := signature.Sign(f.signer("root"), signature.NamespacePolicy, source)
		must(f.t, err)
		f.add(ledger.PolicyChain, ledger.PolicyBody{Version: 3, Digest: nhi.DigestOf(source), Document: source, Signatures: block})
		return "policy entry 3: must not hold any of *"
	}},
	19: {"a base that nobody signed", func(f *forger, _ int) string {
		f.add(ledger.RootChain, ledger.BaseBody{Base: f.draft})
		return "root entry 2: the base counts for nothing: the base is signed by 0 of the 1"
	}},
	20: {"a trust root of one's own", func(f *forger, _ int) string {
		text := f.next(2, 1, "mal")
		block, err := signature.Sign(f.signer("mal"), signature.NamespaceRoot, text)
		must(f.t, err)
		f.add(ledger.RootChain, ledger.RootBody{Root: text, Signatures: []string{block}})
		return fmt.Sprintf("root entry %d: the successor, version 2, is signed by 0 of the 1 keys that it needs of root version 1", len(f.chain(ledger.RootChain).Entries))
	}},
}

// decide puts a decision on the record of a job.
func (f *forger) decide(job int, signed nhi.SignedDecision, words string) string {
	f.t.Helper()
	chain := ledger.ApprovalChain(approval(job))
	f.add(chain, ledger.DecisionBody{SignedDecision: signed})
	return chain + " entry 4: " + words
}

// next is the text of a root.
func (w *world) next(version, threshold int, names ...string) string {
	w.t.Helper()
	root := nhi.Root{Version: version, Threshold: threshold}
	for _, name := range names {
		root.Keys = append(root.Keys, signature.Key(w.signer(name).PublicKey()))
	}
	slices.Sort(root.Keys)
	text, err := root.Text()
	must(w.t, err)
	return text
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
	f.wantFaults([]string{chain.Name + " entry 2: it is missing, and the state of nhi_grant " + string(approval(1)) + " has seen the chain up to entry 2"}, "--state", state)
	record.Ledger = strings.Repeat("0", 32)
	f.state(state, record)
	f.wantFaults([]string{"the state of nhi_grant " + string(approval(1)) + ": it remembers " + string(approval(1)) + " in ledger 00000000"}, "--state", state)
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
