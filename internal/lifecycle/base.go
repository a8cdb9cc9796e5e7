package lifecycle

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
)

// DraftBase returns the text of a new base over the ledger as it is now, for
// the holders of the trust root to sign. A chain that is broken is an error:
// nobody can stand behind it.
func (e *Engine) DraftBase(ctx context.Context, reason string) (string, error) {
	trust, err := e.Trust()
	if err != nil {
		return "", err
	}
	heads, err := e.heads(ctx)
	if err != nil {
		return "", err
	}
	now, err := e.Time(ctx)
	if err != nil {
		return "", err
	}
	book, err := e.Book()
	if err != nil {
		return "", err
	}
	return nhi.Base{
		Ledger: book.ID(), Number: trust.Base.Number + 1, Time: now.Truncate(time.Second), Reason: reason,
		Root: trust.chain.Head(), Heads: heads,
	}.Text()
}

// heads reads the end of every chain.
func (e *Engine) heads(ctx context.Context) (map[string]nhi.Head, error) {
	book, err := e.Book()
	if err != nil {
		return nil, err
	}
	names, err := book.Chains(ctx, "")
	if err != nil {
		return nil, err
	}
	heads := map[string]nhi.Head{}
	for _, name := range names {
		chain, err := book.Read(ctx, name)
		if err != nil {
			return nil, err
		}
		heads[name] = chain.Head()
	}
	return heads, nil
}

// Rebase records a base: text is what DraftBase returned, and blocks are
// signatures over it, of which those of strangers are left out. The ledger must
// still go on from what the text says. Errors: nhi.ErrDenied where not enough
// have signed, or where it is for another ledger or another root chain;
// ErrShortened; ledger.ErrConflict. With these, nothing was written.
func (e *Engine) Rebase(ctx context.Context, text string, blocks []string) (nhi.Base, error) {
	trust, err := e.Trust()
	if err != nil {
		return nhi.Base{}, err
	}
	blocks = counting(signature.NamespaceBase, text, blocks, trust.Root)
	base, err := policy.VerifyBase(trust.Root, text, blocks)
	if err != nil {
		return base, err
	}
	if err := e.HoldsBase(ctx, base); err != nil {
		return base, err
	}
	return base, e.extendRoots(ctx, trust, ledger.BaseBody{Base: text, Signatures: blocks})
}

// HoldsBase holds where a base can stand at the end of the root chain as it is,
// and the ledger goes on from all that the base says, with the errors of Rebase.
// It looks at no signature.
func (e *Engine) HoldsBase(ctx context.Context, base nhi.Base) error {
	trust, err := e.Trust()
	if err != nil {
		return err
	}
	book, err := e.Book()
	if err != nil {
		return err
	}
	switch {
	case base.Ledger != book.ID():
		return fmt.Errorf("the base is for ledger %s, and this is ledger %s: %w", base.Ledger, book.ID(), nhi.ErrDenied)
	case base.Number != trust.Base.Number+1 || base.Root != trust.chain.Head():
		return fmt.Errorf("base %d was signed for a root chain that ends with entry %d, and this one ends with entry %d: make and sign a new one: %w",
			base.Number, base.Root.Seq, trust.chain.Head().Seq, nhi.ErrDenied)
	}
	for _, name := range slices.Sorted(maps.Keys(base.Heads)) {
		chain, err := book.Read(ctx, name)
		if err == nil {
			err = follows(chain, base.Heads[name])
		}
		if err != nil {
			return err
		}
	}
	return nil
}
