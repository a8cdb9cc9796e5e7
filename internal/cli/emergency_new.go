package cli

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/spf13/cobra"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/durable"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// emergencyFlags are the flags of emergency new.
type emergencyFlags struct {
	identity, name, owner, purpose, reason string
	lasts                                  time.Duration
	access                                 []string
	kit, out                               string
}

func (a *app) emergencyNewCommand() *cobra.Command {
	const usual = 4 * time.Hour
	flags := emergencyFlags{}
	cmd := &cobra.Command{
		Use:   "new",
		Short: "Write down what access an emergency asks for",
		Long: `Writes a file that holders of root keys then sign. The systems are those of
nhi.hcl; the settings of an access are those that nhi_approval has for its kind.
Nothing is contacted, and nothing is given.

The end is fixed now, not when it is granted: at most a day from here.`,
		Example: `  nhi emergency new --identity production/payments/etl/orders-etl \
    --owner ana@example.com --purpose "Nightly export of orders" \
    --reason "INC-4711: orders are stuck" --for 4h \
    --access db=orders:'{ roles = ["orders_rw"] }' --out incident.emergency`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&flags.identity, "identity", "", "whom it is for, ENVIRONMENT/SCOPE/NAME")
	f.StringVar(&flags.name, "name", "emergency", "name of the grant: another one where that of an earlier emergency is still in force or blocked")
	f.StringVar(&flags.owner, "owner", "", "who answers for the identity")
	f.StringVar(&flags.purpose, "purpose", "", "what the identity is for")
	f.StringVar(&flags.reason, "reason", "", "why, for those who sign and for the record")
	f.DurationVar(&flags.lasts, "for", usual, "how long from now, 24h at most")
	f.StringArrayVar(&flags.access, "access", nil, "TARGET=SYSTEM:{ SETTING = VALUE }; can be repeated")
	f.StringVar(&flags.kit, "kit", "", "the kit (default: "+kitName+" beside nhi.hcl)")
	f.StringVar(&flags.out, "out", "incident.emergency", "new file to write")
	return a.runs(cmd, func(_ context.Context, _ []string) error { return a.emergencyNew(flags) })
}

func (a *app) emergencyNew(flags emergencyFlags) error {
	d, err := a.open()
	if err != nil {
		return err
	}
	defer d.close()
	kit, err := a.kit(flags.kit)
	if err != nil {
		return err
	}
	emergency, err := a.emergencyOf(d, flags, kit)
	if err != nil {
		return err
	}
	text, err := emergency.Text()
	if err != nil {
		return err
	}
	_, root, err := d.engine.PinnedEmergency(text)
	if err != nil {
		return err
	}
	if err := d.engine.Systems.CheckAccess(emergency.Access); err != nil {
		return err
	}
	if err := durable.CreateFile(flags.out, []byte(text), fileMode); errors.Is(err, fs.ErrExist) {
		return usage("%s is there already, and is not replaced", flags.out)
	} else if err != nil {
		return err
	}
	p := a.page()
	a.describeEmergency(p, emergency, root, a.Now())
	p.gap()
	p.line("Written to %s. %d of the %d holders of root keys must sign it:", flags.out, root.Threshold, len(root.Keys))
	p.line("  nhi emergency sign %s", flags.out)
	return errors.Join(a.show(p), a.emit(map[string]any{"file": flags.out, "grant": emergency.Grant, "digest": nhi.DigestOf(text),
		"not_after": nhi.FormatTime(emergency.NotAfter), "threshold": root.Threshold}))
}

// emergencyOf is what the flags ask for.
func (a *app) emergencyOf(d *desk, flags emergencyFlags, kit nhi.EmergencyKit) (nhi.Emergency, error) {
	identity, err := nhi.ParseIdentityID(flags.identity)
	if err != nil {
		return nhi.Emergency{}, usage("--identity: %w", err)
	}
	for name, value := range map[string]string{"--owner": flags.owner, "--purpose": flags.purpose, "--reason": flags.reason} {
		if value == "" {
			return nhi.Emergency{}, usage("say %s: those who sign must know", name)
		}
	}
	if flags.lasts <= 0 || flags.lasts > nhi.MaxEmergency {
		return nhi.Emergency{}, usage("--for %s must be more than nothing, and at most %s", flags.lasts, nhi.FormatTTL(nhi.MaxEmergency))
	}
	const nonceBytes = 16
	random := make([]byte, nonceBytes)
	_, _ = rand.Read(random) // never fails, by its own documentation
	now := a.Now().UTC().Truncate(time.Second)
	emergency := nhi.Emergency{
		Ledger: kit.Ledger, Root: kit.Root, Grant: nhi.ApprovalID(string(identity) + ":" + flags.name),
		Owner: flags.owner, Purpose: flags.purpose, Reason: flags.reason, Nonce: hex.EncodeToString(random),
		MadeAt: now, NotAfter: now.Add(flags.lasts).Truncate(time.Second), Access: nhi.Accesses{},
	}
	if len(flags.access) == 0 {
		return emergency, usage(`say --access TARGET=SYSTEM:'{ SETTING = VALUE }'`)
	}
	for _, arg := range flags.access {
		key, access, err := a.emergencyAccess(d, arg)
		if err != nil {
			return emergency, err
		}
		if _, twice := emergency.Access[key]; twice {
			return emergency, usage("--access %s: the target stands twice", key)
		}
		emergency.Access[key] = access
	}
	return emergency, nil
}

// emergencyAccess reads TARGET=SYSTEM:{ … } against the systems of nhi.hcl.
func (a *app) emergencyAccess(d *desk, arg string) (string, nhi.Access, error) {
	key, rest, named := strings.Cut(arg, "=")
	name, object, placed := strings.Cut(rest, ":")
	if !named || !placed {
		return "", nhi.Access{}, usage("--access %q is not TARGET=SYSTEM:{ SETTING = VALUE }", arg)
	}
	for _, system := range d.systems {
		if system.name != name {
			continue
		}
		access := nhi.Access{System: name, Kind: system.kind}
		var err error
		if access.Endpoint, err = d.engine.Systems.Endpoint(name, system.kind); err != nil {
			return "", access, err
		}
		access.Settings, err = a.settingsOf(key, system.kind, object)
		return key, access, err
	}
	return "", nhi.Access{}, usage("--access %s: there is no system %q in the configuration (%s)", key, name, joined(d.engine.Systems.Names()))
}

// settingsOf reads the settings of an access, and writes out the defaults.
func (a *app) settingsOf(key, kind, object string) (nhi.Values, error) {
	described, _ := a.kind(kind)
	r := &configReader{name: "--access " + key, kinds: a.Kinds}
	values := nhi.Values{}
	if body := r.syntax([]byte("settings = " + object + "\n")); body != nil {
		for _, pair := range r.pairs(only(body), "its settings") {
			field, known := fieldIn(described.Access, pair.name)
			if !known {
				r.fail(pair.at, "kind %s has no setting %q", kind, pair.name)
				continue
			}
			value, err := r.setting(field, pair)
			if err != nil {
				return nil, &failure{ExitUsage, err}
			}
			values[field.Name] = value
		}
	}
	if err := r.err(); err != nil {
		return nil, &failure{ExitUsage, err}
	}
	complete, wrong := setting.Complete(described.Access, values)
	if len(wrong) > 0 {
		return nil, usage("--access %s: %w", key, wrong[0])
	}
	return complete, nil
}

// only returns the one expression of a body that was written as settings = ….
// What else stands in it makes it no object.
func only(body *hclsyntax.Body) hclsyntax.Expression {
	if len(body.Blocks) > 0 || len(body.Attributes) != 1 {
		return &hclsyntax.LiteralValueExpr{}
	}
	return body.Attributes["settings"].Expr
}
