package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/cli"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// decisionFiles are the files of a folder, which must all be decisions.
func (w *world) decisionFiles(dir string) []string {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"+lifecycle.DecisionSuffix))
	must(w.t, err)
	all, err := os.ReadDir(dir)
	must(w.t, err)
	if len(all) != len(files) {
		w.t.Errorf("%s holds %d files, and %d are decisions", dir, len(all), len(files))
	}
	return files
}

func TestDecisionFiles(t *testing.T) {
	t.Parallel()
	w := asked(t)
	dir := w.path("approvals")
	w.write(w.path("nhi.hcl"), w.read(w.path("nhi.hcl"))+"\ndecisions_dir = \"approvals\"\n")
	out := w.ok("approve", string(etl), "--yes", "--key", w.key("ana"), "--out", dir)
	files := w.decisionFiles(dir)
	if len(files) != 1 || !strings.Contains(out, files[0]) || w.entries(etl) != 1 {
		t.Fatalf("files %v, and approve said %s", files, out)
	}
	if !strings.HasPrefix(filepath.Base(files[0]), "production%2Fpayments%2Fetl%2Forders-etl%3Adefault-") {
		t.Errorf("the file is %s", files[0])
	}
	_, about, err := lifecycle.ReadDecisionFile(files[0])
	if err != nil || about != etl {
		t.Errorf("it is about %s, %v", about, err)
	}
	// The file counts beside what the ledger holds.
	out = w.ok("approve", string(etl), "--yes", "--key", w.key("ben"))
	if !strings.Contains(out, "approved -> active") {
		t.Errorf("approve said %s", out)
	}
	if out := w.ok("show", string(etl)); !strings.Contains(out, "approved by ana@example.com and ben@example.com") {
		t.Errorf("show said %s", out)
	}
}

func TestALockedLedgerGetsFiles(t *testing.T) {
	t.Parallel()
	w := asked(t)
	w.lock()
	w.fails(cli.ExitUnavailable, "say --out DIR", "approve", string(etl), "--yes", "--key", w.key("ana"))
	got := w.run("approve", string(etl), "--yes", "--key", w.key("ana"), "--decisions", w.path("approvals"))
	if got.code != cli.ExitOK || !strings.Contains(got.err, "The ledger cannot be written") {
		t.Errorf("exit %d: %s", got.code, got.err)
	}
	if files := w.decisionFiles(w.path("approvals")); len(files) != 1 {
		t.Errorf("files are %v", files)
	}
}

func TestALongNameFitsAFileSystem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	scope := strings.TrimSuffix(strings.Repeat("a/", 60), "/")
	id := nhi.ApprovalID(fmt.Sprintf("production/%s/%s:%s", scope, strings.Repeat("n", 40), strings.Repeat("d", 40)))
	w.ask(w.request(id), "eve")
	w.ok("approve", string(id), "--yes", "--key", w.key("ana"), "--out", w.path("approvals"))
	if files := w.decisionFiles(w.path("approvals")); len(files) != 1 {
		t.Errorf("files are %v", files)
	}
}
