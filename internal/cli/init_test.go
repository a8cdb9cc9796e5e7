package cli_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/cli"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

func TestInitIsReadyToUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	document, _, err := w.engine().PolicyInForce(context.Background())
	must(t, err)
	if document.Version != 1 || len(document.Approvers) != 4 || document.Rules[0].Quorums[0].Count != 2 {
		t.Errorf("the first policy is %+v", document)
	}
	if got := w.ok("verify"); !strings.Contains(got, "1 policy") {
		t.Errorf("verify said %s", got)
	}
	if got := w.ok("requests"); got != "Nothing waits for a decision.\n" {
		t.Errorf("requests said %s", got)
	}
	info, err := os.Stat(w.path(".nhi"))
	must(t, err)
	if info.Mode().Perm() != 0o700 {
		t.Errorf("the ledger's folder has mode %s", info.Mode())
	}
}

func TestInitTellsTheWayOn(t *testing.T) {
	t.Parallel()
	w := bare(t)
	out := w.ok(w.initArgs()...)
	for _, words := range []string{"export NHI_TRUST_ROOT=sha256:", "never commit it", "/etc/nhi/trust_root", "2 of 3 approvers"} {
		if !strings.Contains(out, words) {
			t.Errorf("init does not say %q:\n%s", words, out)
		}
	}
}

// snapshot is every file of a folder with its bytes, but the ledger's own.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		files[path] = string(data)
		return err
	}))
	return files
}

func same(t *testing.T, before, after map[string]string) {
	t.Helper()
	for path, data := range before {
		if after[path] != data {
			t.Errorf("%s was changed", path)
		}
	}
	for path := range after {
		if _, there := before[path]; !there {
			t.Errorf("%s was made", path)
		}
	}
}

func TestInitNeverOverwrites(t *testing.T) {
	t.Parallel()
	for _, there := range []string{".nhi", "policy.hcl", "policy.hcl.sig", "nhi.hcl"} {
		t.Run(there, func(t *testing.T) {
			t.Parallel()
			w := bare(t)
			w.write(w.path(there), "mine")
			before := snapshot(t, w.dir)
			w.fails(cli.ExitUsage, there, w.initArgs()...)
			same(t, before, snapshot(t, w.dir))
		})
	}
	t.Run("all", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		before := snapshot(t, w.dir)
		w.fails(cli.ExitUsage, "nothing is overwritten", w.initArgs()...)
		same(t, before, snapshot(t, w.dir))
	})
}

func TestInitExplainsWhatAStoppedOneLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must(t, os.Remove(w.path("nhi.hcl")))
	w.fails(cli.ExitUsage, "Nothing is recorded in its ledger yet: remove .nhi, policy.hcl and policy.hcl.sig", w.initArgs()...)
	w.ask(w.request(etl), "eve")
	w.fails(cli.ExitUsage, "keep it, and write nhi.hcl by hand", w.initArgs()...)

	staged := bare(t)
	must(t, os.Mkdir(staged.path(".nhi-init-123"), 0o700))
	if got := staged.run(staged.initArgs()...); got.code != cli.ExitOK || !strings.Contains(got.err, ".nhi-init-123 behind") {
		t.Errorf("exit %d: %s", got.code, got.err)
	}
}

func TestInitRefusesAndLeavesNothing(t *testing.T) {
	t.Parallel()
	w := bare(t)
	must(t, os.Mkdir(w.path("empty"), 0o700))
	huge := w.key("huge.pub")
	w.write(huge, strings.Repeat("x", 1<<20))
	w.write(w.key("star.pub"), `cert-authority,principals="*" `+w.read(w.key("ana.pub")))
	before := snapshot(t, w.dir)
	for words, args := range map[string][]string{
		"at least one person":        {"--root-key", w.key("root")},
		"ssh-keygen -t ed25519":      {"--approver", "ana=" + w.key("ana.pub")},
		"is not PERSON=FILE":         {"--root-key", w.key("root"), "--approver", "ana"},
		"no such file":               {"--root-key", w.key("root"), "--approver", "ana=" + w.key("nobody.pub")},
		"longer than":                {"--root-key", w.key("root"), "--approver", "ana=" + huge},
		"must start with one of":     {"--root-key", w.key("root"), "--approver", "ana=" + w.key("star.pub")},
		"must not hold any of":       {"--root-key", w.key("root"), "--approver", "*=" + w.key("ana.pub")},
		"from 1 to 1":                {"--root-key", w.key("root"), "--threshold", "2", "--approver", "ana=" + w.key("ana.pub")},
		"is also a key of":           {"--root-key", w.key("root"), "--approver", "ana=" + w.key("ana.pub"), "--approver", "ben=" + w.key("ana.pub")},
		"is not NAME:KIND=ENDPOINT":  {"--root-key", w.key("root"), "--approver", "ana=" + w.key("ana.pub"), "--system", "orders"},
		"is none of":                 {"--root-key", w.key("root"), "--approver", "ana=" + w.key("ana.pub"), "--system", "orders:oracle=x"},
		"can hide or forge text":     {"--root-key", w.key("root"), "--approver", "ana=" + w.key("ana.pub"), "--system", "orders:postgres=a\nb"},
		"may hold only a-z":          {"--environment", "Prod", "--root-key", w.key("root"), "--approver", "ana=" + w.key("ana.pub")},
		"none of the root keys can":  {"--root-key", w.key("ana.pub"), "--approver", "ana=" + w.key("ana.pub")},
		"is not a folder":            {"--dir", w.path("nowhere")},
		`unknown command "something`: {"something"},
	} {
		all := append([]string{"init", "--dir", w.dir}, args...)
		w.fails(cli.ExitUsage, words, all...)
	}
	same(t, before, snapshot(t, w.dir))
}

func TestInitWithSeveralRootKeys(t *testing.T) {
	t.Parallel()
	w := bare(t)
	must(t, os.Remove(w.key("root2")))
	out := w.ok(w.initArgs("--root-key", w.key("root2.pub"), "--threshold", "2")...)
	if !strings.Contains(out, "signed by 1 of the 2 root keys needed") {
		t.Errorf("init said %s", out)
	}
	w.pins = []nhi.Digest{nhi.DigestOf(w.book().RootText())}
	w.fails(cli.ExitUnavailable, "signed by 1 of the 2", "requests")
	w.makeKey("root2", "")
	w.ok("policy", "sign", "--publish", "--key", w.key("root2"))
	w.ok("requests")
}

func TestInitPins(t *testing.T) {
	t.Parallel()
	w := bare(t)
	file := w.key(".config/nhi/trust_root")
	must(t, os.MkdirAll(filepath.Dir(file), 0o700))
	w.write(file, "# mine")
	var made struct {
		Pin    string
		Pinned bool
	}
	w.json(&made, w.initArgs("--pin")...)
	got := w.read(file)
	if !made.Pinned || !strings.HasPrefix(got, "# mine\n"+made.Pin+" # ledger ") {
		t.Errorf("the file of pins is %q", got)
	}
	info, err := os.Stat(file)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("it has mode %s", info.Mode())
	}
}

func TestInitAsksForAPassphrase(t *testing.T) {
	t.Parallel()
	w := bare(t)
	w.makeKey("root", "correct horse")
	w.failed(w.run(w.initArgs()...), cli.ExitUsage, "none of the root keys can sign here")
	right := &typist{secret: "correct horse"}
	if got := w.runAt(right, w.initArgs()...); got.code != cli.ExitOK || len(right.prompts) != 1 {
		t.Errorf("exit %d after %q: %s", got.code, right.prompts, got.err)
	}
}
