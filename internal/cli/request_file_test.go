package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/cli"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/builtin"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/local"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// exported is the request file of an approval.
func (w *world) exported(id nhi.ApprovalID) string {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), "asked"+cli.RequestSuffix)
	w.ok("show", string(id), "--export", path)
	return path
}

// laptop is a machine of an approver: it has no ledger, no policy and no
// nhi.hcl, and trusts the same root.
func (w *world) laptop() *world {
	return &world{t: w.t, dir: w.t.TempDir(), keys: w.keys, pins: w.pins, now: w.now}
}

// away runs a command without a configuration.
func (w *world) away(args ...string) result {
	w.t.Helper()
	var out, errs strings.Builder
	code := cli.Run(context.Background(), args, cli.Options{Version: "test", Out: &out, Err: &errs, Now: w.now, Home: w.keys,
		Pins: func() ([]nhi.Digest, error) { return w.pins, nil }})
	return result{code, out.String(), errs.String()}
}

func (w *world) okAway(args ...string) string {
	w.t.Helper()
	got := w.away(args...)
	if got.code != cli.ExitOK {
		w.t.Fatalf("nhi %s: exit %d\n%s%s", strings.Join(args, " "), got.code, got.out, got.err)
	}
	return got.out
}

// counted is how a request stands for a provider that reads this folder.
func (w *world) counted(text, folder string) lifecycle.Standing {
	w.t.Helper()
	engine := lifecycle.New(lifecycle.Config{
		OpenLedger: func(ctx context.Context) (*ledger.Ledger, error) {
			store, err := local.Open(w.path(".nhi"), w.now, true)
			if err != nil {
				return nil, err
			}
			return ledger.Open(ctx, store, "test")
		},
		PolicyFile: w.path("policy.hcl"), DecisionsDir: folder, Systems: lifecycle.NewSystems(builtin.All()),
		Pins: func() ([]nhi.Digest, error) { return w.pins, nil },
	})
	defer func() { must(w.t, engine.Close()) }()
	standing, err := engine.Standing(context.Background(), text)
	must(w.t, err)
	return standing
}

func TestARequestFileIsDecidedWithoutTheLedger(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text := w.ask(w.wide(etl), "eve")
	file, folder := w.exported(etl), w.path("approvals")
	laptop := w.laptop()
	w.pass(10 * time.Minute)

	// It reads as it does beside the ledger, but for where it is from.
	shown, here := laptop.okAway("show", file), w.ok("show", string(etl))
	before, _, _ := strings.Cut(here, "\n\nTo decide")
	if !strings.HasPrefix(shown, before) || !strings.Contains(shown, "from a file    made 2030-01-08T09:00:00Z (10m ago), at entry 1") ||
		!strings.Contains(shown, "nhi approve "+file) {
		t.Errorf("show said\n%s\nand beside the ledger\n%s", shown, here)
	}
	if got := laptop.away("show", file, "--text"); got.out != text {
		t.Errorf("the text is %q", got.out)
	}

	out := laptop.okAway("approve", file, "--yes", "--key", w.key("ana"), "--out", folder)
	if !strings.Contains(out, "approved by ana@example.com, in "+folder) {
		t.Errorf("approve said %s", out)
	}
	w.ok("approve", string(etl), "--yes", "--key", w.key("ben")) // the record grows meanwhile
	if standing := w.counted(text, folder); !standing.Approved() || len(standing.Verdict.ApprovedBy) != 2 {
		t.Errorf("it is %s by %v: %v", standing.Status, standing.Verdict.ApprovedBy, standing.Verdict.Reasons)
	}
	signed, _, err := lifecycle.ReadDecisionFile(w.decisionFiles(folder)[0])
	must(t, err)
	w.write(w.key("sig"), signed.Signature)
	w.write(w.key("signers"), `ana@example.com namespaces="nhi-decision@v1" `+w.read(w.key("ana.pub")))
	keygen(t, signed.List, "-Y", "verify", "-n", "nhi-decision@v1", "-I", "ana@example.com", "-f", w.key("signers"), "-s", w.key("sig"))

	// And it can be taken back in the same way, from a newer file.
	w.pass(time.Minute)
	w.write(w.path("nhi.hcl"), w.read(w.path("nhi.hcl"))+"\ndecisions_dir = \"approvals\"\n")
	w.ok("approve", string(etl), "--yes", "--key", w.key("ana"))
	newer := w.exported(etl)
	w.pass(time.Minute)
	laptop.okAway("withdraw", newer, "--yes", "--key", w.key("ana"), "--out", folder)
	if standing := w.counted(text, folder); standing.Status != policy.StatusWithdrawn {
		t.Errorf("it is %s: %v", standing.Status, standing.Verdict.Reasons)
	}
	w.ok("verify")
}

func TestManyRequestFilesAndOneSignature(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	args, folder := []string{"deny", "--yes", "--key", w.key("cyd"), "--out", w.path("approvals")}, w.path("approvals")
	for i := range 3 {
		w.ask(w.request(approval(i)), "eve")
		args = append(args, w.exported(approval(i)))
	}
	w.laptop().okAway(args...)
	for i := range 3 {
		if status := w.counted(w.text(approval(i)), folder).Status; status != policy.StatusDenied {
			t.Errorf("%s is %s", approval(i), status)
		}
	}
	got := w.away(append(args, w.exported(approval(1)))...)
	w.failed(got, cli.ExitUsage, "another file is about", args...)
	w.fails(cli.ExitUsage, "in one command", "approve", string(approval(1)), w.exported(approval(1)), "--yes")
}

func TestAPreparedRequestFile(t *testing.T) {
	t.Parallel()
	w := asked(t)
	file, work, folder := w.exported(etl), w.path("work"), w.path("approvals")
	w.okAway("approve", "--prepare", work, file)
	keygen(t, "", "-Y", "sign", "-n", "nhi-decision@v1", "-f", w.key("ana"), filepath.Join(work, "list"))
	other := w.ask(w.request(approval(1)), "eve")
	w.failed(w.away("approve", "--finish", work, w.exported(approval(1)), "--out", folder), cli.ExitUsage, "its request file is not named", other)
	w.okAway("approve", "--finish", work, file, "--out", folder)
	if by := w.counted(w.text(etl), folder).Verdict.ApprovedBy; len(by) != 1 {
		t.Errorf("approved by %v", by)
	}
}

func TestExportToStandardOutput(t *testing.T) {
	t.Parallel()
	w := asked(t)
	path := filepath.Join(t.TempDir(), "piped.request")
	w.write(path, w.ok("show", string(etl), "--export", "-"))
	w.okAway("show", path)
	w.failed(w.away("show", path, "--export", "-"), cli.ExitUsage, "is a request file already")
	var told struct{ Approval string }
	w.json(&told, "show", string(etl), "--export", path)
	if told.Approval != string(etl) {
		t.Errorf("show told %+v", told)
	}
}

func TestHostileRequestFiles(t *testing.T) {
	t.Parallel()
	replace := func(old, changed string) func(*world, string) {
		return func(w *world, path string) {
			text := w.read(path)
			if !strings.Contains(text, old) {
				w.t.Fatalf("the file holds no %q", old)
			}
			w.write(path, strings.ReplaceAll(text, old, changed))
		}
	}
	for name, c := range map[string]struct {
		forge func(w *world, path string)
		code  int
		words string
	}{
		"another root": {func(w *world, _ string) { w.pins = []nhi.Digest{nhi.DigestOf("another root")} }, cli.ExitUnavailable, "not pinned"},
		"edited text":  {replace("orders_ro", "orders_xx"), cli.ExitUsage, "it was changed"},
		"edited text and head": {func(w *world, path string) {
			text, entry := w.read(path), w.chain(ledger.ApprovalChain(etl)).Entries[0]
			data, err := entry.Encode()
			must(w.t, err)
			edited := strings.ReplaceAll(string(data), "orders_ro", "orders_xx")
			text = strings.ReplaceAll(text, "orders_ro", "orders_xx")
			w.write(path, strings.ReplaceAll(text, string(entry.Hash()), string(nhi.DigestOf(edited))))
		}, cli.ExitUnavailable, "the requester signed another text"},
		"edited policy":       {replace("max_ttl      = \\\"720h\\\"", "max_ttl      = \\\"999h\\\""), cli.ExitUnavailable, "signed by 0 of the 1"},
		"truncated":           {func(w *world, path string) { must(w.t, os.Truncate(path, 1500)) }, cli.ExitUsage, "no good request file"},
		"empty":               {func(w *world, path string) { must(w.t, os.Truncate(path, 0)) }, cli.ExitUsage, "no good request file"},
		"white space":         {func(w *world, path string) { w.write(path, w.read(path)+"\n") }, cli.ExitUsage, "was changed since it was made"},
		"an unknown field":    {replace("  \"ledger\"", "  \"more\": 1,\n  \"ledger\""), cli.ExitUsage, "was changed since it was made"},
		"a newer version":     {replace("nhi request file 1", "nhi request file 2"), cli.ExitUsage, `says that it is "nhi request file 2"`},
		"another approval":    {replace(`"approval": "production/payments/etl/orders-etl:default"`, `"approval": "production/payments/etl/other:default"`), cli.ExitUsage, "nothing was asked for"},
		"no approval":         {replace(`"approval": "production/payments/etl/orders-etl:default"`, `"approval": "\u001b[2J"`), cli.ExitUsage, "no good request file"},
		"a chain twice":       {replace("approval/production%2Fpayments%2Fetl%2Forders-etl:default", "root"), cli.ExitUsage, "stands twice"},
		"another chain":       {replace(`"name": "identity/production%2Fpayments%2Fetl%2Forders-etl"`, `"name": "../../etc"`), cli.ExitUsage, "is no chain"},
		"the clock is behind": {func(w *world, _ string) { w.pass(-time.Hour) }, cli.ExitUnavailable, "one of the two is wrong"},
		"the policy expired":  {func(w *world, _ string) { w.pass(9000 * time.Hour) }, cli.ExitUnavailable, "its policy, version 1, expired 2031-01-08"},
		"of another ledger": {func(w *world, path string) {
			other := asked(w.t)
			w.pins = append(w.pins, other.pins...)
			theirs := other.exported(etl)
			var mine, their map[string]any
			must(w.t, json.Unmarshal([]byte(w.read(path)), &mine))
			must(w.t, json.Unmarshal([]byte(w.read(theirs)), &their))
			text := w.read(path)
			for _, part := range []string{"policy", "signatures"} {
				a, b := quoted(w.t, mine[part]), quoted(w.t, their[part])
				text = strings.ReplaceAll(text, a, b)
			}
			w.write(path, text)
		}, cli.ExitUnavailable, "the policy is for ledger"},
		"a ledger that is not its own": {func(w *world, path string) {
			replace(fmt.Sprintf(`  "ledger": %q`, w.book().ID()), fmt.Sprintf(`  "ledger": %q`, strings.Repeat("7", 32)))(w, path)
		}, cli.ExitUsage, "holds entries of ledger"},
		"too long": {func(w *world, path string) { must(w.t, os.Truncate(path, 17<<20)) }, cli.ExitUsage, "longer than"},
		"a folder": {func(w *world, path string) { must(w.t, os.Remove(path)); must(w.t, os.Mkdir(path, 0o700)) }, cli.ExitUsage, "is not a file"},
		"missing":  {func(w *world, path string) { must(w.t, os.Remove(path)) }, cli.ExitUsage, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := asked(t)
			path, folder := w.exported(etl), w.path("approvals")
			c.forge(w, path)
			for _, args := range [][]string{{"show", path}, {"approve", path, "--yes", "--key", w.key("ana"), "--out", folder}} {
				got := w.failed(w.away(args...), c.code, c.words, args...)
				if strings.Contains(got.err, "\x1b") || len(got.err) > 3_000 {
					t.Errorf("the error holds what came in: %.300q", got.err)
				}
			}
			if _, err := os.Stat(folder); err == nil {
				t.Error("a decision was written")
			}
		})
	}
}

// quoted writes a string as the file does.
func quoted(t *testing.T, value any) string {
	t.Helper()
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	must(t, encoder.Encode(value))
	return strings.TrimSpace(out.String())
}

// What somebody cut short or left as it was long ago is signed on a record that
// the ledger still holds, or not: only the first counts.
func TestAForgedRecordDoesNotCount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text := w.ask(w.request(etl), "")
	file := w.exported(etl)
	entry := w.chain(ledger.ApprovalChain(etl)).Entries[0]
	data, err := entry.Encode()
	must(t, err)
	edited := strings.ReplaceAll(string(data), "CHG-1234", "CHG-9999") // nobody signed the request
	forged := strings.ReplaceAll(strings.ReplaceAll(w.read(file), "CHG-1234", "CHG-9999"), string(entry.Hash()), string(nhi.DigestOf(edited)))
	w.write(file, forged)
	w.okAway("approve", file, "--yes", "--key", w.key("ana"), "--out", w.path("approvals"))
	standing := w.counted(text, w.path("approvals"))
	if len(standing.Verdict.ApprovedBy) != 0 || !strings.Contains(strings.Join(standing.Verdict.Reasons, " "), "whose entry 1 is not in this one") {
		t.Errorf("it is approved by %v: %v", standing.Verdict.ApprovedBy, standing.Verdict.Reasons)
	}
}

// A file of this release is read for ever: its bytes are fixed.
func TestTheFormatOfARequestFile(t *testing.T) {
	t.Parallel()
	w := bare(t)
	w.readsFormat("1.request", "show_request_file", func(path string) {
		w.approved(w.wide(etl))
		w.ok("show", string(etl), "--export", path)
	})
	w = bare(t)
	w.readsFormat("2.request", "show_wanted_file", func(path string) {
		text, err := w.wide(etl).Text()
		must(t, err)
		must(t, os.Rename(w.exportedPlan(w.plan(change("nhi_approval.etl", text, "CHG-1234"))), path))
	})
}

// readsFormat reads a file of testdata/format, which record once made, shows it as
// a golden file says, and approves it.
func (w *world) readsFormat(name, shown string, record func(path string)) {
	w.t.Helper()
	path := filepath.Join("testdata", "format", name)
	if _, err := os.Stat(path); *update && errors.Is(err, fs.ErrNotExist) {
		w.init()
		must(w.t, os.MkdirAll(filepath.Dir(path), 0o750))
		record(path)
	}
	data := w.read(path)
	var file struct{ Chains []struct{ Entries []string } }
	must(w.t, json.Unmarshal([]byte(data), &file))
	var first struct{ Body ledger.RootBody }
	must(w.t, json.Unmarshal([]byte(file.Chains[0].Entries[0]), &first))
	w.pins = []nhi.Digest{nhi.DigestOf(first.Body.Root)}
	w.pass(time.Hour)
	golden(w.t, shown, w.okAway("show", path))
	w.okAway("approve", path, "--yes", "--key", w.key("cyd"), "--out", w.path("approvals"))
}
