package provider_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// TestKeysChange: the trust root is rotated, an approver's key turns out to be
// compromised, and the ledger is restored from a back-up, each under a grant in
// force. Plans go on with no change, and say what people should know.
func TestKeysChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.policy(1, "", twoOfSecurity)
	w.Write(t, "main.tf", w.providerBlock("")+grantOf("720h", `    aws = { external = { description = "read the export bucket" } }`))
	wants(t, w.Apply(t), 0)
	w.decide(nhi.VerdictApprove, w.etl, ana, ben)
	wants(t, w.Apply(t), 0, "active = true")
	wants(t, w.Plan(t), 0, "No changes")

	w.people["next"] = w.newKey("next")
	wants(t, w.tool("root", "propose", "--root-key", w.keyFile("next")), 0)
	for _, holder := range []string{"root", "next"} {
		wants(t, w.tool("root", "sign", "--key", w.keyFile(holder)), 0)
	}
	wants(t, w.tool("root", "publish"), 0, "Version 2 of the trust root is in force")
	wants(t, w.Plan(t), 0, "No changes", "The pin of the trust root is not the newest", "version 1 of the trust root is pinned")
	w.Env = append(w.Env, "NHI_TRUST_ROOT="+string(nhi.DigestOf(w.read("root.next"))))
	newest := w.Plan(t)
	wants(t, newest, 0, "No changes")
	refuses(t, newest, "The pin of the trust root")

	key := fmt.Sprintf("%q", signature.Key(w.people[ben].PublicKey()))
	w.people["ben2"] = w.newKey("ben2")
	stolen := fmt.Sprintf("keys = [%q]\n  compromised %s {\n    since = %q\n  }", signature.Key(w.people["ben2"].PublicKey()), key, nhi.FormatTime(w.now().Add(time.Hour)))
	w.Write(t, "policy.hcl", strings.NewReplacer("version         = 1", "version         = 2", "keys = ["+key+"]", stolen).Replace(w.read("policy.hcl")))
	wants(t, w.tool("policy", "sign", "--publish", "--key", w.keyFile("next")), 0)
	wants(t, w.Plan(t), 0, "No changes", "Approved with a compromised key", "it rests on an approval by ben@example.com with the key SHA256:", "before that")

	// A back-up is taken, more happens, and it is put back.
	w.backUp("backup")
	w.edit(`purpose = "Nightly export of orders"`, `purpose = "Nightly export of all orders"`)
	wants(t, w.Apply(t), 0)
	wants(t, w.Apply(t), 0) // its read remembers what the first one wrote
	w.Write(t, "state.json", w.Run(t, "state", "pull").Stdout)
	wants(t, w.tool("verify", "--state", "state.json"), 0)
	w.putBack("backup")
	wants(t, w.tool("verify", "--state", "state.json"), 1, "it is missing, and state.json (nhi_grant.etl) has seen the chain up to entry")
	refused := w.Plan(t, "-detailed-exitcode")
	wants(t, refused, refused.Code, "the ledger no longer holds what it held")
	wants(t, w.tool("base", "propose", "--reason", "the disk was lost"), 0)
	wants(t, w.tool("base", "sign", "--key", w.keyFile("next")), 0)
	wants(t, w.tool("base", "publish"), 0)
	restored := w.Plan(t)
	wants(t, restored, restored.Code, "the ledger was restored from a back-up")
	refuses(t, restored, "the ledger no longer holds what it held")
	wants(t, w.Destroy(t), 0)
}

// backUp copies the ledger's folder.
func (w *world) backUp(name string) {
	w.t.Helper()
	must(w.t, os.CopyFS(filepath.Join(w.Dir, name), os.DirFS(filepath.Join(w.Dir, ".nhi"))))
}

// putBack puts a copy in the ledger's place.
func (w *world) putBack(name string) {
	w.t.Helper()
	must(w.t, os.RemoveAll(filepath.Join(w.Dir, ".nhi")))
	must(w.t, os.Rename(filepath.Join(w.Dir, name), filepath.Join(w.Dir, ".nhi")))
}
