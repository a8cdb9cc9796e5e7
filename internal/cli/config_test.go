package cli_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/cli"
)

func TestConfigurationIsStrict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for words, text := range map[string]string{
		`nhi.hcl line 2: unknown attribute "colour"`:              "environment = \"production\"\ncolour = 1",
		`nhi.hcl line 1: unknown block "ledger"`:                  "ledger {\n}",
		`nhi.hcl line 2: ledger is of no known kind "floppy"`:     "ledger = {\n floppy = {} }",
		`nhi.hcl line 1: ledger must have exactly one kind`:       `ledger = { local = { path = "a" }, local = { path = "b" } }`,
		`nhi.hcl line 1: ledger local: path is required`:          `ledger = { local = {} }`,
		`nhi.hcl line 1: ledger.local: unknown attribute "where"`: `ledger = { local = { where = "x" } }`,
		"nhi.hcl line 1: ledger must be an object":                `ledger = ".nhi"`,
		"nhi.hcl line 1: policy_file must be a string":            "policy_file = 3",
		"Variables not allowed":                                   "policy_file = var.x",
		"Function calls not allowed":                              `policy_file = file("x")`,
		"environment \"Prod\" may hold only":                      `environment = "Prod"`,
		"scope part":                                              `scope = "a//b"`,
		"braces are nested deeper than":                           "systems = " + strings.Repeat("{a=", 100) + strings.Repeat("}", 100),
		"Argument or block definition required":                   "!!",
		"longer than 65536 bytes":                                 strings.Repeat("#", 100_000),
		`runner must name exactly one of token_env`:               `runner = {}`,
		`runner vault must name exactly one of token_env`:         `runner = { vault = { address = "https://vault.internal:8200" } }`,
		`runner: unknown attribute "ssh_key_file"`:                `runner = { ssh_key_file = "x" }`,
		`requester must name a key or a token, and not both`:      `requester = { ssh_key_file = "x", github_actions = true }`,
		`requester.github_actions must be true or false`:          `requester = { github_actions = "yes" }`,
		`requester: unknown attribute "token"`:                    `requester = { token = "eyJ" }`,
		"nhi.hcl names no ledger":                                 `environment = "production"`,
	} {
		w.write(w.path("nhi.hcl"), text)
		w.fails(cli.ExitUsage, words, "requests")
	}
	must(t, os.Remove(w.path("nhi.hcl")))
	w.fails(cli.ExitUsage, "no such file", "requests")
	must(t, os.Mkdir(w.path("nhi.hcl"), 0o700))
	w.fails(cli.ExitUsage, "is not a file", "requests")
}

func TestTheProvidersOwnSettingsAreAccepted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(w.path("nhi.hcl"), w.read(w.path("nhi.hcl"))+`
read_only = true
runner = { github_actions = true }
systems = {
  orders = { postgres = { url = env("NHI_TEST_ORDERS_URL") } }
}
`)
	w.ok("requests")
}

func TestFlagsOverrideTheConfiguration(t *testing.T) {
	t.Parallel()
	w := asked(t)
	other := newWorld(t)
	w.pins = append(w.pins, other.pins...)
	if out := w.ok("requests", "--ledger", other.path(".nhi"), "--policy", other.path("policy.hcl")); !strings.Contains(out, "Nothing waits") {
		t.Errorf("requests said %s", out)
	}
	if out := w.ok("requests", "--decisions", w.path("none")); !strings.Contains(out, string(etl)) {
		t.Errorf("requests said %s", out)
	}
	w.fails(cli.ExitUnavailable, "the policy is for ledger", "requests", "--policy", other.path("policy.hcl"))
	broken := w.path("broken")
	must(t, os.Mkdir(broken, 0o700))
	w.write(filepath.Join(broken, "x.decision"), "nonsense")
	w.fails(cli.ExitUsage, "x.decision", "show", string(etl), "--decisions", broken)
}

func TestUsageErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for words, args := range map[string][]string{
		"unknown flag":              {"requests", "--what"},
		`unknown command "frob"`:    {"frob"},
		"accepts 1 arg":             {"show"},
		"say which":                 {"approve", "--yes"},
		"none of the others can be": {"approve", "x", "--prepare", "a", "--key", "b"},
	} {
		w.fails(cli.ExitUsage, words, args...)
	}
}

func TestAGroupOfCommandsIsNoCommand(t *testing.T) {
	t.Parallel()
	var out, errs strings.Builder
	code := cli.Run(context.Background(), []string{"policy", "frobnicate"}, cli.Options{Out: &out, Err: &errs})
	if code != cli.ExitUsage || !strings.Contains(errs.String(), `unknown command "frobnicate" for "nhi policy"`) {
		t.Errorf("exit %d: %s", code, errs.String())
	}
}

func TestHelpTellsTheExitCodes(t *testing.T) {
	t.Parallel()
	w := bare(t)
	for _, args := range [][]string{{}, {"init"}, {"requests"}, {"show"}, {"approve"}, {"deny"}, {"withdraw"}, {"log"}, {"policy"}, {"policy", "sign"}, {"policy", "publish"}, {"verify"}} {
		var out strings.Builder
		code := cli.Run(context.Background(), append(args, "--help"), cli.Options{Out: &out, Home: w.keys})
		if code != cli.ExitOK || !strings.Contains(out.String(), "3  ledger, policy or trust root") || !strings.Contains(out.String(), "--json") {
			t.Errorf("%v --help: exit %d\n%s", args, code, out.String())
		}
	}
}

func TestColour(t *testing.T) {
	t.Parallel()
	w := asked(t)
	args := []string{"show", string(etl), "--config", w.path("nhi.hcl")}
	options := cli.Options{Now: w.now, Pins: w.engine().Pins, Color: true}
	var plain, coloured, json strings.Builder
	options.Out = &coloured
	cli.Run(context.Background(), args, options)
	options.Out = &json
	cli.Run(context.Background(), append(args, "--json"), options)
	options.Out, options.Color = &plain, false
	cli.Run(context.Background(), args, options)
	if strings.Contains(plain.String(), "\x1b") || strings.Contains(json.String(), "\x1b") || !strings.Contains(coloured.String(), "\x1b[32m+\x1b[0m role") {
		t.Errorf("plain %q\ncoloured %q", plain.String(), coloured.String())
	}
}
