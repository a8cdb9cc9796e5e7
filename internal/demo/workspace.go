package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// providerVersion is the version that the demo installs.
const providerVersion = "0.1.0"

// workspace is a temporary folder with everything of the story in it:
//
//	work/      where the story's people run Terraform and nhi
//	home/      the home folder of every command
//	mirror/    the installed provider
//	tmp/       the temporary folder of every command
type workspace struct {
	root    string
	cli     string // Terraform's or OpenTofu's path
	product string // "Terraform v1.11.4"
	env     []string
}

// newWorkspace makes the folders, and the settings of all commands.
func newWorkspace(ctx context.Context, cli string) (*workspace, error) {
	cli, err := exec.LookPath(cli)
	if err != nil {
		return nil, err
	}
	cli, err = filepath.Abs(cli)
	if err != nil {
		return nil, err
	}
	root, err := os.MkdirTemp("", "nhi-demo-")
	if err != nil {
		return nil, err
	}
	w := &workspace{root: root, cli: cli}
	for _, name := range []string{"work/keys", "home", "mirror", "tmp"} {
		err = errors.Join(err, os.MkdirAll(w.path(name), 0o700))
	}
	w.env = append(inherited(), "HOME="+w.path("home"), "TMPDIR="+w.path("tmp"),
		"CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1", "TF_CLI_CONFIG_FILE="+w.path("cli.tfrc"))
	settings := fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", w.path("mirror"))
	err = errors.Join(err, os.WriteFile(w.path("cli.tfrc"), []byte(settings), 0o600))
	if err == nil {
		err = w.identify(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, w.remove())
	}
	return w, nil
}

// inherited is all that commands see of the user's environment.
func inherited() (env []string) {
	for _, name := range []string{"PATH", "LANG", "SystemRoot"} {
		if value, set := os.LookupEnv(name); set {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// identify asks the CLI what it is.
func (w *workspace) identify(ctx context.Context) error {
	done, err := w.run(ctx, w.cli, "version")
	if err != nil {
		return err
	}
	w.product, _, _ = strings.Cut(done.text, "\n")
	if done.code != 0 || !strings.HasPrefix(w.product, "Terraform v") && !strings.HasPrefix(w.product, "OpenTofu v") {
		return fmt.Errorf("%s is no Terraform and no OpenTofu: %s", w.cli, done.text)
	}
	return nil
}

// name is how a user calls the CLI.
func (w *workspace) name() string {
	if strings.HasPrefix(w.product, "OpenTofu") {
		return "tofu"
	}
	return "terraform"
}

// registry is where the CLI looks for providers that name no host.
func (w *workspace) registry() string {
	if w.name() == "tofu" {
		return "registry.opentofu.org"
	}
	return "registry.terraform.io"
}

func (w *workspace) path(name string) string { return filepath.Join(w.root, filepath.FromSlash(name)) }

func (w *workspace) knownHosts() string { return w.path("work/known_hosts") }

// binary is the provider in the mirror, which is also the tool nhi.
func (w *workspace) binary() string {
	path := fmt.Sprintf("mirror/%s/nhi-terraform/nhi/%s/%s_%s/terraform-provider-nhi_v%s",
		w.registry(), providerVersion, runtime.GOOS, runtime.GOARCH, providerVersion)
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	return w.path(path)
}

// build builds the provider into the mirror, with the user's own Go settings
// and cache. Where the cache is empty that takes minutes, so it has no limit.
func (w *workspace) build(ctx context.Context) error {
	env := append(os.Environ(), "GOTMPDIR="+w.path("tmp"))
	done, err := execute(ctx, "", env, "go", "build", "-buildvcs=false",
		"-ldflags=-X main.version="+providerVersion, "-o", w.binary(), module)
	if err == nil && done.code != 0 {
		err = errors.New("go build: " + done.text)
	}
	return err
}

// module is the program that is built.
const module = "github.com/nhi-terraform/terraform-provider-nhi"

// write writes a file of the people's folder.
func (w *workspace) write(name, content string) error {
	return os.WriteFile(w.path("work/"+name), []byte(content), 0o600)
}

// commandLimit is the longest that a command of the story may take.
const commandLimit = 3 * time.Minute

// run runs a command in the people's folder.
func (w *workspace) run(ctx context.Context, name string, args ...string) (answered, error) {
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	return execute(ctx, w.path("work"), w.env, name, args...)
}

// remove removes everything.
func (w *workspace) remove() error { return os.RemoveAll(w.root) }
