package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/durable"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// delivery is where one decision went, and what became of its request.
type delivery struct {
	Approval nhi.ApprovalID `json:"approval"`
	Request  nhi.Digest     `json:"request"`
	Decision nhi.Digest     `json:"decision"`
	Entry    uint64         `json:"entry,omitempty"` // in the approval's chain
	File     string         `json:"file,omitempty"`
	Status   string         `json:"status"` // with this decision
	Needs    []needRow      `json:"needs"`
	// ActiveUntil is the end of the access that this request has given already,
	// and that no decision ends.
	ActiveUntil *time.Time `json:"active_until,omitempty"`

	next string // for people
}

// cast makes sure that every ballot counts, then delivers all of them. One
// that cannot count stops all: the person signed one list.
func (a *app) cast(ctx context.Context, verdict nhi.Verdict, ballots []ballot, out string) error {
	var problems []error
	for i := range ballots {
		if err := ballots[i].check(); err != nil {
			problems = append(problems, err)
		}
	}
	if len(problems) > 0 {
		return &failure{ExitWrong, fmt.Errorf("nothing was recorded:\n%w", errors.Join(problems...))}
	}
	person, err := ballots[0].person()
	if err != nil {
		return err
	}
	deliveries := make([]delivery, 0, len(ballots))
	for _, b := range ballots {
		sent, err := a.deliver(ctx, b, out)
		if err != nil {
			return fmt.Errorf("%s (%d of %d are delivered): %w", b.approval, len(deliveries), len(ballots), err)
		}
		deliveries = append(deliveries, sent)
	}
	if err := a.show(a.receipt(verdict, person, deliveries)); err != nil {
		return err
	}
	return a.emit(map[string]any{"verdict": verdict, "person": person.Name, "decisions": deliveries})
}

// deliver appends a ballot to the ledger, or writes it as a file with out, or
// where the ledger cannot be written.
func (a *app) deliver(ctx context.Context, b ballot, out string) (delivery, error) {
	sent := delivery{
		Approval: b.approval, Request: nhi.DigestOf(b.text), Decision: nhi.DigestOf(b.decision),
		Status: string(b.after.Status), Needs: needRows(b.after.Needs), next: b.next(),
	}
	if until, active := b.inForce(); active {
		sent.ActiveUntil = &until
	}
	d := b.desk
	if out == "" && d.apart != nil {
		out = "."
	}
	if out == "" {
		entry, err := d.append(ctx, b)
		if err == nil {
			sent.Entry = entry
			return sent, nil
		}
		if !errors.Is(err, nhi.ErrUnreachable) || ctx.Err() != nil {
			return sent, err
		}
		if d.decisionsDir == "" {
			return sent, fmt.Errorf("the ledger cannot be written (say --out DIR to get a decision file): %w", err)
		}
		a.note("The ledger cannot be written (%s): a decision file instead.", err)
		out = d.decisionsDir
	}
	path, err := writeDecision(out, b)
	sent.File = path
	return sent, err
}

// append writes a ballot behind its approval's chain. Somebody else may have
// done so since it was signed: the ballot keeps the head that its signer saw,
// as long as the chain still holds it.
func (d *desk) append(ctx context.Context, b ballot) (uint64, error) {
	book, err := d.engine.Book()
	if err != nil {
		return 0, err
	}
	const tries = 50
	chain := b.chain
	for range tries {
		if seq, there := recordedAs(chain, b.signed); there {
			return seq, nil // an earlier run got as far as this
		}
		grown, err := book.Append(ctx, chain, ledger.DecisionBody{SignedDecision: b.signed})
		if err == nil {
			return grown.Head().Seq, nil
		}
		if !errors.Is(err, ledger.ErrConflict) {
			return 0, err
		}
		if chain, err = book.Read(ctx, chain.Name); err != nil {
			return 0, err
		}
		if !b.holds(chain) {
			return 0, unavailable("the record is no longer the one that was signed on: %w", ledger.ErrBroken)
		}
	}
	return 0, wrong("the chain grows faster than it can be written")
}

// recordedAs finds a decision in a chain.
func recordedAs(chain ledger.Chain, signed nhi.SignedDecision) (uint64, bool) {
	at := slices.IndexFunc(chain.Entries, func(entry ledger.Entry) bool {
		body, ok := entry.Body.(ledger.DecisionBody)
		return ok && body.SignedDecision == signed
	})
	if at < 0 {
		return 0, false
	}
	return chain.Entries[at].Seq, true
}

// writeDecision writes a ballot as a decision file into a folder.
func writeDecision(folder string, b ballot) (string, error) {
	if err := os.MkdirAll(folder, folderMode); err != nil {
		return "", err
	}
	data := b.signed.File()
	path := filepath.Join(folder, fileName(b.approval, nhi.DigestOf(data))+lifecycle.DecisionSuffix)
	err := durable.CreateFile(path, []byte(data), fileMode)
	if errors.Is(err, fs.ErrExist) {
		return path, nil // the name follows from the bytes
	}
	return path, err
}

// fileName names a file about an approval: readable, of letters that every file
// system takes, and told apart by a digest.
func fileName(id nhi.ApprovalID, digest nhi.Digest) string {
	const longest, shown = 150, 16
	var escaped strings.Builder
	for _, c := range []byte(id) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' {
			escaped.WriteByte(c)
		} else {
			fmt.Fprintf(&escaped, "%%%02X", c)
		}
	}
	name := escaped.String()
	_, hex, _ := strings.Cut(string(digest), ":")
	return name[:min(len(name), longest)] + "-" + hex[:shown]
}

// receipt says where the decisions went and what happens next.
func (a *app) receipt(verdict nhi.Verdict, person policy.Approver, sent []delivery) *page {
	p := a.page()
	for _, one := range sent {
		where := fmt.Sprintf("in the ledger as entry %d", one.Entry)
		if one.File != "" {
			where = "in " + one.File
		}
		p.marked("✓", green, "%s %s by %s, %s: %s", one.Approval, wordings[verdict].done, person.Name, where, one.next)
	}
	if slices.ContainsFunc(sent, func(one delivery) bool { return one.File != "" }) {
		p.line("Put decision files into the decisions_dir of the provider block, by a pull request or by hand.")
	}
	return p
}

// inForce says whether the very request of a petition is active, and until when.
func (p petition) inForce() (time.Time, bool) {
	return p.grant.ExpiresAt, p.grant.Phase == lifecycle.PhaseActive && p.grant.Held == nhi.DigestOf(p.text)
}

// next says what becomes of a request with this ballot.
func (b ballot) next() string {
	if until, active := b.inForce(); active {
		return fmt.Sprintf("what is active stays active until %s (`nhi revoke` ends it)", nhi.FormatTime(until))
	}
	switch b.after.Status {
	case policy.StatusApproved:
		if names := b.unseen(b.after.Seen); len(names) > 0 {
			return "whoever approved before " + joined(names) + " was observed must approve again"
		}
		if b.standing.Status == lifecycle.Spent {
			return "its approval was used already"
		}
		return "the next plan shows approved -> active"
	case policy.StatusDenied:
		return "it stays without access"
	default:
	}
	if b.takenBack {
		return "nobody asks for it any more"
	}
	return missing(b.after.Needs) + " must approve"
}
