package cli_test

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/cli"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

func TestVerifyTargets(t *testing.T) {
	t.Parallel()
	w := newLive(t)
	_, role := w.granted(w.etl)
	identity := string(w.etl.Identity())
	out := w.ok("verify", "--targets", identity)
	for _, words := range []string{string(w.etl) + ": the ledger says active", "db: " + role + " on orders (" + w.endpoint() + "): active, as it must be", "holds role " + w.readers, "up to entry "} {
		if !strings.Contains(out, words) {
			t.Errorf("%q is not in %s", words, out)
		}
	}
	w.server.Exec("REVOKE " + w.readers + " FROM " + `"` + role + `"`)
	w.fails(cli.ExitWrong, "do not hold what the ledger says", "verify", "--targets", string(w.etl))
	w.ok("revoke", string(w.etl), "--yes")
	if out := w.ok("verify", "--targets", "--all"); !strings.Contains(out, "the ledger says revoked") || !strings.Contains(out, "gone, as it must be") {
		t.Errorf("verify said %s", out)
	}
	w.server.Exec("CREATE ROLE " + `"` + role + `"`)
	got := w.fails(cli.ExitWrong, "do not hold", "verify", "--targets", identity)
	if !strings.Contains(got.out, "something else stands under its name") {
		t.Errorf("verify said %s", got.out)
	}
	w.server.Exec("DROP ROLE " + `"` + role + `"`)
	w.configure()
	w.fails(cli.ExitWrong, "do not hold", "verify", "--targets", identity)
}

func TestVerifyTargetsIsEvidence(t *testing.T) {
	t.Parallel()
	w := newLive(t)
	w.granted(w.etl)
	path := w.path("report.json")
	w.ok("verify", "--targets", "--all", "--json", "--out", path, "--key", w.key("ana"))
	var told struct {
		Format, Ledger, Time string
		OK                   bool
		Grants               []struct {
			Heads   map[string]nhi.Head
			Targets []struct {
				State, Expected string
				Verified        bool
			}
		}
	}
	must(t, json.Unmarshal([]byte(w.read(path)), &told))
	if !told.OK || told.Format != "nhi report 1" || told.Ledger != w.book().ID() || len(told.Grants[0].Heads) != 2 ||
		told.Grants[0].Targets[0].State != "active" || !told.Grants[0].Targets[0].Verified {
		t.Errorf("the report says %+v", told)
	}
	w.fails(cli.ExitUsage, "is there already", "verify", "--targets", "--all", "--out", path)

	keygen, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Skip("ssh-keygen is not installed")
	}
	w.write(w.path("allowed"), "ana@example.com "+w.read(w.key("ana.pub")))
	verify := func(data string) error {
		command := exec.Command(keygen, "-Y", "verify", "-f", w.path("allowed"), "-I", "ana@example.com", "-n", "nhi-report@v1", "-s", path+".sig")
		command.Stdin = strings.NewReader(data)
		return command.Run()
	}
	if err := verify(w.read(path)); err != nil {
		t.Errorf("ssh-keygen refuses it: %v", err)
	}
	if verify(w.read(path)+" ") == nil {
		t.Error("ssh-keygen accepts other bytes")
	}
}

func TestVerifyTargetsUsage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for words, args := range map[string][]string{
		"say IDENTITY or GRANT":  {"verify", "--targets"},
		"say --targets":          {"verify", "--all"},
		"to ask the systems":     {"verify", string(etl)},
		"--key signs a file":     {"verify", "--targets", "--all", "--key", w.key("ana")},
		"IDENTITY or GRANT…, or": {"verify", "--targets", "--all", string(etl)},
	} {
		w.fails(cli.ExitUsage, words, args...)
	}
	got := w.fails(cli.ExitWrong, "do not hold", "verify", "--targets", string(etl))
	if !strings.Contains(got.out, "nothing was ever granted") {
		t.Errorf("verify said %s", got.out)
	}
}
