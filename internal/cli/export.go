package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/durable"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/workload"
)

// toStdout names standard output where a file is asked for.
const toStdout = "-"

// export writes what is asked for as a request file.
func (a *app) export(ctx context.Context, d *desk, id nhi.ApprovalID, path string) error {
	p, err := d.petition(ctx, id)
	if err != nil {
		return err
	}
	file, err := d.requestFile(ctx, p)
	if err != nil {
		return err
	}
	data, err := file.encode()
	if err != nil {
		return err
	}
	if path == toStdout {
		_, err := a.Out.Write(data)
		return err
	}
	if err := durable.WriteFile(path, data, fileMode); err != nil {
		return err
	}
	page := a.page()
	page.line("Wrote %s: %s, with policy version %d and the record up to entry %d.", path, id, p.standing.Policy.Version, p.chain.Head().Seq)
	page.line("On a machine that trusts the root, without this ledger:")
	page.line("  nhi show %s", path)
	page.line("  nhi approve %s --out FOLDER", path)
	if err := a.show(page); err != nil {
		return err
	}
	return a.emit(map[string]any{"file": path, "approval": id, "request": nhi.DigestOf(p.text), "head": p.chain.Head(),
		"policy": map[string]any{"version": p.standing.Policy.Version, "digest": p.standing.Policy.Digest}})
}

// requestFile collects what a request file holds.
func (d *desk) requestFile(ctx context.Context, p petition) (requestFile, error) {
	sitting, err := d.sit(ctx)
	if err != nil {
		return requestFile{}, err
	}
	book, err := d.engine.Book()
	if err != nil {
		return requestFile{}, err
	}
	file := requestFile{Ledger: book.ID(), Approval: p.approval, Exported: p.standing.Now.UTC().Truncate(time.Second)}
	if p.wanted {
		file.Wanted = &wanted{Text: p.text, Justification: p.justification}
	}
	file.Format = file.format()
	file.Policy, file.Signatures = sitting.Source()
	for _, name := range []string{ledger.RootChain, ledger.IdentityChain(p.approval.Identity()), p.chain.Name, ledger.GrantChain(p.approval)} {
		chain, err := book.Read(ctx, name)
		if err != nil {
			return requestFile{}, err
		}
		if name == p.chain.Name {
			chain = p.chain // as it was evaluated
		}
		stored, err := chain.Stored()
		if err != nil {
			return requestFile{}, err
		}
		if name == ledger.GrantChain(p.approval) && size(stored) > maxGrantRecord {
			continue
		}
		file.Chains = append(file.Chains, requestedChain{Name: name, Head: chain.Head(), Entries: stored})
	}
	return file, nil
}

func size(lines []string) (bytes int) {
	for _, line := range lines {
		bytes += len(line)
	}
	return bytes
}

// openRequestFile returns a desk over a request file, and what it is about.
// Everything that can be checked without the ledger was checked.
func (a *app) openRequestFile(ctx context.Context, path string) (*desk, nhi.ApprovalID, error) {
	file, err := readRequestFile(path)
	if err != nil {
		return nil, "", err
	}
	if now := a.Now().UTC(); file.Exported.After(now.Add(ledger.MaxAhead)) {
		return nil, "", unavailable("%s was made %s, and this machine's clock says %s: one of the two is wrong",
			path, nhi.FormatTime(file.Exported), nhi.FormatTime(now))
	}
	book, err := file.excerpt(ctx, a.Now, a.writer())
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", path, err)
	}
	d := &desk{apart: &file, engine: lifecycle.New(lifecycle.Config{
		OpenLedger: func(context.Context) (*ledger.Ledger, error) { return book, nil },
		Pins:       a.Pins, Systems: lifecycle.NewSystems(a.Kinds),
	})}
	if file.Wanted != nil {
		d.wanted = map[nhi.ApprovalID]wanted{file.Approval: *file.Wanted}
	}
	d.begin = func(context.Context) (*lifecycle.Sitting, error) {
		return d.engine.SitUnder(file.Policy, file.Signatures)
	}
	if err := a.vouch(ctx, d, file); err != nil {
		d.close()
		return nil, "", fmt.Errorf("%s: %w", path, err)
	}
	return d, file.Approval, nil
}

// vouch holds where a request file can be relied on as far as anybody can tell
// without its ledger.
func (a *app) vouch(ctx context.Context, d *desk, file requestFile) error {
	sitting, err := d.sit(ctx)
	if err != nil {
		return err
	}
	if document := sitting.Policy(); !a.Now().Before(document.Expires) {
		return unavailable("its policy, version %d, expired %s: ask for a newer file", document.Version, nhi.FormatTime(document.Expires))
	}
	p, err := d.recorded(ctx, file.Approval, "")
	if err != nil {
		return err
	}
	if p.request.Ledger != file.Ledger {
		return unavailable("the request is for ledger %s, and the file of ledger %s: %w", p.request.Ledger, file.Ledger, ledger.ErrBroken)
	}
	// In a ledger such a request counts as unproven. In a file it most likely
	// means that somebody changed the text under the signature.
	for _, asked := range p.asked {
		if asked.Proof.Token != "" && movedProof(p, asked) {
			return unavailable("the requester's proof is of another text than the file holds: %w", ledger.ErrBroken)
		}
		if asked.Signature == "" {
			continue
		}
		if _, err := signature.Verify(asked.Signature, signature.NamespaceRequest, p.text); err != nil {
			return unavailable("the requester signed another text than the file holds: %w", errors.Join(err, ledger.ErrBroken))
		}
	}
	return nil
}

// movedProof says whether a proof by a token is of another text than it stands
// with. What cannot be checked here is unproven, and no fault.
func movedProof(p petition, asked policy.Asked) bool {
	url, err := asked.Proof.Issuer()
	issuer, known := p.standing.Policy.Issuer(url)
	return err != nil || known && errors.Is(issuer.Proves(asked, p.text, p.input().Keys), workload.ErrProof)
}
