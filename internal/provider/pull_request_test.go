package provider_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// forge is a repository whose main branch is applied from where the admin's
// credentials are, and whose pull requests are planned where they are not: a
// ledger in PostgreSQL, and a database as the target.
type forge struct {
	*landscape
	books *testserver.PostgresServer // of the ledger
	state string
}

// oneOfSecurityRule asks for one, so that two must approve what nobody proves.
const oneOfSecurityRule = `
rule "production databases" {
  environments = ["production"]
  scopes       = ["payments/*"]
  systems      = ["orders"]
  max_ttl      = "720h"
  quorum "security" { count = 1 }
}
`

func newForge(t *testing.T) *forge {
	t.Helper()
	testserver.Require(t, "git")
	f := &forge{books: testserver.Postgres(t), state: filepath.Join(t.TempDir(), "state")}
	must(t, os.Mkdir(f.state, 0o700))
	w := newWorldOn(t, func(*world) (string, nhi.Values, string) {
		return onStore("postgres", map[string]string{"url": f.books.URL("")})
	})
	f.landscape = &landscape{world: w, db: testserver.Postgres(t)}
	w.installed(t)
	f.db.Exec("CREATE ROLE " + f.role())
	reader := f.books.Prefix() + "reader"
	f.books.Exec(fmt.Sprintf("CREATE ROLE %[1]s LOGIN PASSWORD 'reader'; GRANT SELECT ON nhi_ledger TO %[1]s", reader))
	f.policy(1, fmt.Sprintf("  system \"orders\" { postgres = %q }\n", f.endpoint()), oneOfSecurityRule)
	for _, name := range []string{"plan.sh", "apply.sh", "nhi.hcl", "CODEOWNERS"} {
		f.Write(t, name, read(t, examplePath("pull-request", name)))
	}
	f.Write(t, ".gitignore", read(t, examplePath("pull-request", "gitignore"))+"key-*\n")
	f.in(f.Dir, nil, "git init --quiet --initial-branch main .; git add .; git commit --quiet -m start")
	return f
}

// identityOfGit is who commits, whoever signs.
var identityOfGit = []string{
	"GIT_AUTHOR_NAME=x", "GIT_AUTHOR_EMAIL=x@example.com", "GIT_COMMITTER_NAME=x", "GIT_COMMITTER_EMAIL=x@example.com",
	"GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
}

// try runs commands in a folder, with more in the environment.
func (f *forge) try(folder string, env []string, commands string) testserver.Result {
	f.t.Helper()
	command := exec.CommandContext(f.t.Context(), "bash", "-euo", "pipefail", "-c", commands)
	command.Dir = folder
	command.Env = append(append(append(os.Environ(), f.Env...), identityOfGit...), env...)
	var out, errs strings.Builder
	command.Stdout, command.Stderr = &out, &errs
	err := command.Run()
	if command.ProcessState == nil {
		f.t.Fatal(err)
	}
	return testserver.Result{Code: command.ProcessState.ExitCode(), Stdout: out.String(), Stderr: errs.String()}
}

func (f *forge) in(folder string, env []string, commands string) testserver.Result {
	f.t.Helper()
	result := f.try(folder, env, commands)
	if result.Code != 0 {
		f.t.Fatalf("%s: exit code %d\n%s\n%s", commands, result.Code, result.Stdout, result.Stderr)
	}
	return result
}

// config is the published configuration, on this forge's own role and scope.
func (f *forge) config() string {
	return strings.NewReplacer("orders_ro", f.role(), `"payments/etl"`, fmt.Sprintf("%q", f.scope)).Replace(read(f.t, examplePath("pull-request", "main.tf")))
}

// branch makes a pull request: a clone on a branch of its own, with a change.
func (f *forge) branch(name string, change func(folder string)) string {
	f.t.Helper()
	folder := filepath.Join(f.t.TempDir(), "author")
	f.in(f.Dir, nil, fmt.Sprintf("git clone --quiet . %s; cd %s; git checkout --quiet -b %s", folder, folder, name))
	change(folder)
	f.in(folder, nil, "git add --all; git commit --quiet --allow-empty -m change; git push --quiet -u origin "+name)
	return folder
}

func (f *forge) write(folder, name, content string) {
	f.t.Helper()
	must(f.t, os.MkdirAll(filepath.Dir(filepath.Join(folder, name)), 0o700))
	must(f.t, os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600))
}

// untrusted is the environment of a pull request's run.
func (f *forge) untrusted() []string {
	home := f.t.TempDir()
	return []string{
		"HOME=" + home, "TF_CLI_ARGS_plan=-no-color -state=" + f.stateFile(),
		"TF_VAR_ledger_url=" + f.books.UserURL(f.books.Prefix()+"reader", "reader"),
		fmt.Sprintf("TF_VAR_orders_url=postgres://nobody@%s:%d/%s?sslmode=disable", f.db.Host(), f.db.Port(), f.db.Database()),
	}
}

func (f *forge) stateFile() string { return filepath.Join(f.state, "terraform.tfstate") }

// runs is the run of a pull request in CI, with more in its environment: its
// folder, its comment, and how it ended.
func (f *forge) runs(name string, more ...string) (folder, comment string, result testserver.Result) {
	f.t.Helper()
	folder = filepath.Join(f.t.TempDir(), "ci")
	f.in(f.Dir, nil, fmt.Sprintf("git clone --quiet --branch %s . %s", name, folder))
	check, entries := f.untouchedRoles(), f.entries()
	result = f.try(folder, append(f.untrusted(), more...), "bash plan.sh")
	check("planned by a pull request")
	if now := f.entries(); now != entries {
		f.t.Errorf("the run of a pull request wrote into the ledger: %s entries, then %s", entries, now)
	}
	data, err := os.ReadFile(filepath.Join(folder, "comment.md"))
	if err != nil {
		data = nil
	}
	return folder, string(data), result
}

func (f *forge) entries() string {
	return f.books.Query("SELECT count(*) FROM nhi_ledger")[0][0]
}

// approves is an approver on a machine of their own: a clone, the request files
// of the run, and a key; neither the ledger nor a system.
func (f *forge) approves(person, branch, ci string) {
	f.t.Helper()
	home, folder := f.t.TempDir(), filepath.Join(f.t.TempDir(), "approver")
	f.in(f.Dir, nil, fmt.Sprintf("git clone --quiet --branch %s . %s; cp -r %s/requests %s", branch, folder, ci, filepath.Dir(folder)))
	f.write(home, ".ssh/id_ed25519", read(f.t, f.keyFile(person)))
	f.in(folder, []string{"HOME=" + home, "TF_VAR_ledger_url=", "TF_VAR_orders_url="}, read(f.t, examplePath("pull-request", "approve.sh")))
}

// merged merges a branch and applies as the main branch is applied.
func (f *forge) merged(branch string) testserver.Result {
	f.t.Helper()
	f.in(f.Dir, nil, "git merge --quiet --no-edit "+branch)
	return f.applies()
}

func (f *forge) applies() testserver.Result {
	f.t.Helper()
	return f.try(f.Dir, f.admin(), "bash apply.sh")
}

// admin is the environment of the main branch's run.
func (f *forge) admin() []string {
	state := "-no-color -state=" + f.stateFile()
	return []string{"TF_CLI_ARGS_apply=" + state, "TF_CLI_ARGS_destroy=-auto-approve " + state,
		"TF_VAR_ledger_url=" + f.books.URL(""), "TF_VAR_orders_url=" + f.db.URL("")}
}

// TestPullRequestAsPrinted does what the guide says: a change is planned without
// any credential that could change something, the comment says who must decide,
// approvers decide on machines of their own and commit what they signed, and
// after the merge an apply activates it.
func TestPullRequestAsPrinted(t *testing.T) {
	t.Parallel()
	f := newForge(t)
	f.branch("etl", func(folder string) { f.write(folder, "main.tf", f.config()) })
	ci, comment, result := f.runs("etl")
	wants(t, result, 0, "comment.md says who has to decide")
	wants(t, testserver.Result{Stdout: comment}, 0, "Not approved yet: 1", string(f.etl)+" (pending)", "role "+f.role()+" on orders",
		`Rule "production databases" decides db: it needs 2 of group security`, "2 more of group security must approve",
		"Who may approve, of group security: ana@example.com, ben@example.com and cyd@example.com", "To decide: nhi approve requests/production%2F")
	t.Log(comment)
	f.approves(ana, "etl", ci)
	ci, comment, _ = f.runs("etl")
	wants(t, testserver.Result{Stdout: comment}, 0, "approved by ana@example.com", "1 more of group security must approve")
	f.approves(ben, "etl", ci)
	_, comment, result = f.runs("etl")
	wants(t, result, 0, "nothing waits for a decision")
	wants(t, testserver.Result{Stdout: comment}, 0, "Nothing waits for a decision", "(approved)")
	wants(t, f.merged("etl"), 0, `active = true`)
	if held := f.holds(); held != "orders_ro" {
		t.Errorf("it holds %q", held)
	}
	wants(t, f.in(f.Dir, []string{"TF_VAR_ledger_url=" + f.books.URL("")}, "nhi verify --policy policy.hcl"), 0, "as it must be")
	// What is in force needs nobody, and the run of the next pull request, which
	// reaches no system, says so.
	f.branch("next", func(folder string) { f.write(folder, "README.md", "x") })
	_, comment, result = f.runs("next")
	wants(t, result, 0, "nothing waits for a decision")
	wants(t, testserver.Result{Stdout: comment}, 0, "Nothing waits for a decision")
	// Even where somebody handed it the admin's password, it issues nothing.
	f.branch("credential", func(folder string) {
		f.write(folder, "credential.tf", "ephemeral \"nhi_credential\" \"db\" {\n  lease  = nhi_grant.etl.lease\n  target = \"db\"\n}\n")
	})
	_, _, result = f.runs("credential", "TF_VAR_orders_url="+f.db.URL(""))
	wants(t, result, 0, "forbidden by read_only")
	// What was used and is over gives nothing again, and the comment says so.
	f.in(f.Dir, f.admin(), "terraform destroy -input=false -target=nhi_grant.etl")
	_, comment, result = f.runs("next")
	wants(t, result, 1)
	wants(t, testserver.Result{Stdout: comment}, 0, "Will not be granted as it stands: 1", "its approval was used")
}

// TestThreatPullRequest: whatever the author of a pull request commits, edits or
// keeps, and whoever merges it, nothing is given that people did not sign.
func TestThreatPullRequest(t *testing.T) {
	t.Parallel()
	f := newForge(t)
	config := f.config()
	second := `
resource "nhi_approval" "other" {
  subject       = nhi_identity.etl.subject
  name          = "other"
  justification = "CHG-2"
  ttl           = "720h"
  access = {
    db = { system = "orders", postgres = { roles = ["` + f.role() + `"] } }
  }
}
`
	f.db.Exec("CREATE ROLE " + f.db.Prefix() + "more")
	check := f.untouchedRoles()
	// Whether it fails or waits: nothing is given, and it says why.
	gives := func(name string, result testserver.Result, texts ...string) {
		t.Helper()
		if strings.Contains(result.Text(), "active = true") {
			t.Fatalf("%s: it is active:\n%s\n%s", name, result.Stdout, result.Stderr)
		}
		wants(t, result, result.Code, texts...)
		check(name)
	}

	// The author decides: with a key that nobody knows, and with the requester's.
	mal := f.newKey("mal@example.com")
	f.people["mal@example.com"] = mal
	f.branch("own", func(folder string) { f.write(folder, "main.tf", config) })
	own, _, _ := f.runs("own")
	signer := filepath.Join(t.TempDir(), "signer")
	f.in(own, []string{"HOME=" + signer}, "mkdir -p approvals")
	text := f.asked(own)
	for _, author := range []string{"mal@example.com", rae} {
		if out := f.try(own, append(f.untrusted(), "HOME="+signer), "nhi approve requests/*.request --out approvals --key "+f.keyFile(author)); out.Code == 0 {
			t.Errorf("nhi approve signs for %s:\n%s", author, out.Stdout)
		}
		f.write(own, "approvals/"+author+".decision", f.decisionOn(text, nhi.Head{}, nhi.VerdictApprove, author).File())
	}
	f.in(own, nil, "git add approvals; git commit --quiet -m own; git push --quiet")
	_, comment, _ := f.runs("own")
	wants(t, testserver.Result{Stdout: comment}, 0, "2 more of group security must approve", "belongs to nobody", "is in no group that the deciding rules ask")
	gives("the author's own decisions", f.merged("own"), "0 have approved")

	// Ana and Ben approve another pull request's request; its files are moved here,
	// under any name.
	f.branch("other", func(folder string) { f.write(folder, "other.tf", second) })
	ci, _, _ := f.runs("other")
	f.in(ci, nil, `for file in requests/*; do case $file in *other*) ;; *) rm "$file" ;; esac; done`)
	f.approves(ana, "other", ci)
	f.approves(ben, "other", ci)
	f.branch("stolen", func(folder string) {
		f.in(folder, nil, `git fetch --quiet origin other; git checkout --quiet origin/other -- approvals; for file in approvals/*other*; do cp "$file" "${file//other/default}"; done`)
	})
	_, comment, _ = f.runs("stolen")
	wants(t, testserver.Result{Stdout: comment}, 0, "2 more of group security must approve")
	gives("decisions of another pull request", f.merged("stolen"), "0 have approved")

	// Both approve this one, and the author asks for more before the merge.
	f.branch("edited", func(string) {})
	ci, _, _ = f.runs("edited")
	f.approves(ana, "edited", ci)
	f.approves(ben, "edited", ci)
	more := strings.Replace(config, fmt.Sprintf("[%q]", f.role()), fmt.Sprintf("[%q, %q]", f.role(), f.db.Prefix()+"more"), 1)
	f.pushes("edited", "main.tf", more)
	_, comment, _ = f.runs("edited")
	wants(t, testserver.Result{Stdout: comment}, 0, "2 more of group security must approve", "about another text than this request")
	gives("edited after the approval", f.merged("edited"), "0 have approved")

	// From here on, main asks for what both approved.
	f.write(f.Dir, "main.tf", config)

	// The code owners' rule is taken out, and policy and ledger are the author's.
	mine := strings.Replace(strings.Replace(f.read("policy.hcl"), "count = 1", "approval = \"no approval needed\"", 1), "version         = 1", "version         = 2", 1)
	block, err := policy.SignDocument([]byte(strings.Replace(f.read("policy.hcl"), "version         = 1", "version         = 2", 1)), mal)
	must(t, err)
	good, signatures := f.read("policy.hcl"), f.read("policy.hcl.sig")
	f.branch("owners", func(folder string) {
		must(t, os.Remove(filepath.Join(folder, "CODEOWNERS")))
		f.write(folder, "policy.hcl", strings.Replace(good, "version         = 1", "version         = 2", 1))
		f.write(folder, "policy.hcl.sig", block)
	})
	_, comment, result := f.runs("owners")
	if result.Code == 0 || comment != "" {
		t.Errorf("a policy of the author's own is believed:\n%s\n%s", comment, result.Stdout)
	}
	gives("a policy that the author signed", f.merged("owners"), "Nothing is granted without a valid policy")
	f.write(f.Dir, "policy.hcl", mine)
	f.write(f.Dir, "policy.hcl.sig", signatures)
	gives("a policy that the author edited", f.applies(), "Nothing is granted without a valid policy")
	f.write(f.Dir, "policy.hcl", good)

	// A file that is no decision, or of a size that nobody could read.
	for name, size := range map[string]int64{"garbage": 5_000, "huge": 1 << 30} {
		path := filepath.Join(f.Dir, "approvals", name+".decision")
		must(t, os.WriteFile(path, []byte("nhi decision file 1\n\x00\xff"), 0o600))
		must(t, os.Truncate(path, size))
		began := time.Now()
		gives(name, f.applies(), name+".decision")
		if took := time.Since(began); took > 90*time.Second {
			t.Errorf("%s: it took %s", name, took)
		}
		must(t, os.Remove(path))
	}

	// Ben takes back what he signed, and his file stays. His no is in the ledger.
	f.in(f.Dir, []string{"TF_VAR_ledger_url=" + f.books.URL("")}, fmt.Sprintf("nhi withdraw %s --yes --key %s", f.etl, f.keyFile(ben)))
	gives("withdrawn, and its file stays", f.applies(), "took it back")

	// And what people did sign is given.
	f.record(f.etl, f.decisionOn(text, f.chain(ledger.ApprovalChain(f.etl)).Head(), nhi.VerdictApprove, cyd))
	wants(t, f.applies(), 0, "active = true")
	if held := f.holds(); held != "orders_ro" {
		t.Errorf("it holds %q", held)
	}
}

// pushes edits one file of a pull request.
func (f *forge) pushes(branch, name, content string) {
	f.t.Helper()
	folder := filepath.Join(f.t.TempDir(), "author")
	f.in(f.Dir, nil, fmt.Sprintf("git clone --quiet --branch %s . %s", branch, folder))
	f.write(folder, name, content)
	f.in(folder, nil, "git add --all; git commit --quiet -m edit; git push --quiet")
}

// asked is the text of what the plan of a run asks for.
func (f *forge) asked(ci string) string {
	f.t.Helper()
	texts := regexp.MustCompile(`"text": "(nhi request 1\\n[^"]*)"`).FindStringSubmatch(f.in(ci, f.untrusted(), "nhi show --plan plan.json --json || true").Stdout)
	if texts == nil {
		f.t.Fatal("the plan shows no request")
	}
	return strings.ReplaceAll(texts[1], `\n`, "\n")
}

// TestPublishedPipelines: what is published runs what can be changed by whoever
// writes the change without anything that could change access, and pins what it
// runs.
func TestPublishedPipelines(t *testing.T) {
	t.Parallel()
	pinned := regexp.MustCompile(`uses: [a-z-]+/[a-z-]+@[0-9a-f]{40} # v[0-9.]+\n`)
	for _, name := range []string{"access.yml", "comment.yml"} {
		text := read(t, examplePath("pull-request", name))
		if uses := strings.Count(text, "uses:"); uses == 0 || uses != len(pinned.FindAllString(text, -1)) {
			t.Errorf("%s: an action is not pinned", name)
		}
		if strings.Contains(text, "pull_request_target") {
			t.Errorf("%s gives the change the rights of the main branch", name)
		}
	}
	for _, name := range []string{"access.yml", "gitlab-ci.yml"} {
		plan, apply, found := strings.Cut(read(t, examplePath("pull-request", name)), "apply:\n")
		if !found || !strings.Contains(plan, `NHI_READ_ONLY: "1"`) || strings.Contains(plan, "WRITER") || strings.Contains(plan, "ORDERS_URL") || strings.Contains(plan, "write") ||
			!strings.Contains(apply, "environment: production") || !strings.Contains(apply, "LEDGER_WRITER_URL") {
			t.Errorf("%s: the run of a change holds what it must not, or the apply is not protected", name)
		}
	}
}
