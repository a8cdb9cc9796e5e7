package cli_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/cli"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

func TestAnySignerCanFinish(t *testing.T) {
	t.Parallel()
	w := asked(t)
	w.ask(w.request(approval(1)), "eve")
	work := w.path("work")
	w.ok("approve", "--prepare", work, string(etl), string(approval(1)))
	w.fails(cli.ExitUsage, "the list is not signed yet", "approve", "--finish", work)
	keygen(t, "", "-Y", "sign", "-n", "nhi-decision@v1", "-f", w.key("ana"), filepath.Join(work, "list"))

	w.fails(cli.ExitUsage, `says "approve", and the command "deny"`, "deny", "--finish", work)
	w.ok("approve", string(etl), "--yes", "--key", w.key("ben")) // the record grows meanwhile
	w.ok("approve", "--finish", work)
	if !w.standing(w.text(etl)).Approved() {
		t.Error("it is not approved")
	}
	// Once more says where it is already.
	w.ok("approve", "--finish", work)
	if w.entries(etl) != 3 {
		t.Errorf("the chain has %d entries", w.entries(etl))
	}
	w.ok("verify")
}

func TestOpenSSHVerifiesADecision(t *testing.T) {
	t.Parallel()
	w := asked(t)
	w.ok("approve", string(etl), "--yes", "--key", w.key("ana"), "--out", w.path("approvals"))
	signed, _, err := lifecycle.ReadDecisionFile(w.decisionFiles(w.path("approvals"))[0])
	must(t, err)
	w.write(w.key("sig"), signed.Signature)
	w.write(w.key("signers"), `ana@example.com namespaces="nhi-decision@v1" `+w.read(w.key("ana.pub")))
	keygen(t, signed.List, "-Y", "verify", "-n", "nhi-decision@v1", "-I", "ana@example.com", "-f", w.key("signers"), "-s", w.key("sig"))
}

func TestPreparedFolders(t *testing.T) {
	t.Parallel()
	w := asked(t)
	work := w.path("work")
	w.ok("approve", "--prepare", work, string(etl))
	w.fails(cli.ExitUsage, "is not an empty folder", "approve", "--prepare", work, string(etl))
	w.fails(cli.ExitUsage, "takes the approvals from its folder", "approve", "--finish", work, string(etl))
	w.fails(cli.ExitUsage, "none of the others can be", "approve", "--finish", work, "--prepare", work)

	list := filepath.Join(work, "list")
	sign := func(name, namespace string) {
		made, err := signature.Sign(w.signer(name), namespace, w.read(list))
		must(t, err)
		w.write(list+".sig", made)
	}
	sign("mal", signature.NamespaceDecision)
	w.fails(cli.ExitWrong, "belongs to nobody", "approve", "--finish", work)
	sign("ana", signature.NamespaceRequest)
	w.fails(cli.ExitWrong, "nothing was recorded", "approve", "--finish", work)
	w.write(list+".sig", string(make([]byte, 1<<20)))
	w.fails(cli.ExitUsage, "longer than", "approve", "--finish", work)

	sign("ana", signature.NamespaceDecision)
	good := w.read(list)
	w.write(list, nhi.ListLine("something else", etl)+good)
	w.fails(cli.ExitUsage, "the list is not that of the decision texts", "approve", "--finish", work)
	w.write(list, good)
	w.ask(w.request(etl, "orders_ro", "orders_rw"), "eve")
	w.fails(cli.ExitWrong, "another request is asked for", "approve", "--finish", work)
	texts, err := filepath.Glob(filepath.Join(work, "*.text"))
	must(t, err)
	must(t, os.Truncate(texts[0], 10))
	w.fails(cli.ExitUsage, "invalid", "approve", "--finish", work)
	if w.entries(etl) != 2 {
		t.Error("something was recorded")
	}
}
