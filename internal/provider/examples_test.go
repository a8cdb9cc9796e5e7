package provider_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	fwdatasource "github.com/hashicorp/terraform-plugin-framework/datasource"
	fwephemeral "github.com/hashicorp/terraform-plugin-framework/ephemeral"
	fwprovider "github.com/hashicorp/terraform-plugin-framework/provider"
	fwresource "github.com/hashicorp/terraform-plugin-framework/resource"
	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/provider"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
)

// repository is the folder of go.mod, from where the tests of this package run.
const repository = "../.."

// The published provider block and policy, which the other examples share.
const (
	exampleProvider = "provider"
	examplePolicy   = "policy/policy.hcl"
)

// ordersURL is a system that nothing contacts in a plan.
const ordersURL = "postgres://nhi_admin:not-a-secret@db.internal:5432/orders"

// vaultToken is the token of a system that nothing contacts in a plan.
const vaultToken = "not-a-token"

// TestExamplesArePlanned validates and plans every published configuration,
// under the published policy.
func TestExamplesArePlanned(t *testing.T) {
	t.Parallel()
	folders := exampleFolders(t)
	if len(folders) < 9 {
		t.Fatalf("found %q, and there are more examples", folders)
	}
	for _, folder := range folders {
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			changes := 2
			if strings.HasPrefix(folder, "actions/") {
				needActions(t, newWorld(t))
				changes = 0 // an action runs when it is invoked
			}
			w := newExample(t, folder)
			if strings.HasPrefix(folder, "data-sources/") {
				w.recordedEarlier(t)
			}
			wants(t, w.Run(t, "validate", "-no-color"), 0, "The configuration is valid")
			wants(t, w.Plan(t), changes)
		})
	}
}

// recordedEarlier makes, in another workspace, what the data sources of an
// example look at.
func (w *world) recordedEarlier(t *testing.T) {
	t.Helper()
	copied(t, w, "resources/nhi_grant")
	must(t, os.Rename(filepath.Join(w.Dir, "data-source.tf"), filepath.Join(w.Dir, "later")))
	wants(t, w.Apply(t), 0)
	w.loseState()
	must(t, os.Remove(filepath.Join(w.Dir, "resource.tf")))
	must(t, os.Rename(filepath.Join(w.Dir, "later"), filepath.Join(w.Dir, "data-source.tf")))
}

// TestImportExamples imports as the pages of the resources say: each script,
// and each block.
func TestImportExamples(t *testing.T) {
	t.Parallel()
	w := newExample(t, "resources/nhi_grant")
	w.installed(t)
	wants(t, w.Apply(t), 0)
	blocks := map[string]string{}
	for _, kind := range []string{"nhi_identity", "nhi_approval", "nhi_grant"} {
		for _, file := range []string{"import-by-string-id.tf", "import-by-identity.tf"} {
			blocks[file] += read(t, examplePath("resources", kind, file))
		}
	}
	w.loseState()
	for _, kind := range []string{"nhi_identity", "nhi_approval", "nhi_grant"} {
		if out := w.script(t, examplePath("resources", kind, "import.sh")); !strings.Contains(out, "Import successful!") {
			t.Errorf("%s: %s", kind, out)
		}
	}
	for file, block := range blocks {
		t.Run(file, func(t *testing.T) {
			if file == "import-by-identity.tf" {
				requireResourceIdentity(t, newWorld(t))
			}
			w.loseState()
			w.Write(t, "import.tf", block)
			wants(t, w.Plan(t), 2, "3 to import, 0 to add, 1 to change, 0 to destroy")
		})
	}
}

// TestEveryTypeHasAnExample keeps the pages of docs/ from standing without one.
func TestEveryTypeHasAnExample(t *testing.T) {
	t.Parallel()
	var name fwprovider.MetadataResponse
	p := provider.New("test", provider.Options{})()
	p.Metadata(t.Context(), fwprovider.MetadataRequest{}, &name)
	for _, build := range p.Resources(t.Context()) {
		var meta fwresource.MetadataResponse
		build().Metadata(t.Context(), fwresource.MetadataRequest{ProviderTypeName: name.TypeName}, &meta)
		for _, file := range []string{"resource.tf", "import.sh", "import-by-string-id.tf", "import-by-identity.tf"} {
			exists(t, examplePath("resources", meta.TypeName, file))
		}
	}
	for _, build := range p.DataSources(t.Context()) {
		var meta fwdatasource.MetadataResponse
		build().Metadata(t.Context(), fwdatasource.MetadataRequest{ProviderTypeName: name.TypeName}, &meta)
		exists(t, examplePath("data-sources", meta.TypeName, "data-source.tf"))
	}
	if kinds, ok := p.(fwprovider.ProviderWithEphemeralResources); ok {
		for _, build := range kinds.EphemeralResources(t.Context()) {
			var meta fwephemeral.MetadataResponse
			build().Metadata(t.Context(), fwephemeral.MetadataRequest{ProviderTypeName: name.TypeName}, &meta)
			exists(t, examplePath("ephemeral-resources", meta.TypeName, "ephemeral-resource.tf"))
		}
	}
}

func exists(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

// TestDocsQuoteExamples holds every block of configuration in the documents
// against the examples: what people copy is what is planned here.
func TestDocsQuoteExamples(t *testing.T) {
	t.Parallel()
	var published []string
	for _, path := range filesBelow(t, filepath.Join(repository, "examples"), ".tf", ".hcl", ".sh") {
		published = append(published, read(t, path))
	}
	documents := filesBelow(t, filepath.Join(repository, "templates"), ".tmpl")
	documents = append(documents, filepath.Join(repository, "README.md"))
	blocks := 0
	for _, path := range documents {
		for _, block := range fenced(read(t, path), "terraform", "hcl") {
			blocks++
			if !slices.ContainsFunc(published, func(text string) bool { return strings.Contains(text, block) }) {
				t.Errorf("%s shows a block that stands in no file of examples/:\n%s", path, block)
			}
		}
	}
	if blocks == 0 {
		t.Error("no block was found, and README.md has some")
	}
}

// TestExamplePolicyIsSound reads the published policy as it stands.
func TestExamplePolicyIsSound(t *testing.T) {
	t.Parallel()
	document, err := policy.Parse([]byte(read(t, examplePath(examplePolicy))))
	must(t, err)
	for _, warning := range document.Warnings() {
		t.Error(warning)
	}
}

// TestSSHKeygenSignsThePolicy signs a policy as its guide says to, without
// nhi, and plans under it.
func TestSSHKeygenSignsThePolicy(t *testing.T) {
	t.Parallel()
	testserver.Require(t, "ssh-keygen")
	w := newExample(t, "gate")
	must(t, os.Remove(filepath.Join(w.Dir, "policy.hcl.sig")))
	w.script(t, examplePath("policy", "sign.sh"))
	wants(t, w.Plan(t), 2, "Waiting for approval")
}

// TestSSHKeygenVerifiesADecision checks a decision file as its guide says to,
// without nhi; a changed one is refused.
func TestSSHKeygenVerifiesADecision(t *testing.T) {
	t.Parallel()
	testserver.Require(t, "ssh-keygen")
	w := newExample(t, "gate")
	wants(t, w.Apply(t), 0)
	const gate = nhi.ApprovalID("production/payments/etl/bucket-export:default")
	file := w.decision(nhi.VerdictApprove, gate, ana).File()
	w.Write(t, "ana.decision", file)
	w.Write(t, "allowed_signers", ana+` namespaces="`+signature.NamespaceDecision+`" `+signature.Key(w.people[ana].PublicKey())+"\n")
	if out := w.script(t, examplePath("approvals", "verify.sh")); !strings.Contains(out, "Good \"nhi-decision@v1\" signature") {
		t.Errorf("got %s", out)
	}
	must(t, os.WriteFile(filepath.Join(w.Dir, "ana.decision"), []byte(strings.Replace(file, "CHG-1234", "CHG-1235", 1)), 0o600))
	if out, err := w.shell(read(t, examplePath("approvals", "verify.sh"))); err == nil {
		t.Errorf("a changed decision is accepted:\n%s", out)
	}
}

// TestSSHKeygenSignsADecision approves as the guide says to, with a signer that
// is not nhi, and signs the policy as its guide says to, with nhi.
func TestSSHKeygenSignsADecision(t *testing.T) {
	t.Parallel()
	testserver.Require(t, "ssh-keygen")
	w := newExample(t, "gate")
	w.installed(t)
	w.Write(t, "nhi.hcl", "ledger = { local = { path = \".nhi\" } }\npolicy_file = \"policy.hcl\"\n")
	must(t, os.Remove(filepath.Join(w.Dir, "policy.hcl.sig")))
	w.usualKey(t, "root")
	if out := w.script(t, examplePath("policy", "publish.sh")); !strings.Contains(out, "is in force") {
		t.Errorf("got %s", out)
	}
	w.usualKey(t, rae)
	wants(t, w.Apply(t), 0)
	w.usualKey(t, ana)
	if out := w.script(t, examplePath("approvals", "ssh-keygen.sh")); !strings.Contains(out, "approved by "+ana) {
		t.Errorf("got %s", out)
	}
	w.usualKey(t, rae)
	wants(t, w.Plan(t), 2, `~ status = "approved" -> "active"`, "terraform_data.attachment[0] will be created")
}

// usualKey makes a person's key the one in ~/.ssh.
func (w *world) usualKey(t *testing.T, person string) {
	t.Helper()
	to := filepath.Join(w.home(), ".ssh", "id_ed25519")
	must(t, os.WriteFile(to, []byte(read(t, w.keyFile(person))), 0o600))
	must(t, os.WriteFile(to+".pub", []byte(read(t, w.keyFile(person)+".pub")), 0o600))
}

// newExample makes a world that holds one published configuration, with the
// published provider block where it has none of its own.
func newExample(t *testing.T, folder string) *world {
	t.Helper()
	w := newWorld(t)
	copied(t, w, folder)
	switch {
	case folder == exampleProvider: // a provider block alone plans nothing
		copied(t, w, "resources/nhi_identity")
	case folder == "pull-request": // its ledger is where pipelines reach it
		w.Write(t, "main.tf", strings.Replace(read(t, examplePath(folder, "main.tf")), "{ postgres = { url = var.ledger_url } }", w.block, 1))
		w.Env = append(w.Env, "TF_VAR_ledger_url="+ordersURL)
	case !strings.Contains(read(t, filepath.Join(w.Dir, mainFile(t, w))), "provider \"nhi\""):
		copied(t, w, exampleProvider)
	}
	w.provideFiles(t)
	w.examplePolicy(t)
	wants(t, w.Run(t, "get"), 0) // modules
	return w
}

// copied copies the configuration of an example into a world, its modules
// included. Import blocks have a test of their own.
func copied(t *testing.T, w *world, folder string) {
	t.Helper()
	for _, path := range filesBelow(t, examplePath(folder), ".tf") {
		name, err := filepath.Rel(examplePath(folder), path)
		must(t, err)
		if strings.HasPrefix(filepath.Base(name), "import-by-") {
			continue
		}
		must(t, os.MkdirAll(filepath.Join(w.Dir, filepath.Dir(name)), 0o700))
		w.Write(t, name, read(t, path))
	}
}

// mainFile is the first file of a world's configuration that is not about
// credentials alone.
func mainFile(t *testing.T, w *world) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(w.Dir, "*.tf"))
	must(t, err)
	for _, file := range files {
		if base := filepath.Base(file); base != "credential.tf" {
			return base
		}
	}
	t.Fatal("no configuration")
	return ""
}

// provideFiles makes what the examples name: keys, a CA, known hosts, a URL.
func (w *world) provideFiles(t *testing.T) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Join(w.Dir, "keys"), 0o700))
	must(t, os.MkdirAll(filepath.Join(w.Dir, "approvals"), 0o700))
	must(t, os.MkdirAll(filepath.Join(w.home(), ".ssh"), 0o700))
	testserver.NewSSHKey(t, filepath.Join(w.Dir, "ca"))
	testserver.NewSSHKey(t, filepath.Join(w.Dir, "etl"))
	w.usualKey(t, rae)
	w.Write(t, "root-key", read(t, w.keyFile("root")))
	for _, name := range []string{"ca", "etl", "rae"} {
		from := filepath.Join(w.Dir, name)
		if name == "rae" {
			from = w.keyFile(rae)
		}
		w.Write(t, filepath.Join("keys", name), read(t, from))
		w.Write(t, filepath.Join("keys", name+".pub"), read(t, from+".pub"))
	}
	w.Write(t, "known_hosts", "bastion.internal "+signature.Key(w.people["root"].PublicKey())+"\n")
	w.Env = append(w.Env, "TF_VAR_orders_url="+ordersURL, "TF_VAR_vault_token="+vaultToken)
}

func (w *world) home() string {
	for _, variable := range w.Env {
		if home, ok := strings.CutPrefix(variable, "HOME="); ok {
			return home
		}
	}
	return ""
}

// examplePolicy signs the published policy for this world: with its ledger,
// its people's keys and its CA, and otherwise as it stands.
func (w *world) examplePolicy(t *testing.T) {
	t.Helper()
	w.signExample(t, examplePolicy)
}

// signExample is examplePolicy for any published policy, with more swaps.
func (w *world) signExample(t *testing.T, path string, swaps ...string) {
	t.Helper()
	source := read(t, examplePath(filepath.FromSlash(path)))
	document, err := policy.Parse([]byte(source))
	must(t, err)
	swaps = append(swaps, document.Ledger, w.ledger, nhi.FormatTime(document.Expires), nhi.FormatTime(w.now().Add(365*24*time.Hour)))
	for _, approver := range document.Approvers {
		if signer, ours := w.people[approver.Name]; ours {
			swaps = append(swaps, approver.Keys[0], signature.Key(signer.PublicKey()))
		}
	}
	ca, err := os.ReadFile(filepath.Join(w.Dir, "ca.pub"))
	if err != nil {
		w.signPolicy(strings.NewReplacer(swaps...).Replace(source))
		return
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(ca)
	must(t, err)
	for _, environment := range document.Environments {
		for _, system := range environment.Systems {
			if system.Kind == "ssh" {
				swaps = append(swaps, system.Endpoint, ssh.FingerprintSHA256(key))
			}
		}
	}
	w.signPolicy(strings.NewReplacer(swaps...).Replace(source))
}

// script runs a published script in a world, and fails the test where it fails.
func (w *world) script(t *testing.T, path string) string {
	t.Helper()
	out, err := w.shell(read(t, path))
	if err != nil {
		t.Fatalf("%s: %v\n%s", path, err, out)
	}
	return out
}

// shell runs commands as a reader would, in the world's folder and with nhi and
// the CLI under test on PATH.
func (w *world) shell(commands string) (string, error) {
	command := exec.CommandContext(w.t.Context(), "bash", "-euo", "pipefail", "-c", commands)
	command.Dir = w.Dir
	command.Env = append(os.Environ(), w.Env...)
	out, err := command.CombinedOutput()
	return string(out), err
}

func examplePath(parts ...string) string {
	return filepath.Join(append([]string{repository, "examples"}, parts...)...)
}

// exampleFolders are the folders below examples/ that hold a configuration.
// A folder below one of them is its module.
func exampleFolders(t *testing.T) []string {
	t.Helper()
	var folders []string
	for _, path := range filesBelow(t, examplePath(), ".tf") {
		folder, err := filepath.Rel(examplePath(), filepath.Dir(path))
		must(t, err)
		folders = append(folders, filepath.ToSlash(folder))
	}
	slices.Sort(folders)
	folders = slices.Compact(folders)
	return slices.DeleteFunc(slices.Clone(folders), func(folder string) bool {
		return slices.Contains(folders, filepath.ToSlash(filepath.Dir(folder))) || strings.HasPrefix(folder, owasp+"/") // those have a test of their own
	})
}

// filesBelow lists the files below a folder whose names end in one of the
// suffixes.
func filesBelow(t *testing.T, folder string, suffixes ...string) []string {
	t.Helper()
	var files []string
	must(t, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && slices.Contains(suffixes, filepath.Ext(path)) {
			files = append(files, path)
		}
		return err
	}))
	return files
}

func read(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	return string(data)
}

// fenced returns the blocks of a Markdown text that are in one of the languages.
func fenced(markdown string, languages ...string) []string {
	const fence = "```"
	var blocks []string
	var block strings.Builder
	inside, wanted := false, false
	for line := range strings.Lines(markdown) {
		language, isFence := strings.CutPrefix(strings.TrimSpace(line), fence)
		switch {
		case isFence && inside:
			if wanted {
				blocks = append(blocks, block.String())
			}
			inside = false
		case isFence:
			inside, wanted = true, slices.Contains(languages, language)
			block.Reset()
		case inside:
			block.WriteString(line)
		}
	}
	return blocks
}

// firstGrant are the steps of the first grant as README.md prints them, what a
// reader does between them, and what the reader must see.
var firstGrant = []struct {
	script, before string
	sees           []string
}{
	{"1-setup.sh", "", nil},
	{"2-init.sh", "", []string{"The trust root's pin is", `quorum "approvers"`}},
	{"3-ask.sh", `cp "$EXAMPLE/main.tf" .`, []string{`+ status = "pending"`, "Waiting for approval", "needs 2 of group approvers", "active = false"}},
	{"4-approve.sh", "", []string{"rae@example.com", "principal deploy", "approved -> active"}},
	{"5-activate.sh", "", []string{`~ status = "approved" -> "active"`, "active = true"}},
	{"6-credential.sh", `cp "$EXAMPLE/credential.tf" .`, []string{"user certificate", "Principals: deploy"}},
	{"7-expire.sh", `printf 61m > "$NHI_TEST_CLOCK"`, []string{`~ status = "expired" -> "revoked"`, "the term ended", "active = false"}},
	{"8-destroy.sh", "", []string{"Destroy complete!", "Everything that can be checked here is as it must be."}},
}

// TestFirstGrantAsPrinted does what README.md tells a reader to do, command by
// command, in one shell.
func TestFirstGrantAsPrinted(t *testing.T) {
	t.Parallel()
	testserver.Require(t, "ssh-keygen")
	w := &world{Workspace: testserver.NewWorkspace(t), t: t}
	w.installed(t)
	const next = "=== next step ==="
	var commands strings.Builder
	for _, step := range firstGrant {
		commands.WriteString("echo '" + next + "'\n" + step.before + "\n" + read(t, examplePath("first-grant", step.script)))
	}
	out, err := w.shell(commands.String())
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	shown := strings.Split(out, next)[1:]
	for i, step := range firstGrant {
		wants(t, testserver.Result{Stdout: shown[i]}, 0, step.sees...)
		t.Logf("%s:\n%s", step.script, shown[i])
	}
	readme := read(t, filepath.Join(repository, "README.md"))
	for _, file := range filesBelow(t, examplePath("first-grant"), ".sh", ".tf") {
		if !strings.Contains(readme, "\n"+read(t, file)+"```\n") {
			t.Errorf("README.md does not print %s as it was run here", file)
		}
	}
}

// installed puts nhi and the CLI on PATH, as make install does, both set to ask
// nobody; go says where that is.
func (w *world) installed(t *testing.T) {
	t.Helper()
	root := t.TempDir()
	bin := filepath.Join(root, "bin")
	must(t, os.Mkdir(bin, 0o700))
	must(t, os.Symlink(testserver.Binary(t), filepath.Join(bin, "terraform-provider-nhi")))
	must(t, os.Symlink(testserver.TerraformPath(t), filepath.Join(bin, "terraform")))
	for name, script := range map[string]string{
		"go":  "echo '" + root + "'\n",
		"nhi": "case $1 in approve | review) verb=$1; shift; set -- \"$verb\" --yes \"$@\" ;; esac\nexec '" + testserver.Binary(t) + "' \"$@\"\n",
	} {
		must(t, os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script), 0o700))
	}
	folder, err := filepath.Abs(examplePath("first-grant"))
	must(t, err)
	w.Env = append(w.Env, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "EXAMPLE="+folder,
		"TF_CLI_ARGS=-no-color", "TF_CLI_ARGS_apply=-auto-approve", "TF_CLI_ARGS_destroy=-auto-approve")
}
