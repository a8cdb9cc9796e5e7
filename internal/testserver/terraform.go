package testserver

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Workspace is a folder with a Terraform configuration, and the real CLI
// (Terraform or OpenTofu) that runs the real provider binary in it.
type Workspace struct {
	Dir  string
	Env  []string // added to every command
	cli  string
	mu   sync.Mutex
	skew time.Duration
}

// Result is how one command ended.
type Result struct {
	Code   int
	Stdout string
	Stderr string
}

// Text is all that the command printed, without the frame that Terraform draws
// around messages and with single spaces, so that a sentence can be looked for
// wherever its lines were broken.
func (r Result) Text() string {
	text := strings.NewReplacer("│", " ", "╷", " ", "╵", " ").Replace(r.Stdout + "\n" + r.Stderr)
	return strings.Join(strings.Fields(text), " ")
}

// TerraformPath returns the CLI under test: TF_ACC_TERRAFORM_PATH, else
// terraform, else tofu on PATH.
func TerraformPath(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("TF_ACC_TERRAFORM_PATH"); path != "" {
		return path
	}
	if path, err := exec.LookPath("terraform"); err == nil {
		return path
	}
	return Require(t, "tofu")
}

// NewWorkspace makes an empty workspace whose configuration may use the
// provider "nhi-terraform/nhi" without terraform init.
func NewWorkspace(t testing.TB) *Workspace {
	t.Helper()
	w := &Workspace{Dir: t.TempDir(), cli: TerraformPath(t)}
	outside := t.TempDir()
	cliConfig := filepath.Join(outside, "cli.tfrc")
	write(t, cliConfig, `provider_installation {
  dev_overrides { "nhi-terraform/nhi" = "`+filepath.Dir(Binary(t))+`" }
  direct {}
}
`)
	w.Env = []string{
		"TF_CLI_CONFIG_FILE=" + cliConfig, "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1",
		"HOME=" + outside, "XDG_CACHE_HOME=" + filepath.Join(outside, "cache"), "SSH_AUTH_SOCK=",
		ClockFile + "=" + filepath.Join(outside, "clock"),
	}
	w.SetClock(t, 0)
	return w
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Write writes a file of the configuration.
func (w *Workspace) Write(t testing.TB, name, content string) {
	t.Helper()
	write(t, filepath.Join(w.Dir, name), content)
}

// SetClock sets how far ahead of the machine's clock the binary is.
func (w *Workspace) SetClock(t testing.TB, ahead time.Duration) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.skew = ahead
	for _, variable := range w.Env {
		if path, ok := strings.CutPrefix(variable, ClockFile+"="); ok {
			write(t, path, ahead.String())
		}
	}
}

// Advance moves the binary's clock on.
func (w *Workspace) Advance(t testing.TB, by time.Duration) {
	t.Helper()
	w.mu.Lock()
	skew := w.skew
	w.mu.Unlock()
	w.SetClock(t, skew+by)
}

// commandDeadline bounds one command of the CLI.
const commandDeadline = 3 * time.Minute

// Command prepares a command of the CLI in the workspace.
func (w *Workspace) Command(ctx context.Context, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, w.cli, args...)
	command.Dir = w.Dir
	command.Env = append(cleanEnvironment(), w.Env...)
	return command
}

// cleanEnvironment is the environment without what would change a run.
func cleanEnvironment() []string {
	var kept []string
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "TF_") && !strings.HasPrefix(variable, "NHI_") && !strings.HasPrefix(variable, "PG") {
			kept = append(kept, variable)
		}
	}
	return kept
}

// Run runs a command of the CLI, whatever its exit code.
func (w *Workspace) Run(t testing.TB, args ...string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), commandDeadline)
	defer cancel()
	return run(t, w.Command(ctx, args...))
}

func run(t testing.TB, command *exec.Cmd) Result {
	t.Helper()
	var stdout, stderr strings.Builder
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", strings.Join(command.Args, " "), err)
	}
	return Result{Code: command.ProcessState.ExitCode(), Stdout: stdout.String(), Stderr: stderr.String()}
}

// Plan plans with -detailed-exitcode (0: no changes, 2: changes, 1: error).
func (w *Workspace) Plan(t testing.TB, args ...string) Result {
	t.Helper()
	return w.Run(t, append([]string{"plan", "-no-color", "-input=false", "-detailed-exitcode", "-lock-timeout=60s"}, args...)...)
}

// Apply applies without asking.
func (w *Workspace) Apply(t testing.TB, args ...string) Result {
	t.Helper()
	return w.Run(t, append([]string{"apply", "-no-color", "-input=false", "-auto-approve"}, args...)...)
}

// Destroy destroys without asking.
func (w *Workspace) Destroy(t testing.TB, args ...string) Result {
	t.Helper()
	return w.Run(t, append([]string{"destroy", "-no-color", "-input=false", "-auto-approve"}, args...)...)
}

// Show returns a saved plan, or with an empty name the state, as JSON.
func (w *Workspace) Show(t testing.TB, plan string) map[string]any {
	t.Helper()
	args := []string{"show", "-json"}
	if plan != "" {
		args = append(args, plan)
	}
	result := w.Run(t, args...)
	shown := map[string]any{}
	if err := json.Unmarshal([]byte(result.Stdout), &shown); err != nil {
		t.Fatalf("show: %v\n%s", err, result.Stderr)
	}
	return shown
}

// NHI runs the provider's own binary as a person does.
func (w *Workspace) NHI(t testing.TB, args ...string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), commandDeadline)
	defer cancel()
	command := exec.CommandContext(ctx, Binary(t), args...)
	command.Dir = w.Dir
	command.Env = append(cleanEnvironment(), w.Env...)
	return run(t, command)
}
