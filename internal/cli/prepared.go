package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/durable"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// What a prepared folder holds: the list that is signed, the signature beside
// it as ssh-keygen names it, and each decision text.
const (
	listName      = "list"
	signatureName = "list.sig"
	textSuffix    = ".text"
)

// maxPrepared bounds all decision texts of one folder together, in bytes.
const maxPrepared = int64(256 << 20)

// prepare writes what is to be signed, the list last: a folder with a list is
// complete.
func (a *app) prepare(verdict nhi.Verdict, ballots []ballot, folder string) error {
	listed, err := list(ballots)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, folderMode); err != nil {
		return err
	}
	if there, err := os.ReadDir(folder); err != nil || len(there) > 0 {
		return usage("%s is not an empty folder (%w)", folder, errors.Join(err, fs.ErrExist))
	}
	for _, b := range ballots {
		path := filepath.Join(folder, fileName(b.approval, nhi.DigestOf(b.decision))+textSuffix)
		if err := durable.CreateFile(path, []byte(b.decision), fileMode); err != nil {
			return err
		}
	}
	path := filepath.Join(folder, listName)
	if err := durable.CreateFile(path, []byte(listed), fileMode); err != nil {
		return err
	}
	p := a.page()
	p.line("Wrote %s in %s. Nothing is signed yet. Next:", count(len(ballots), "decision"), folder)
	p.line("  ssh-keygen -Y sign -n %s -f KEY %s", signature.NamespaceDecision, path)
	p.line("  nhi %s --finish %s", verdict, folder)
	if err := a.show(p); err != nil {
		return err
	}
	return a.emit(map[string]any{"folder": folder, "list": path, "namespace": signature.NamespaceDecision,
		"verdict": verdict, "decisions": len(ballots)})
}

// finish takes up a prepared folder once its list is signed.
func (a *app) finish(ctx context.Context, verdict nhi.Verdict, args []string, flags decideFlags) error {
	if slices.ContainsFunc(args, func(arg string) bool { return !isRequestFile(arg) }) {
		return usage("--finish takes the approvals from its folder, and none but request files from the command line")
	}
	texts, listed, made, err := readPrepared(flags.finish)
	if err != nil {
		return err
	}
	desks, err := a.chooseAgain(ctx, args)
	if err != nil {
		return err
	}
	defer desks.close()
	ballots := make([]ballot, 0, len(texts))
	for _, text := range texts {
		b, err := desks.takeUp(ctx, verdict, text)
		if err != nil {
			return err
		}
		ballots = append(ballots, b)
	}
	seal(ballots, listed, made)
	return a.cast(ctx, verdict, ballots, flags.out)
}

// takeUp reads a decision text that was prepared, on the record as it is now.
func (c *choice) takeUp(ctx context.Context, verdict nhi.Verdict, text string) (ballot, error) {
	decision, err := nhi.ParseDecision(text)
	if err != nil {
		return ballot{}, err
	}
	request, err := nhi.ParseRequest(decision.Request)
	if err != nil {
		return ballot{}, err
	}
	if decision.Verdict != verdict {
		return ballot{}, usage("%s: the prepared decision says %q, and the command %q", request.Approval, decision.Verdict, verdict)
	}
	d, ok := c.deskOf(request.Approval)
	if !ok {
		return ballot{}, usage("%s: it was prepared too, and its request file is not named", request.Approval)
	}
	asked := ""
	if verdict == nhi.VerdictWithdraw {
		asked = decision.Request // also when another one is asked for since
	}
	p, err := d.about(ctx, request.Approval, asked)
	if err != nil {
		return ballot{}, err
	}
	if p.text != decision.Request {
		return ballot{}, wrong("%s: another request is asked for since this was prepared: prepare it again", request.Approval)
	}
	if err := p.decidable(verdict); err != nil {
		return ballot{}, err
	}
	return ballot{petition: p, verdict: verdict, decision: text}, nil
}

// readPrepared reads a folder of prepare. The list must be the very one of the
// texts: nothing that was not shown may ride along.
func readPrepared(folder string) (texts []string, listed, made string, err error) {
	list, err := readFile(filepath.Join(folder, listName), nhi.MaxTextBytes)
	if err != nil {
		return nil, "", "", err
	}
	armoured, err := readFile(filepath.Join(folder, signatureName), signature.MaxArmoured)
	if err != nil {
		return nil, "", "", fmt.Errorf("the list is not signed yet: %w", err)
	}
	paths, err := filesIn(folder, textSuffix, nhi.MaxList)
	if err != nil {
		return nil, "", "", err
	}
	left := maxPrepared
	for _, path := range paths {
		text, err := readFile(path, min(left, nhi.MaxTextBytes))
		if err != nil {
			return nil, "", "", err
		}
		left -= int64(len(text))
		texts = append(texts, string(text))
	}
	again, err := nhi.DecisionList(texts)
	if err != nil {
		return nil, "", "", fmt.Errorf("%s: %w", folder, err)
	}
	if again != string(list) {
		return nil, "", "", usage("%s: the list is not that of the decision texts beside it", folder)
	}
	return texts, again, string(armoured), nil
}
