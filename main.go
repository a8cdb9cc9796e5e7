// Command terraform-provider-nhi is the plugin when Terraform starts it, and
// the tool of approvers and auditors when a person does.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/hashicorp/terraform-plugin-framework/providerserver"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/cli"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/provider"
)

// version is set by the linker (-X main.version=…).
var version = "dev"

const (
	address         = "registry.terraform.io/nhi-terraform/nhi"
	protocolVersion = 6
	// cookieVariable is what Terraform sets for every plugin that it starts.
	cookieVariable = "TF_PLUGIN_MAGIC_COOKIE"
)

func main() { os.Exit(run(os.Args[1:])) }

// run is the program; it returns the exit code.
func run(args []string) int {
	debug := len(args) > 0 && !slices.ContainsFunc(args, func(arg string) bool { return !isDebugFlag(arg) })
	started := len(args) == 0 && os.Getenv(cookieVariable) != ""
	if debug || started {
		return serve(debug)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	options := cli.Process(version)
	options.Now = now
	return cli.Run(ctx, args, options)
}

func isDebugFlag(arg string) bool {
	return slices.Contains([]string{"-debug", "--debug", "-debug=true", "--debug=true"}, arg)
}

// serve is the plugin. With debug a person's debugger is the parent, and
// Terraform finds the plugin by TF_REATTACH_PROVIDERS.
func serve(debug bool) int {
	options := provider.Options{Now: now}
	if !debug {
		parent := os.Getppid()
		options.Alive = func() bool { return os.Getppid() == parent }
		go leaveWith(parent, os.Getppid, time.Tick(time.Second), os.Exit)
	}
	err := providerserver.Serve(context.Background(), provider.New(version, options), providerserver.ServeOpts{
		Address: address, ProtocolVersion: protocolVersion, Debug: debug,
	})
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "Error:", err)
		return 1
	}
	return 0
}

// leaveWith ends the process when its parent has died: a plugin of a killed
// Terraform would otherwise live on, half-way through an apply that the next
// one takes up. An orphan is given another parent (process 1, or a
// subreaper), so any change says it. Windows never reports one; there the
// ledger alone keeps a left-over plugin from doing anything. What was about to be
// sent until then is not sent: the engine looks at the parent before each effect.
func leaveWith(parent int, current func() int, ticks <-chan time.Time, exit func(int)) {
	for range ticks {
		if current() != parent {
			exit(1)
			return
		}
	}
}
