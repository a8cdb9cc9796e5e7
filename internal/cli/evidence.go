package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/durable"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// evidenceFlags are the flags of verify --targets.
type evidenceFlags struct {
	targets, all bool
	out, key     string
}

// errDiffers says that a system does not hold what the ledger says.
var errDiffers = errors.New("the systems do not hold what the ledger says")

// report is what verify --targets found, as it is written in JSON.
type report struct {
	Format  string        `json:"format"`
	Tool    string        `json:"tool"`
	Time    string        `json:"time"` // of the ledger
	Ledger  string        `json:"ledger"`
	OK      bool          `json:"ok"`
	Grants  []reportGrant `json:"grants"`
	Unknown []string      `json:"unknown"` // what was asked about and has no grant
}

type reportGrant struct {
	Grant      nhi.ApprovalID      `json:"grant"`
	Ledger     string              `json:"ledger_says"` // active, revoked, …
	OK         bool                `json:"ok"`
	Activation int                 `json:"activation"`
	StartedAt  *time.Time          `json:"started_at,omitempty"`
	ExpiresAt  *time.Time          `json:"expires_at,omitempty"`
	Due        string              `json:"due,omitempty"`
	Error      string              `json:"error,omitempty"`
	Heads      map[string]nhi.Head `json:"heads"`
	Targets    []reportTarget      `json:"targets"`
}

type reportTarget struct {
	Target     string   `json:"target"`
	System     string   `json:"system"`
	Kind       string   `json:"kind"`
	Endpoint   string   `json:"endpoint"`
	Principal  string   `json:"principal"`
	ID         string   `json:"id,omitempty"`
	Expected   string   `json:"expected"` // active or gone
	State      string   `json:"state,omitempty"`
	Probe      string   `json:"probe,omitempty"`
	Verified   bool     `json:"verified"` // the system itself said so
	Privileges []string `json:"privileges"`
	Findings   []string `json:"findings"`
	Differs    string   `json:"differs,omitempty"`
}

func (a *app) verifyTargets(ctx context.Context, args []string, flags evidenceFlags) error {
	if flags.all == (len(args) > 0) {
		return usage("say IDENTITY or GRANT…, or --all")
	}
	if flags.key != "" && flags.out == "" {
		return usage("--key signs a file: say --out FILE too")
	}
	d, err := a.open()
	if err != nil {
		return err
	}
	defer d.close()
	grants, unknown, err := d.grants(ctx, args)
	if err != nil {
		return err
	}
	made, err := a.observe(ctx, d, grants)
	if err != nil {
		return err
	}
	made.Unknown = append([]string{}, unknown...)
	made.OK = made.OK && len(unknown) == 0
	text, err := a.written(made)
	if err != nil {
		return err
	}
	if err := a.keep(ctx, text, flags); err != nil {
		return err
	}
	if !made.OK {
		return &failure{ExitWrong, errDiffers}
	}
	return nil
}

// grants are those of the arguments, or all where there are none; unknown are
// the arguments that nothing was ever granted to.
func (d *desk) grants(ctx context.Context, args []string) (found []nhi.ApprovalID, unknown []string, err error) {
	book, err := d.engine.Book()
	if err != nil {
		return nil, nil, err
	}
	chains, err := book.Chains(ctx, ledger.KindGrant+"/")
	if err != nil {
		return nil, nil, err
	}
	var all []nhi.ApprovalID
	for _, name := range chains {
		_, id, err := ledger.Subject(name)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, nhi.ApprovalID(id))
	}
	if len(args) == 0 {
		return all, nil, nil
	}
	asked, err := subjects(args)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range asked {
		before := len(found)
		for _, id := range all {
			if s.grant == id || s.grant == "" && strings.HasPrefix(string(id), string(s.identity)+":") {
				found = append(found, id)
			}
		}
		if len(found) == before {
			unknown = append(unknown, s.String())
		}
	}
	return slices.Compact(found), unknown, nil
}

// observe asks every system about the grants, one after the other: an auditor
// is in no hurry, and systems are not to be flooded.
func (a *app) observe(ctx context.Context, d *desk, grants []nhi.ApprovalID) (report, error) {
	book, err := d.engine.Book()
	if err != nil {
		return report{}, err
	}
	now, err := d.engine.Time(ctx)
	if err != nil {
		return report{}, err
	}
	made := report{Format: "nhi report 1", Tool: a.writer(), Time: nhi.FormatTime(now), Ledger: book.ID(), OK: true, Grants: []reportGrant{}}
	for _, grant := range grants {
		found := d.engine.Evidence(ctx, grant)
		made.OK = made.OK && found.OK()
		made.Grants = append(made.Grants, reported(found))
	}
	return made, ctx.Err()
}

func reported(found lifecycle.Evidence) reportGrant {
	grant := reportGrant{Grant: found.Grant, Ledger: orWord(string(found.Phase), "nothing held"), OK: found.OK(),
		Activation: found.Activation, Due: found.Due, Heads: found.Heads, Targets: []reportTarget{}}
	if found.Err != nil {
		grant.Error = found.Err.Error()
	}
	if !found.StartedAt.IsZero() {
		grant.StartedAt, grant.ExpiresAt = &found.StartedAt, &found.ExpiresAt
	}
	for _, proof := range found.Targets {
		expected := "active"
		if proof.Gone {
			expected = "gone"
		}
		grant.Targets = append(grant.Targets, reportTarget{
			Target: proof.Key, System: proof.Target.System, Kind: proof.Target.Kind, Endpoint: proof.Target.Endpoint,
			Principal: proof.Target.Principal, ID: proof.Target.ID, Expected: expected, State: string(proof.Seen.State),
			Probe: string(proof.Probed), Verified: proof.Seen.Verified, Privileges: append([]string{}, proof.Seen.Privileges...),
			Findings: append([]string{}, proof.Seen.Findings...), Differs: proof.Differs,
		})
	}
	return grant
}

// written is the report as it is printed: text, or JSON with --json.
func (a *app) written(made report) (string, error) {
	if a.json {
		var out strings.Builder
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(made); err != nil {
			return "", fmt.Errorf("json: %w", err)
		}
		return visibleJSON(out.String()), nil
	}
	p := &page{}
	p.line("Report of %s on ledger %s at %s", made.Tool, made.Ledger, made.Time)
	for _, grant := range made.Grants {
		p.gap()
		p.evidence(grant)
	}
	p.gap()
	for _, name := range made.Unknown {
		p.marked("!", red, "%s: nothing was ever granted", name)
	}
	if made.OK {
		p.line("The systems hold what the ledger says, and nothing is due.")
	} else {
		p.line("Something differs, could not be confirmed, or is due.")
	}
	return p.String(), nil
}

// evidence adds one grant of a report to a page.
func (p *page) evidence(grant reportGrant) {
	p.line("%s: the ledger says %s", grant.Grant, grant.Ledger)
	if grant.ExpiresAt != nil {
		p.field("activation", "%d, from %s to %s", grant.Activation, nhi.FormatTime(*grant.StartedAt), nhi.FormatTime(*grant.ExpiresAt))
	}
	for _, problem := range []string{grant.Due, grant.Error} {
		if problem != "" {
			p.marked("!", "", "%s", problem)
		}
	}
	for _, target := range grant.Targets {
		mark, words := "✓", target.Expected+", as it must be"
		if target.Differs != "" {
			mark, words = "!", "must be "+target.Expected+": "+target.Differs
		} else if !target.Verified {
			words += ", and nothing can confirm it"
		}
		p.marked(mark, "", "%s: %s on %s: %s", target.Target, target.Principal, whereIs(target.System, target.Kind, target.Endpoint), words)
		if len(target.Privileges) > 0 {
			p.line("      holds %s", strings.Join(target.Privileges, ", "))
		}
	}
	for _, chain := range slices.Sorted(maps.Keys(grant.Heads)) {
		p.field("read from", "%s up to entry %s", chain, grant.Heads[chain])
	}
}

// keep prints the report, or writes it into a new file, signed where a key is
// named.
func (a *app) keep(ctx context.Context, text string, flags evidenceFlags) error {
	if flags.out == "" {
		_, err := io.WriteString(a.Out, text)
		return err
	}
	made := ""
	if flags.key != "" {
		signer, err := a.signer(ctx, flags.key)
		if err != nil {
			return err
		}
		if made, err = signature.Sign(signer, signature.NamespaceReport, text); err != nil {
			return fmt.Errorf("sign: %w", err)
		}
	}
	files := []struct{ path, data string }{{flags.out, text}, {flags.out + ".sig", made}}
	for _, file := range files {
		if file.data == "" {
			continue
		}
		if err := durable.CreateFile(file.path, []byte(file.data), fileMode); errors.Is(err, fs.ErrExist) {
			return usage("%s is there already, and is not replaced", file.path)
		} else if err != nil {
			return err
		}
		a.note("Written to %s.", file.path)
	}
	return nil
}
