package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/cli"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger/local"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// witnessed is what nhi witness says with --json.
type witnessed struct {
	OK       bool
	Ledger   string
	Findings []struct {
		Kind, Chain, Reason, Seen string
		Was, Is                   nhi.Digest
		Entry, To                 uint64
	}
	Notes           []struct{ Chain, Reason string }
	Entries, New    int
	Seen, Records   int
	Key, Checkpoint string
	CopyOf          string `json:"copy_of"`
}

// copyLedger copies the ledger's folder away, as somebody would who means to
// put it back.
func (w *world) copyLedger() string {
	w.t.Helper()
	kept := w.t.TempDir()
	must(w.t, os.CopyFS(filepath.Join(kept, "nhi"), os.DirFS(w.path(".nhi"))))
	return filepath.Join(kept, "nhi")
}

func (w *world) putBack(kept string) {
	w.t.Helper()
	must(w.t, os.RemoveAll(w.path(".nhi")))
	must(w.t, os.CopyFS(w.path(".nhi"), os.DirFS(kept)))
}

func TestWitness(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	memory := w.key("memory")
	if out := w.ok("witness", "init", memory); !strings.Contains(out, "an empty memory for ledger ") || !strings.Contains(out, "nhi-witness/") {
		t.Errorf("init said %s", out)
	}
	w.fails(cli.ExitUsage, "holds something already", "witness", "init", memory)
	w.pass(time.Hour)
	if out := w.ok("witness", memory); !strings.Contains(out, "2 chains with 2 entries, 2 of them new since 2030-01-08T09:00:00Z") ||
		!strings.Contains(out, "Everything that was ever seen is there, and as it was.") {
		t.Errorf("the first look said %s", out)
	}
	text := w.ask(w.request(etl), "eve")
	w.pass(time.Hour)
	var report witnessed
	w.json(&report, "witness", memory)
	if !report.OK || report.New != 2 || report.Entries != 4 || report.Seen != 4 || report.Records != 5 || !strings.Contains(report.Checkpoint, report.Ledger) {
		t.Errorf("the second look: %+v", report)
	}
	if out := w.ok("verify"); !strings.Contains(out, "2 policies") && !strings.Contains(out, "1 policy") {
		t.Error(out)
	}
	// Copied away, something happens, copied back: verify is content, the
	// witness is not, and stays so.
	kept := w.copyLedger()
	w.activate(text)
	w.pass(time.Hour)
	w.ok("witness", memory)
	w.putBack(kept)
	w.ok("verify")
	w.pass(time.Hour)
	for range 2 {
		got := w.fails(cli.ExitWrong, "the ledger is not as this witness has seen it", "witness", memory)
		for _, words := range []string{
			"  ! grant/production%2Fpayments%2Fetl%2Forders-etl:default entries 1 to ",
			": gone, and with it the whole chain: seen on 2030-01-08T12:00:00Z",
			"  ! the ledger is as it was on 2030-01-08T11:00:00Z",
		} {
			if !strings.Contains(got.out, words) {
				t.Errorf("%q is missing in\n%s", words, got.out)
			}
		}
	}
	got := w.run("witness", memory, "--json")
	if got.code != cli.ExitWrong || !strings.Contains(got.out, `"kind": "gone"`) || !strings.Contains(got.out, `"copy_of": "2030-01-08T11:00:00Z"`) {
		t.Errorf("exit %d: %s", got.code, got.out)
	}
}

func TestWitnessAccept(t *testing.T) {
	t.Parallel()
	w := asked(t)
	memory := w.key("memory")
	w.ok("witness", "init", memory)
	w.ok("witness", memory)
	w.fails(cli.ExitUsage, "there is nothing to accept", "witness", "accept", memory, "--reason", "CHG-1234")
	w.fails(cli.ExitUsage, "--reason must", "witness", "accept", memory)
	name := ledger.ApprovalChain(etl)
	w.sql("DROP TRIGGER entry_delete", "DELETE FROM entry WHERE key = '"+name+"/00000001'")
	w.fails(cli.ExitWrong, "the ledger is not as", "witness", memory)
	if out := w.ok("witness", "accept", memory, "--reason", "CHG-1234"); !strings.Contains(out, "Accepted: 1 difference, because: CHG-1234") {
		t.Errorf("accept said %s", out)
	}
	w.ok("witness", memory)
	if log := w.read(filepath.Join(memory, "log")); !strings.Contains(log, `"kind":"accepted"`) || !strings.Contains(log, "CHG-1234") {
		t.Errorf("the memory is %s", log)
	}
}

func TestWitnessMemory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	memory := w.key("memory")
	w.fails(cli.ExitUsage, "holds no memory of a witness", "witness", memory)
	w.fails(cli.ExitUsage, "holds no memory of a witness", "witness", "verify", memory)
	var made, rotated witnessed
	w.json(&made, "witness", "init", memory)
	w.ok("witness", memory)
	w.write(w.key("older"), w.read(filepath.Join(memory, "checkpoint")))
	w.json(&rotated, "witness", "rotate", memory)
	if rotated.Key == made.Key || !strings.HasPrefix(rotated.Key, "nhi-witness/"+made.Ledger+"+") {
		t.Errorf("rotate: %+v", rotated)
	}
	w.ok("witness", memory)
	out := w.ok("witness", "verify", memory, "--checkpoint", w.key("older"))
	for _, words := range []string{"Key 1: " + made.Key, "Key 2: " + rotated.Key, "All 3 records of the checkpoint of", "The memory is as its witness wrote it."} {
		if !strings.Contains(out, words) {
			t.Errorf("%q is missing in\n%s", words, out)
		}
	}
	// Another memory of the same ledger is none that the older checkpoint knows.
	w.ok("witness", "init", w.key("another"))
	w.ok("witness", w.key("another"))
	w.fails(cli.ExitWrong, "the memory of the witness is damaged", "witness", "verify", w.key("another"), "--checkpoint", w.key("older"))
	w.write(filepath.Join(memory, "log"), strings.Replace(w.read(filepath.Join(memory, "log")), `"seq":1`, `"seq":2`, 1))
	w.fails(cli.ExitWrong, "the memory of the witness is damaged", "witness", "verify", memory)
	w.fails(cli.ExitWrong, "the memory of the witness is damaged", "witness", memory)
}

// A ledger that is not there, or is another one, is found; one that cannot be
// asked is no finding at all.
func TestWitnessOfNothing(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t), newWorld(t)
	memory := w.key("memory")
	w.ok("witness", "init", memory)
	w.ok("witness", memory)
	got := w.fails(cli.ExitWrong, "the ledger is not as", "witness", memory, "--ledger", w.path("nowhere"))
	if !strings.Contains(got.out, "there is no ledger here, and this witness has seen 2 entries") {
		t.Errorf("said %s", got.out)
	}
	got = w.fails(cli.ExitWrong, "the ledger is not as", "witness", memory, "--ledger", other.path(".nhi"))
	if !strings.Contains(got.out, "and this memory is of ledger") {
		t.Errorf("said %s", got.out)
	}
	w.fails(cli.ExitUsage, "what is there is not ledger", "witness", "accept", memory, "--reason", "x", "--ledger", other.path(".nhi"))
	w.ok("witness", memory)
	w.sql("DROP TRIGGER entry_update", "UPDATE entry SET value = CAST('x' AS BLOB) WHERE key = 'root/00000001'")
	got = w.fails(cli.ExitWrong, "the ledger is not as", "witness", memory)
	if !strings.Contains(got.out, "root entry 1: ") {
		t.Errorf("said %s", got.out)
	}
	w.write(filepath.Join(w.path(".nhi"), local.FileName), strings.Repeat("not a database\n", 1000))
	must(t, os.RemoveAll(filepath.Join(w.path(".nhi"), local.FileName+"-wal")))
	before := w.read(filepath.Join(memory, "log"))
	w.fails(cli.ExitUnavailable, "not a ledger's database", "witness", memory)
	if w.read(filepath.Join(memory, "log")) != before {
		t.Error("the memory grew although nothing was seen")
	}
}
