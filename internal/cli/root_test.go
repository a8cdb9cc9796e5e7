package cli_test

import (
	"os"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/cli"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// at returns args with the files of a rotation in this world's folder.
func (w *world) at(args ...string) []string {
	return append(args, "--policy", w.path("policy.hcl"))
}

// TestRootRotation: three holders, who pass files on; the policy goes along, and
// nothing stops in between.
func TestRootRotation(t *testing.T) {
	t.Parallel()
	w := asked(t)
	file := w.path("root.next")
	w.ok("approve", string(etl), "--yes", "--key", w.key("ana"))
	out := w.ok("root", "propose", "--out", file, "--threshold", "2", "--root-key", w.key("root2"), "--root-key", w.key("mal.pub"))
	if strings.Count(out, "+ ssh-ed25519 SHA256:") != 2 || strings.Count(out, "- ssh-ed25519 SHA256:") != 1 {
		t.Errorf("propose said %s", out)
	}
	w.fails(cli.ExitUsage, "is there already", "root", "propose", "--out", file, "--root-key", w.key("root2"))
	w.fails(cli.ExitWrong, "neither in the trust root nor in the next one", w.at("root", "sign", "--file", file, "--key", w.key("ana"))...)
	w.ok(w.at("root", "sign", "--file", file, "--key", w.key("root2"))...)
	w.fails(cli.ExitWrong, "is signed by 0 of the 1 keys that it needs of root version 1", w.at("root", "publish", "--file", file)...)
	if out := w.ok(w.at("root", "sign", "--file", file, "--key", w.key("root"))...); !strings.Contains(out, "by 1 of the 1 old keys and by 1 of the 2 new keys") {
		t.Errorf("sign said %s", out)
	}
	w.fails(cli.ExitWrong, "by 1 of the 2 keys that it needs of root version 2", w.at("root", "publish", "--file", file)...)
	w.ok("requests")
	if out := w.ok(w.at("root", "sign", "--file", file, "--key", w.key("mal"))...); !strings.Contains(out, "puts it in force") {
		t.Errorf("sign said %s", out)
	}
	// The holder's block over the root alone is not enough.
	signed := w.read(w.path("policy.hcl.sig"))
	w.write(w.path("policy.hcl.sig"), signature.Blocks(signed)[0])
	w.fails(cli.ExitUnavailable, "the new root must have signed the policy too", w.at("root", "publish", "--file", file)...)
	w.write(w.path("policy.hcl.sig"), signed)

	var made struct{ Pin nhi.Digest }
	w.json(&made, w.at("root", "publish", "--file", file)...)
	w.ok(w.at("root", "publish", "--file", file)...) // again is no error
	if n := len(w.chain(ledger.PolicyChain).Entries); n != 2 {
		t.Errorf("the policy chain has %d entries", n)
	}
	w.ok("approve", string(etl), "--yes", "--key", w.key("ben"))
	if out := w.ok("verify"); !strings.Contains(out, "root entry 2: version 1 of the trust root is pinned, and version 2 is in force: pin "+string(made.Pin)) {
		t.Errorf("verify said %s", out)
	}
	if out := w.ok("root", "show"); !strings.Contains(out, "Version 2 (root entry 2, 2030-01-08T09:00:00Z): signed by the root before it, in force") {
		t.Errorf("show said %s", out)
	}
	w.pins = []nhi.Digest{made.Pin} // that is all that a new machine needs
	w.ok("requests")
	if out := w.ok("verify"); strings.Contains(out, "!") || strings.Contains(out, "·") {
		t.Errorf("verify said %s", out)
	}
	w.edit("version = 1", "version = 2")
	w.fails(cli.ExitWrong, "is not in the trust root", "policy", "sign", "--key", w.key("root"))
	w.ok("policy", "sign", "--key", w.key("root2"))
	w.ok("policy", "sign", "--publish", "--key", w.key("mal"))
}

// A text that OpenSSH signed counts as ours does, and its holder needs no nhi.
func TestOpenSSHSignsARoot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file := w.path("root.next")
	w.ok("root", "propose", "--out", file, "--root-key", w.key("root2"))
	w.ok(w.at("root", "sign", "--file", file, "--key", w.key("root2"))...)
	mine := w.read(file + ".sig")
	must(t, os.Remove(file+".sig"))
	keygen(t, "", "-Y", "sign", "-n", "nhi-root@v1", "-f", w.key("root"), file)
	w.write(file+".sig", w.read(file+".sig")+mine)
	w.ok(w.at("root", "publish", "--file", file)...)
	w.ok("verify")
}

// TestBase: a copy of the ledger is put back, and the threshold stands behind it.
func TestBase(t *testing.T) {
	t.Parallel()
	w := bare(t)
	var made struct{ Pin nhi.Digest }
	w.json(&made, w.initArgs("--root-key", w.key("root2"), "--threshold", "2")...)
	w.pins = []nhi.Digest{made.Pin}
	w.ok("policy", "sign", "--publish", "--key", w.key("root2"))
	text := w.approved(w.request(etl))
	copied := w.folder(".nhi")
	w.pass(1)
	w.activate(text)
	w.replace(".nhi", copied)

	file := w.path("base.next")
	w.fails(cli.ExitUsage, "say --reason", "base", "propose", "--out", file)
	if out := w.ok("base", "propose", "--out", file, "--reason", "the disk was lost"); !strings.Contains(out, "over 4 chains") {
		t.Errorf("propose said %s", out)
	}
	w.fails(cli.ExitWrong, "is not in the trust root", "base", "sign", "--file", file, "--key", w.key("ana"))
	w.ok("base", "sign", "--file", file, "--key", w.key("root"))
	w.fails(cli.ExitWrong, "the base is signed by 1 of the 2", "base", "publish", "--file", file)
	w.ok("base", "sign", "--file", file, "--key", w.key("root2"))
	if out := w.ok("base", "publish", "--file", file); !strings.Contains(out, "Base 1 is in force") {
		t.Errorf("publish said %s", out)
	}
	w.fails(cli.ExitWrong, "make and sign a new one", "base", "publish", "--file", file)
	if out := w.ok("verify"); !strings.Contains(out, "the ledger was restored from a back-up, base 1, 2030-01-08T09:00:00Z: the disk was lost") {
		t.Errorf("verify said %s", out)
	}
	if out := w.ok("show", string(etl)); !strings.Contains(out, "it was signed before the ledger was restored from a back-up") {
		t.Errorf("show said %s", out)
	}
	w.pass(1e9)
	w.ok("approve", string(etl), "--yes", "--key", w.key("ana"))
	w.ok("approve", string(etl), "--yes", "--key", w.key("ben"))
	if !w.standing(text).Approved() {
		t.Error("what was approved after the base does not count")
	}
	w.ok("verify")
}

// folder copies a folder of the world.
func (w *world) folder(name string) map[string]string {
	w.t.Helper()
	entries, err := os.ReadDir(w.path(name))
	must(w.t, err)
	files := map[string]string{}
	for _, entry := range entries {
		files[entry.Name()] = w.read(w.path(name) + "/" + entry.Name())
	}
	return files
}

// replace puts a copy of a folder in its place.
func (w *world) replace(name string, files map[string]string) {
	w.t.Helper()
	must(w.t, os.RemoveAll(w.path(name)))
	must(w.t, os.Mkdir(w.path(name), 0o700))
	for file, content := range files {
		w.write(w.path(name)+"/"+file, content)
	}
}
