package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/nhi-terraform/terraform-provider-nhi"

// longest is how many lines a file may have that is no test.
const longest = 300

// may says, for each package below internal, which others it may import. One
// that ends in /... is the package and all below it. The first match counts.
var may = []struct {
	pkg     string
	imports []string
}{
	{"nhi", nil},
	{"failpoint", nil},
	{"durable", nil},
	{"transport", []string{"nhi"}},
	{"signature", []string{"nhi"}},
	{"workload", []string{"nhi"}},
	{"workload/discovery", []string{"nhi", "workload", "transport"}},
	{"workload/source", []string{"nhi", "workload/...", "vaulthttp"}},
	{"policy", []string{"nhi", "signature", "workload"}},
	{"setting", []string{"nhi"}},
	{"pgurl", []string{"nhi"}},
	{"vaulthttp", []string{"nhi", "transport"}},
	{"ledger", []string{"durable", "setting", "nhi"}},
	{"ledger/builtin", []string{"ledger/..."}},
	{"ledger/postgres", []string{"ledger", "setting", "nhi", "pgurl"}},
	{"ledger/s3", []string{"durable", "ledger", "setting", "nhi", "transport"}},
	{"ledger/vault", []string{"ledger", "setting", "nhi", "vaulthttp"}},
	{"ledger/...", []string{"durable", "ledger", "setting", "nhi"}},
	{"witness", []string{"durable", "ledger", "nhi"}},
	{"channel", []string{"setting", "nhi"}},
	{"channel/builtin", []string{"channel/..."}},
	{"channel/*/...", []string{"channel", "setting", "nhi", "workload/...", "transport", "."}},
	{"connector", []string{"setting", "nhi"}},
	{"connector/builtin", []string{"connector/...", "nhi"}},
	{"connector/connectortest", []string{"connector", "setting", "nhi"}},
	{"connector/postgres", []string{"connector", "setting", "nhi", "pgurl"}},
	{"connector/vault", []string{"connector", "setting", "nhi", "vaulthttp"}},
	{"connector/*/...", []string{"durable", "connector", "setting", "nhi", "."}}, // "." is its own folder
	{"lifecycle", []string{"failpoint", "policy", "signature", "workload/...", "channel", "ledger", "connector", "setting", "nhi"}},
	{"provider", []string{"lifecycle", "policy", "signature", "workload/...", "channel/...", "ledger/...", "connector/...", "setting", "nhi"}},
	{"cli/...", []string{"durable", "witness", "lifecycle", "policy", "signature", "workload/...", "ledger/...", "connector/...", "setting", "nhi", "."}},
	{"testserver/...", []string{"nhi", "."}},
	{"demo/...", []string{"..."}},
	{"mutants/...", nil},
}

// terraform are the only ones that may know Terraform.
var terraform = []string{"", "internal/provider", "internal/demo", "internal/testserver"}

// standardOnly may import nothing from outside of this module.
var standardOnly = []string{"internal/nhi"}

// sourceFiles returns every Go file that is no test, by path.
func sourceFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata" || name == "tools"):
			return filepath.SkipDir
		case strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go"):
			files = append(files, filepath.ToSlash(name))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 50 {
		t.Fatalf("only %d files were found", len(files))
	}
	return files
}

func importsOf(t *testing.T, name string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var imports []string
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		imports = append(imports, imported)
	}
	return imports
}

// Imports point one way: provider, cli -> lifecycle -> policy, ledger,
// connector -> nhi -> standard library.
func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()
	for _, name := range sourceFiles(t) {
		folder := path.Dir(name)
		for _, imported := range importsOf(t, name) {
			if why := refused(strings.TrimPrefix(folder, "."), imported); why != "" {
				t.Errorf("%s imports %s: %s", name, imported, why)
			}
		}
	}
}

// refused says why a folder may not import a package; empty where it may.
func refused(folder, imported string) string {
	inner, internal := strings.CutPrefix(imported, module+"/internal/")
	pkg, below := strings.CutPrefix(folder, "internal/")
	switch {
	case strings.HasPrefix(imported, "github.com/hashicorp/terraform-plugin") && !slices.Contains(terraform, folder):
		return "only internal/provider knows Terraform"
	case slices.Contains(standardOnly, folder) && strings.Contains(strings.Split(imported, "/")[0], "."):
		return "it rests on the standard library alone"
	case !internal || !below:
		return ""
	}
	for _, rule := range may {
		if !matches(rule.pkg, pkg) {
			continue
		}
		if slices.ContainsFunc(rule.imports, func(allowed string) bool { return allows(allowed, pkg, inner) }) {
			return ""
		}
		return "the rules of imports_test.go do not allow it"
	}
	return "its package has no rule in imports_test.go"
}

// allows says whether one entry of a rule lets pkg import inner.
func allows(allowed, pkg, inner string) bool {
	if allowed == "..." {
		return true
	}
	if allowed == "." { // connector/ssh/krl belongs to connector/ssh
		own := strings.Split(pkg, "/")
		if own[0] == "connector" || own[0] == "channel" {
			return len(own) > 1 && matches(strings.Join(own[:2], "/")+"/...", inner)
		}
		return matches(own[0]+"/...", inner)
	}
	return matches(allowed, inner)
}

// matches says whether a package is what a pattern names: itself, with /* one
// level below, with /... itself and all below.
func matches(pattern, pkg string) bool {
	prefix, deep := strings.CutSuffix(pattern, "/...")
	if !deep {
		ok, err := path.Match(pattern, pkg)
		return err == nil && ok
	}
	want, got := strings.Split(prefix, "/"), strings.Split(pkg, "/")
	if len(got) < len(want) {
		return false
	}
	ok, err := path.Match(prefix, strings.Join(got[:len(want)], "/"))
	return err == nil && ok
}

// The rules themselves refuse what they are there for.
func TestImportRulesRefuse(t *testing.T) {
	t.Parallel()
	in := func(pkg string) string { return module + "/internal/" + pkg }
	for _, c := range []struct {
		folder, imported string
		refused          bool
	}{
		{"internal/nhi", in("ledger"), true},
		{"internal/nhi", "golang.org/x/crypto/ssh", true},
		{"internal/nhi", "crypto/sha256", false},
		{"internal/policy", in("ledger"), true},
		{"internal/policy", in("workload"), false},
		{"internal/policy", in("workload/discovery"), true}, // it asks servers
		{"internal/lifecycle", in("workload/discovery"), false},
		{"internal/ledger", in("policy"), true},
		{"internal/ledger/local", in("ledger"), false},
		{"internal/ledger/local", in("pgurl"), true},
		{"internal/ledger/postgres", in("pgurl"), false},
		{"internal/ledger/postgres", in("connector/postgres"), true},
		{"internal/ledger/vault", in("vaulthttp"), false},
		{"internal/connector/vault", in("vaulthttp"), false},
		{"internal/connector/ssh", in("vaulthttp"), true},
		{"internal/vaulthttp", in("connector/vault"), true},
		{"internal/connector", in("lifecycle"), true},
		{"internal/connector/ssh", in("lifecycle"), true},
		{"internal/connector/ssh", in("connector/postgres"), true},
		{"internal/connector/ssh", in("connector/ssh/krl"), false},
		{"internal/connector/ssh/krl", in("connector/ssh"), false},
		{"internal/connector/ssh", in("ledger"), true},
		{"internal/connector/builtin", in("connector/ssh"), false},
		{"internal/channel", in("policy"), true},
		{"internal/channel", in("lifecycle"), true},
		{"internal/channel/hcp", in("channel"), false},
		{"internal/channel/hcp", in("workload/discovery"), false},
		{"internal/channel/hcp", in("ledger"), true},
		{"internal/channel/hcp", in("policy"), true},
		{"internal/channel/hcp", in("channel/other"), true},
		{"internal/channel/hcp", "github.com/hashicorp/terraform-plugin-framework/diag", true},
		{"internal/lifecycle", in("channel"), false},
		{"internal/lifecycle", in("channel/hcp"), true},
		{"internal/lifecycle", in("connector/ssh"), true},
		{"internal/lifecycle", in("ledger/local"), true},
		{"internal/lifecycle", in("provider"), true},
		{"internal/lifecycle", in("signature"), false},
		{"internal/lifecycle", "github.com/hashicorp/terraform-plugin-framework/diag", true},
		{"internal/cli", in("provider"), true},
		{"internal/provider", in("cli"), true},
		{"internal/provider", "github.com/hashicorp/terraform-plugin-framework/diag", false},
		{"", in("provider"), false},
		{"internal/novel", in("nhi"), true},
	} {
		if got := refused(c.folder, c.imported) != ""; got != c.refused {
			t.Errorf("%s imports %s: refused %t, want %t", c.folder, c.imported, got, c.refused)
		}
	}
}

// A file stays one that can be read in one go. Comments and empty lines are
// free, as they are for the linter.
func TestFilesAreShort(t *testing.T) {
	t.Parallel()
	for _, name := range sourceFiles(t) {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		lines := 0
		for line := range strings.Lines(string(source)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
				lines++
			}
		}
		if lines > longest {
			t.Errorf("%s has %d lines, and %d is the most allowed", name, lines, longest)
		}
	}
}
