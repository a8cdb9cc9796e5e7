package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/durable"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// credentialFlagHelp explains --credentials.
const credentialFlagHelp = "new file for the credentials, as JSON that only you can read (default: they are printed)"

func (a *app) emergencyGrantCommand() *cobra.Command {
	yes, out := false, ""
	cmd := &cobra.Command{
		Use:   "grant FILE",
		Short: "Put a signed emergency in force, and issue its credentials",
		Long: `Verifies the signatures against the pinned trust root, and gives the access on
every system, or on none. It serves once. Where the ledger answers, it is asked
and recorded at once; else what is done waits on this machine, and is recorded by
nhi emergency record, or by the next apply or nhi sweep --revoke here.

What can issue a credential does, until the end of the emergency.`,
		Example: "  nhi emergency grant incident.emergency --credentials incident.json",
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().StringVar(&out, "credentials", "", credentialFlagHelp)
	return a.runs(cmd, func(ctx context.Context, args []string) error { return a.emergencyGrant(ctx, args[0], out, yes) })
}

func (a *app) emergencyCredentialCommand() *cobra.Command {
	out := ""
	cmd := &cobra.Command{
		Use:   "credential FILE",
		Short: "Issue the credentials of an emergency in force once more",
		Long:  "Issues new credentials for an emergency that this machine has granted, until its end: for when the first ones were lost.",
		Args:  cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&out, "credentials", "", credentialFlagHelp)
	return a.runs(cmd, func(ctx context.Context, args []string) error {
		d, err := a.open()
		if err != nil {
			return err
		}
		defer d.close()
		signed, emergency, err := readEmergency(args[0])
		if err != nil {
			return err
		}
		if err := vacantFile(out); err != nil {
			return err
		}
		return a.emergencyCredentials(ctx, d, signed.Text, emergency, out)
	})
}

func (a *app) emergencyGrant(ctx context.Context, path, out string, yes bool) error {
	d, err := a.open()
	if err != nil {
		return err
	}
	defer d.close()
	signed, emergency, err := readEmergency(path)
	if err != nil {
		return err
	}
	_, root, err := d.engine.PinnedEmergency(signed.Text)
	if err != nil {
		return err
	}
	have, problems, err := policy.EmergencySigners(signed.Text, signed.Signatures, root)
	if err != nil {
		return err
	}
	p := &page{color: a.Color && !a.json}
	a.describeEmergency(p, emergency, root, a.Now())
	p.signedBy(have, problems, root)
	a.aside(p)
	if err := errors.Join(vacantFile(out), policy.VerifyEmergency(signed.Text, signed.Signatures, root)); err != nil {
		return err
	}
	if err := a.sure(ctx, "Give this access now?", yes); err != nil {
		return err
	}
	granted, err := d.engine.GrantEmergency(ctx, signed, a.Now)
	if err != nil {
		return err
	}
	a.aside(a.inForce(path, emergency, granted))
	return a.emergencyCredentials(ctx, d, signed.Text, emergency, out)
}

// inForce says what was given, and what is left to do.
func (a *app) inForce(path string, emergency nhi.Emergency, granted lifecycle.GrantedEmergency) *page {
	p := &page{color: a.Color && !a.json}
	p.gap()
	for _, key := range slices.Sorted(maps.Keys(granted.Record.Targets)) {
		target := granted.Record.Targets[key]
		p.marked("✓", green, "%s: %s on %s", key, target.Principal, whereIs(target.System, target.Kind, target.Endpoint))
	}
	p.line("In force until %s.", nhi.FormatTime(emergency.NotAfter))
	if granted.Away != nil {
		p.marked("!", yellow, "The ledger could not be asked, so this waits on this machine: %s", granted.Away)
		p.line("  When it is back: nhi emergency record")
	}
	p.line("To end it: nhi emergency revoke %s", path)
	return p
}

// vacantFile holds where a file that is to be written is not there yet: looked
// at before anything is given, so that no credential is lost.
func vacantFile(path string) error {
	if path != "" && exists(path) {
		return usage("%s is there already, and is not replaced", path)
	}
	return nil
}

// emergencyCredentials issues a credential on every target that can, and shows
// them once, or keeps them in a file. One that fails does not keep the others.
func (a *app) emergencyCredentials(ctx context.Context, d *desk, text string, emergency nhi.Emergency, out string) error {
	issued, failed := map[string]map[string]string{}, error(nil)
	for _, key := range emergency.Access.Keys() {
		if kind, known := a.kind(emergency.Access[key].Kind); !known || len(kind.Credential) == 0 {
			continue
		}
		made, err := d.engine.IssueEmergency(ctx, text, key, a.Now)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("target %q: %w", key, err))
			continue
		}
		values := map[string]string{"expires_at": nhi.FormatTime(made.ExpiresAt)}
		for name, secret := range made.Values {
			values[name] = secret.Reveal()
		}
		issued[key] = values
	}
	if failed != nil {
		failed = fmt.Errorf("the access is in force, and not every credential was issued (nhi emergency credential tries again): %w", failed)
	}
	return errors.Join(a.handOut(issued, out), failed)
}

// handOut shows credentials, or writes them into a new file.
func (a *app) handOut(issued map[string]map[string]string, out string) error {
	if out == "" {
		p := a.page()
		for _, key := range slices.Sorted(maps.Keys(issued)) {
			p.gap()
			p.styled(bold, "", "Credential for %s, shown this once", key)
			for _, name := range slices.Sorted(maps.Keys(issued[key])) {
				p.field(name, "%s", issued[key][name])
			}
		}
		return errors.Join(a.show(p), a.emit(map[string]any{"credentials": issued}))
	}
	data, err := json.MarshalIndent(issued, "", "  ")
	if err != nil {
		return fmt.Errorf("credentials: %w", err)
	}
	staged, err := durable.Stage(out, append(data, '\n'), secretMode)
	if err != nil {
		return err
	}
	if err := durable.Settle(staged, out); errors.Is(err, fs.ErrExist) {
		return usage("%s is there already, and is not replaced", out)
	} else if err != nil {
		return err
	}
	a.note("The credentials are in %s.", out)
	return a.emit(map[string]any{"file": out})
}
