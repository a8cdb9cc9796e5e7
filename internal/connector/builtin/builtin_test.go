package builtin_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/builtin"
)

const suitePath = "github.com/nhi-terraform/terraform-provider-nhi/internal/connector/connectortest"

func TestKindsAreSortedAndNamedOnce(t *testing.T) {
	t.Parallel()
	var names []string
	for _, kind := range builtin.All() {
		names = append(names, kind.Name)
	}
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("kinds are %q, want them sorted, each once", names)
	}
}

// TestEveryKindRunsTheSuite looks into the _test.go files of each kind's
// folder for a test function that calls connectortest.Run, and into every
// folder that might be a connector for its line in builtin.
func TestEveryKindRunsTheSuite(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, kind := range builtin.All() {
		known[kind.Name] = true
		if !runsTheSuite(t, filepath.Join("..", kind.Name)) {
			t.Errorf("no test in internal/connector/%s calls connectortest.Run", kind.Name)
		}
	}
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if name := entry.Name(); entry.IsDir() && name != "builtin" && name != "connectortest" && !known[name] {
			t.Errorf("internal/connector/%s has no line in builtin", name)
		}
	}
}

// runsTheSuite says whether a Test function in folder calls the suite's Run.
func runsTheSuite(t *testing.T, folder string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(files, func(path string) bool {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		suite := importedAs(file)
		return suite != "" && slices.ContainsFunc(file.Decls, func(decl ast.Decl) bool {
			function, ok := decl.(*ast.FuncDecl)
			return ok && strings.HasPrefix(function.Name.Name, "Test") && calls(function, suite, "Run")
		})
	})
}

// importedAs returns the name under which a file imports the suite.
func importedAs(file *ast.File) string {
	for _, spec := range file.Imports {
		if path, err := strconv.Unquote(spec.Path.Value); err != nil || path != suitePath {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return "connectortest"
	}
	return ""
}

func calls(function *ast.FuncDecl, from, name string) bool {
	found := false
	ast.Inspect(function.Body, func(node ast.Node) bool {
		call, ok := node.(*ast.CallExpr)
		if !ok {
			return true
		}
		selector, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		of, ok := selector.X.(*ast.Ident)
		found = found || ok && of.Name == from && selector.Sel.Name == name
		return true
	})
	return found
}
