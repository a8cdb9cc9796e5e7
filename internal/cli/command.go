package cli

import (
	"context"

	"github.com/spf13/cobra"
)

// app is one run of the tool.
type app struct {
	Options
	json    bool
	places  places
	started bool // the command line was understood
}

// places are the flags that say where things are.
type places struct{ config, ledger, policy, decisions string }

// command returns the tree of commands.
func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "nhi",
		Short: "Approve, audit and administer machine identities that Terraform manages",
		Long: `nhi is the tool of approvers and auditors. Started by Terraform, the same
program is the provider nhi-terraform/nhi.

Ledger, policy and decisions come from nhi.hcl in this folder, or from flags.`,
		Version:           a.Version,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.SetUsageTemplate(root.UsageTemplate() + "\n" + exitCodesHelp)
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print one JSON object instead of text")
	root.AddCommand(
		a.initCommand(), a.requestsCommand(), a.showCommand(), a.approveCommand(), a.denyCommand(), a.withdrawCommand(),
		a.policyCommand(), a.rootCommand(), a.baseCommand(), a.verifyCommand(), a.witnessCommand(), a.logCommand(),
		a.revokeCommand(), a.unblockCommand(), a.emergencyCommand(), a.reviewCommand(), a.sweepCommand(), a.orphansCommand(), a.rebuildCommand(),
	)
	return root
}

// runs makes do the action of a command, with the flags that say where things
// are.
func (a *app) runs(cmd *cobra.Command, do func(context.Context, []string) error) *cobra.Command {
	flags := cmd.Flags()
	flags.StringVar(&a.places.config, "config", "", "configuration file (default: nhi.hcl, where there is one)")
	flags.StringVar(&a.places.ledger, "ledger", "", "the ledger, instead of the one in nhi.hcl: a folder, or as in nhi.hcl, such as '{ s3 = { bucket = \"nhi\" } }'")
	flags.StringVar(&a.places.policy, "policy", "", "policy file, instead of the one in nhi.hcl")
	flags.StringVar(&a.places.decisions, "decisions", "", "folder of decision files, instead of the one in nhi.hcl")
	return a.does(cmd, do)
}

// does makes do the action of a command.
func (a *app) does(cmd *cobra.Command, do func(context.Context, []string) error) *cobra.Command {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		a.started = true
		return do(cmd.Context(), args)
	}
	return cmd
}
