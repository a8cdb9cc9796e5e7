package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// examplePatterns name the files of examples beside a policy.
var examplePatterns = []string{"policy_test.hcl", "*.nhitest.hcl"}

func (a *app) policyTestCommand() *cobra.Command {
	file := ""
	cmd := &cobra.Command{
		Use:   "test [FILE…]",
		Short: "Run the examples that are kept beside the policy",
		Long: `Puts each example to the policy: a request, who approves it, and what must
come of it. Without files it takes policy_test.hcl and *.nhitest.hcl beside the
policy. It needs no ledger, no signature and no clock, so it runs in any CI: what
people would sign is supposed, and judged by the same code.

It exits with 0 where every example comes out as expected, with 1 where one does
not, and with 2 where a file is wrong or there is no example.`,
		Example: "  nhi policy test\n  nhi policy test --file policy.hcl agents.nhitest.hcl",
	}
	cmd.Flags().StringVar(&file, "file", "", "policy file (default: that of nhi.hcl, else policy.hcl)")
	return a.runs(cmd, func(_ context.Context, args []string) error { return a.policyTest(file, args) })
}

// policyPath is the policy that is named, else that of nhi.hcl, else the usual
// one. It needs no ledger.
func (a *app) policyPath(file string) (string, error) {
	if file = cmp.Or(file, a.places.policy); file != "" {
		return file, nil
	}
	c, err := a.readConfig(cmp.Or(a.places.config, configName))
	if errors.Is(err, fs.ErrNotExist) && a.places.config == "" {
		return policyName, nil
	}
	return cmp.Or(c.policyFile, policyName), err
}

// exampleResult is a result with the file that the example stands in.
type exampleResult struct {
	File string `json:"file"`
	policy.Result
}

func (a *app) policyTest(file string, names []string) error {
	path, err := a.policyPath(file)
	if err != nil {
		return err
	}
	source, err := readFile(path, policy.MaxBytes)
	if err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	document, err := policy.Parse(source)
	if err != nil {
		return fmt.Errorf("%s:\n%w", path, err)
	}
	if names, err = examplesBeside(path, names); err != nil {
		return err
	}
	var results []exampleResult
	for _, name := range names {
		source, err := readFile(name, policy.MaxBytes)
		if err != nil {
			return err
		}
		examples, err := policy.ParseExamples(source)
		if err != nil {
			return fmt.Errorf("%s:\n%w", name, err)
		}
		for _, example := range examples {
			results = append(results, exampleResult{filepath.Base(name), example.Run(document)})
		}
	}
	if len(results) == 0 {
		return usage("there is no example beside %s (%s or %s)", path, examplePatterns[0], examplePatterns[1])
	}
	return a.reportExamples(results)
}

// examplesBeside are the files that were named, else those beside the policy.
func examplesBeside(path string, names []string) ([]string, error) {
	if len(names) > 0 {
		return names, nil
	}
	for _, pattern := range examplePatterns {
		found, err := filepath.Glob(filepath.Join(filepath.Dir(path), pattern))
		if err != nil {
			return nil, err
		}
		names = append(names, found...)
	}
	slices.Sort(names)
	return names, nil
}

// reportExamples prints one line for each example, and why for those that
// failed.
func (a *app) reportExamples(results []exampleResult) error {
	page, failed := a.page(), 0
	for _, result := range results {
		if result.Passed {
			page.line("ok    %s: %s", result.File, result.Example)
			continue
		}
		failed++
		page.styled(red, "", "FAIL  %s:%d: %s", result.File, result.Line, result.Example)
		for _, problem := range result.Problems {
			page.line("      %s", problem)
		}
		if result.Explanation != nil {
			e := result.Explanation
			for _, text := range slices.Concat(e.Denied, e.Held, e.Needs) {
				page.line("      | %s", text)
			}
		}
	}
	page.line("%d passed, %d failed.", len(results)-failed, failed)
	if err := a.show(page); err != nil {
		return err
	}
	if err := a.emit(map[string]any{"passed": len(results) - failed, "failed": failed, "examples": results}); err != nil {
		return err
	}
	if failed > 0 {
		return wrong("%s did not come out as expected", count(failed, "example"))
	}
	return nil
}
