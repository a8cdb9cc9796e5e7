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

// edit changes the policy file.
func (w *world) edit(changes ...string) {
	w.t.Helper()
	file := w.path("policy.hcl")
	w.write(file, strings.NewReplacer(changes...).Replace(w.read(file)))
}

func TestPolicySignAndPublish(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.edit("version = 1", "version = 2", `"720h"`, `"24h"`)
	w.fails(cli.ExitUnavailable, "signed by 0 of the 1", "requests")
	got := w.run("policy", "sign", "--key", w.key("root"))
	if got.code != cli.ExitOK || !strings.Contains(got.err, "Dropped signature 1") || !strings.Contains(got.out, "signed by 1 of the 1") {
		t.Errorf("exit %d: %s%s", got.code, got.out, got.err)
	}
	if n := len(w.chain(ledger.PolicyChain).Entries); n != 1 {
		t.Errorf("the policy chain has %d entries", n)
	}
	if out := w.ok("policy", "publish"); !strings.Contains(out, "Version 2") {
		t.Errorf("publish said %s", out)
	}
	w.ok("policy", "publish") // again is no error
	if n := len(w.chain(ledger.PolicyChain).Entries); n != 2 {
		t.Errorf("the policy chain has %d entries", n)
	}
	w.ok("verify")

	// What the ledger has seen is never taken back.
	w.edit("version = 2", "version = 1")
	w.fails(cli.ExitUsage, "version 2 was published already", "policy", "sign", "--key", w.key("root"))
	w.edit("version = 1", "version = 2", `"24h"`, `"25h"`)
	w.fails(cli.ExitUsage, "published with other bytes", "policy", "sign", "--key", w.key("root"))
}

func TestPolicySignReplacesItsOwnBlock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.read(w.path("policy.hcl.sig"))
	w.write(w.path("policy.hcl.sig"), "notes of somebody\n"+before)
	w.ok("policy", "sign", "--key", w.key("root"))
	if after := w.read(w.path("policy.hcl.sig")); after != before {
		t.Errorf("the signatures are\n%s, and were\n%s", after, before)
	}
}

func TestPolicySignRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.read(w.path("policy.hcl.sig"))
	w.fails(cli.ExitWrong, "is not in the trust root", "policy", "sign", "--key", w.key("ana"))
	good := w.read(w.path("policy.hcl"))
	for words, bad := range map[string]string{
		`policy line 1: unknown attribute "colour"`: "colour = 1\n" + good,
		"can never be met":                          strings.ReplaceAll(good, "count = 2", "count = 9"),
		"and this is ledger":                        strings.ReplaceAll(good, w.book().ID(), strings.Repeat("0", 32)),
		"longer than":                               good + strings.Repeat("#", 2<<20),
		"can hide or forge text":                    good + "# \u202e",
	} {
		w.write(w.path("policy.hcl"), bad)
		w.fails(cli.ExitUsage, words, "policy", "sign", "--key", w.key("root"))
	}
	must(t, os.Remove(w.path("policy.hcl")))
	w.fails(cli.ExitUsage, "no such file", "policy", "sign", "--key", w.key("root"))
	w.fails(cli.ExitUnavailable, "no policy can be relied on", "policy", "publish")
	if w.read(w.path("policy.hcl.sig")) != before {
		t.Error("the signatures were changed")
	}
}

func TestPolicySignCountsTheThreshold(t *testing.T) {
	t.Parallel()
	w := bare(t)
	var made struct{ Pin nhi.Digest }
	w.json(&made, w.initArgs("--root-key", w.key("root2"), "--threshold", "2")...)
	w.pins = []nhi.Digest{made.Pin}
	w.edit("version = 1", "version = 2")
	var told struct {
		Signed, Threshold int
		Published         bool
	}
	w.json(&told, "policy", "sign", "--publish", "--key", w.key("root"))
	if told.Signed != 1 || told.Threshold != 2 || told.Published {
		t.Errorf("after one: %+v", told)
	}
	w.fails(cli.ExitUnavailable, "signed by 1 of the 2", "policy", "publish")
	w.json(&told, "policy", "sign", "--publish", "--key", w.key("root2"))
	if !told.Published {
		t.Errorf("after two: %+v", told)
	}
	w.ok("requests")
}

func TestOpenSSHSignsAPolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must(t, os.Remove(w.path("policy.hcl.sig")))
	keygen(t, "", "-Y", "sign", "-n", signature.NamespacePolicy, "-f", w.key("root"), w.path("policy.hcl"))
	w.ok("requests")
	w.ok("policy", "sign", "--key", w.key("root"))
	w.write(w.key("signers"), `root namespaces="nhi-policy@v1" `+w.read(w.key("root.pub")))
	keygen(t, w.read(w.path("policy.hcl")), "-Y", "verify", "-n", signature.NamespacePolicy, "-I", "root",
		"-f", w.key("signers"), "-s", w.path("policy.hcl.sig"))
}
