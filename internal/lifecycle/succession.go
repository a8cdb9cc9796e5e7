package lifecycle

import (
	"context"
	"fmt"
	"slices"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// Succeed puts a new trust root in force: text is its canonical text, and
// blocks are signatures over it, of which those of strangers are left out. It
// carries the policy over: the policy file must be signed by the new root, and
// is published right behind it, so that a rotation stops no grants. A second
// call finishes one that was stopped half-way. Errors: nhi.ErrDenied where not
// enough have signed; ErrPolicy where the policy in force is not signed by the
// new root yet; ErrOvertaken. With these, nothing was written.
func (e *Engine) Succeed(ctx context.Context, text string, blocks []string) error {
	trust, err := e.Trust()
	if err != nil {
		return err
	}
	if inForce, _ := trust.Root.Text(); inForce == text {
		return e.PublishPolicy(ctx)
	}
	next, err := nhi.ParseRoot(text)
	if err != nil {
		return err
	}
	blocks = counting(signature.NamespaceRoot, text, blocks, trust.Root, next)
	if next, err = policy.VerifySuccessor(trust.Root, text, blocks); err != nil {
		return err
	}
	if err := e.carriedOver(ctx, next); err != nil {
		return err
	}
	if err := e.extendRoots(ctx, trust, ledger.RootBody{Root: text, Signatures: blocks}); err != nil {
		return err
	}
	return e.PublishPolicy(ctx)
}

// counting returns the valid blocks over a text by keys of the roots, one of
// each key, in the order of the keys.
func counting(namespace, text string, blocks []string, roots ...nhi.Root) []string {
	signed := policy.Signed(namespace, text, blocks)
	var keys []string
	for _, root := range roots {
		keys = append(keys, root.Keys...)
	}
	slices.Sort(keys)
	var kept []string
	for _, key := range slices.Compact(keys) {
		if block, ok := signed[key]; ok {
			kept = append(kept, block)
		}
	}
	return kept
}

// carriedOver holds where the policy file can follow a new root: it is signed
// by it, and at least as new as what the ledger holds.
func (e *Engine) carriedOver(ctx context.Context, next nhi.Root) error {
	recorded, err := e.policyRecorded(ctx)
	if err != nil {
		return err
	}
	if e.PolicyFile == "" {
		if recorded.version == 0 {
			return nil // there is none that could be stopped
		}
		return fmt.Errorf("the new root must have signed the policy too, and policy_file is not set: %w", ErrPolicy)
	}
	file, err := e.policyFileUnder(next)
	switch {
	case err != nil:
		return fmt.Errorf("the new root must have signed the policy too (%s), or nothing could be granted after it: %w", e.PolicyFile, err)
	case file.document.Version < recorded.version,
		file.document.Version == recorded.version && file.document.Digest != recorded.digest:
		return fmt.Errorf("%s is version %d, and it is not the version %d that the ledger holds: %w", e.PolicyFile, file.document.Version, recorded.version, ErrPolicy)
	}
	return nil
}

// extendRoots appends to the root chain, and opens the ledger again: what it
// is trusted by has changed.
func (e *Engine) extendRoots(ctx context.Context, trust Trust, body ledger.Body) error {
	book, err := e.Book()
	if err != nil {
		return err
	}
	if _, err := book.Append(ctx, trust.chain, body); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.book == book {
		e.book = nil
	}
	return book.Close()
}
