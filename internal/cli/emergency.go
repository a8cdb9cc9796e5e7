package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// kitName is the usual name of what must be at hand in an emergency, beside the
// configuration.
const kitName = "emergency.kit"

func (a *app) emergencyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "emergency",
		Short: "Break glass: access signed by the trust root, also while the ledger is down",
		Long: `Access that holders of the trust root's keys give by their signatures alone,
for at most a day. It is for an incident in which the ledger, or the people who
approve, cannot be reached.

  nhi emergency new      writes what is asked for into a file
  nhi emergency sign     adds a holder's signature, on the holder's own machine
  nhi emergency grant    puts it in force, and issues the credentials
  nhi emergency revoke   ends it
  nhi emergency record   writes to the ledger what waits, once that is back

Prepare while all is well: nhi emergency kit > emergency.kit`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.emergencyKitCommand(), a.emergencyNewCommand(), a.emergencySignCommand(), a.emergencyGrantCommand(),
		a.emergencyCredentialCommand(), a.emergencyRevokeCommand(), a.emergencyRecordCommand())
	return cmd
}

func (a *app) emergencyKitCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "kit",
		Short: "Print what must be at hand to write an emergency without the ledger",
		Long: `Prints the ledger's id and its trust root, which has to be pinned here. Nothing in
it is secret: keep it as emergency.kit beside nhi.hcl, and make it anew when the
trust root changes.`,
		Example: "  nhi emergency kit > emergency.kit",
		Args:    cobra.NoArgs,
	}
	return a.runs(cmd, func(context.Context, []string) error {
		d, err := a.open()
		if err != nil {
			return err
		}
		defer d.close()
		if _, err := d.engine.Root(); err != nil {
			return err
		}
		book, err := d.engine.Book()
		if err != nil {
			return err
		}
		text, err := nhi.EmergencyKit{Ledger: book.ID(), Root: book.RootText()}.Text()
		if err != nil {
			return err
		}
		if !a.json {
			_, err = io.WriteString(a.Out, text)
		}
		return errors.Join(err, a.emit(map[string]any{"ledger": book.ID(), "root": book.RootText()}))
	})
}

func (a *app) emergencyRecordCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "record",
		Short: "Write to the ledger what waits on this machine",
		Long: `Writes to the ledger what was done on this machine while it was away. Every apply
and every nhi sweep --revoke on this machine does that too.`,
		Args: cobra.NoArgs,
	}
	return a.runs(cmd, func(ctx context.Context, _ []string) error {
		d, err := a.open()
		if err != nil {
			return err
		}
		defer d.close()
		if err := d.engine.Flush(ctx); err != nil {
			return fmt.Errorf("not everything is recorded yet: %w", err)
		}
		p := a.page()
		p.styled(green, "", "Everything that was done on this machine is in the ledger.")
		return errors.Join(a.show(p), a.emit(map[string]any{"waiting": 0}))
	})
}

// readEmergency reads an emergency file and the signatures beside it. Nothing
// is verified yet.
func readEmergency(path string) (lifecycle.SignedEmergency, nhi.Emergency, error) {
	var signed lifecycle.SignedEmergency
	text, err := readFile(path, nhi.MaxEmergencyBytes)
	if err != nil {
		return signed, nhi.Emergency{}, err
	}
	signatures, err := readFile(path+".sig", maxSignatures)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return signed, nhi.Emergency{}, err
	}
	signed = lifecycle.SignedEmergency{Text: string(text), Signatures: string(signatures)}
	emergency, err := nhi.ParseEmergency(signed.Text)
	if err != nil {
		return signed, emergency, fmt.Errorf("%s: %w", path, err)
	}
	return signed, emergency, nil
}

// kit reads what must be at hand: the named file, or the one beside the
// configuration.
func (a *app) kit(named string) (nhi.EmergencyKit, error) {
	path := named
	if path == "" {
		path = filepath.Join(filepath.Dir(a.places.config), kitName)
	}
	const longest = 1 << 20
	text, err := readFile(path, longest)
	if errors.Is(err, fs.ErrNotExist) {
		return nhi.EmergencyKit{}, usage("%w: it is made by nhi emergency kit > %s while the ledger answers; any holder of a root key may have a copy", err, kitName)
	}
	if err != nil {
		return nhi.EmergencyKit{}, err
	}
	kit, err := nhi.ParseEmergencyKit(string(text))
	if err != nil {
		return kit, fmt.Errorf("%s: %w", path, err)
	}
	return kit, nil
}
