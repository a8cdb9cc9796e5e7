package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// atOnce bounds how many grants one command works on side by side.
const atOnce = 8

// Halt asks for one grant, or for every grant of an identity, to end now and
// to stay so until it is lifted.
type Halt struct {
	Identity nhi.IdentityID // empty where Grant is set
	Grant    nhi.ApprovalID
	By       string // who says so, proven by Signed or not
	Reason   string
	// Signed are the decisions with the verdict block that prove By; none where
	// nobody is proven. An unsigned block holds too.
	Signed []nhi.SignedDecision
	// Known are grants as marks and memories say (Remains): for those that the
	// ledger cannot tell of, and where it cannot be opened at all. They are of one
	// ledger.
	Known []Record
}

// known returns what is known of a grant outside of the ledger.
func (h Halt) known(grant nhi.ApprovalID) Record {
	for _, record := range h.Known {
		if record.Grant == grant {
			return record
		}
	}
	return Record{Grant: grant}
}

// chain is the one that holds the block.
func (h Halt) chain() string {
	if h.Grant != "" {
		return ledger.GrantChain(h.Grant)
	}
	return ledger.IdentityChain(h.Identity)
}

// Halted is how a halt ended.
type Halted struct {
	Chain string // that holds the block
	Seq   uint64 // of the block; 0 where it waits in the spool
	// Away says why the ledger could not take the block; it is spooled.
	Away   error
	Grants []HaltedGrant
}

// HaltedGrant is what became of one grant.
type HaltedGrant struct {
	Grant nhi.ApprovalID
	Removal
	Err error // what stays open, and why
}

// Halt blocks, then revokes on every target with Revoke, and reads back. The
// block comes first: its number is the grant's epoch, so that a run that is
// giving access is overtaken, and none begins behind it. Where the ledger
// cannot be written, the block waits in the spool and access is removed all the
// same. A grant that stays open has an Err; the error of Halt itself means that
// nothing was done: nhi.ErrInvalid for a grant or identity that nobody knows,
// ErrNoTrustedLedger where neither the ledger nor Known says what there is.
func (e *Engine) Halt(ctx context.Context, halt Halt) (Halted, error) {
	book, away := e.Book()
	if away == nil && len(halt.Known) == 0 {
		away = e.exists(ctx, halt)
	}
	if away != nil && len(halt.Known) == 0 {
		return Halted{}, away
	}
	halted := Halted{Chain: halt.chain(), Away: away}
	if away == nil {
		halted.Seq, halted.Away = e.blocked(ctx, halt)
	}
	if halted.Away != nil {
		if err := e.spoolBlock(ctx, halt, halt.ledger(book)); err != nil {
			halted.Away = fmt.Errorf("the block could be written neither to the ledger nor to the spool: %w", errors.Join(halted.Away, err))
		}
	}
	grants, err := e.halting(ctx, halt)
	if err != nil && len(halt.Known) == 0 {
		return halted, err
	}
	halted.Grants = e.revokeAll(ctx, grants, halt.known, "blocked by "+blockWords(halt.body()))
	return halted, nil
}

// halting returns the grants that a halt is about: as the ledger and Known say.
func (e *Engine) halting(ctx context.Context, halt Halt) ([]nhi.ApprovalID, error) {
	if halt.Grant != "" {
		return []nhi.ApprovalID{halt.Grant}, nil
	}
	grants, err := e.grantsOf(ctx, halt.Identity)
	for _, record := range halt.Known {
		if record.Grant.Identity() == halt.Identity && !slices.Contains(grants, record.Grant) {
			grants = append(grants, record.Grant)
		}
	}
	slices.Sort(grants)
	return grants, err
}

// blocked is block between its points.
func (e *Engine) blocked(ctx context.Context, halt Halt) (uint64, error) {
	o := &operation{engine: e, verb: "halt"}
	if err := o.point(ctx, "block", before); err != nil {
		return 0, err
	}
	seq, err := e.block(ctx, halt)
	return seq, errors.Join(err, o.point(ctx, "block", after))
}

// spoolBlock keeps a block until the ledger can take it.
func (e *Engine) spoolBlock(ctx context.Context, halt Halt, ledgerID string) error {
	o := &operation{engine: e, verb: "halt"}
	if err := o.point(ctx, "spool", before); err != nil {
		return err
	}
	err := ledger.NewSpool(e.SpoolDir, ledgerID).Put(halt.chain(), halt.bodies()...)
	return errors.Join(err, o.point(ctx, "spool", after))
}

// exists holds where the ledger knows what is to be halted: a name with a
// typing error must not end in "done".
func (e *Engine) exists(ctx context.Context, halt Halt) error {
	book, err := e.Book()
	if err != nil {
		return err
	}
	subject := string(halt.Identity)
	isIt := func(string) bool { return true }
	prefixes := []string{ledger.GrantChain(nhi.ApprovalID(subject + ":")), ledger.ApprovalChain(nhi.ApprovalID(subject + ":"))}
	if halt.Grant != "" {
		subject = string(halt.Grant)
		prefixes = []string{ledger.GrantChain(halt.Grant), ledger.ApprovalChain(halt.Grant)}
		isIt = func(name string) bool { return slices.Contains(prefixes, name) }
	}
	for _, prefix := range prefixes {
		chains, err := book.Chains(ctx, prefix)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(chains, isIt) {
			return nil
		}
	}
	chains, err := book.Chains(ctx, halt.chain())
	if err == nil && !slices.Contains(chains, halt.chain()) {
		err = fmt.Errorf("the ledger knows no %s: %w", subject, nhi.ErrInvalid)
	}
	return err
}

// ledger is the id of the one that is to hold the block: the one that is open,
// else the one that Known was recorded in.
func (h Halt) ledger(book *ledger.Ledger) string {
	if book == nil {
		return h.Known[0].Ledger
	}
	return book.ID()
}

func (h Halt) body() ledger.BlockBody { return ledger.BlockBody{By: h.By, Reason: clip(h.Reason)} }

func (h Halt) bodies() []ledger.Body {
	bodies := []ledger.Body{h.body()}
	for _, signed := range h.Signed {
		bodies = append(bodies, ledger.DecisionBody{SignedDecision: signed})
	}
	return bodies
}

// block appends the block and what proves it. One that stands already, unsigned
// again, is not written twice.
func (e *Engine) block(ctx context.Context, halt Halt) (uint64, error) {
	book, err := e.Book()
	if err != nil {
		return 0, err
	}
	bodies, seq := halt.bodies(), uint64(0)
	const tries = 50 // each conflict is an entry of a run that is overtaken next
	for range tries {
		chain, err := book.Read(ctx, halt.chain())
		if err != nil && !errors.Is(err, ledger.ErrAhead) {
			return 0, err
		}
		if standing := standsBlocked(chain); standing > 0 && len(halt.Signed) == 0 {
			return standing, nil
		}
		grown, err := book.Append(ctx, chain, bodies...)
		if written := len(grown.Entries) - len(chain.Entries); written > 0 {
			if seq == 0 {
				seq = grown.Entries[len(chain.Entries)].Seq
			}
			bodies = bodies[written:]
		}
		if !errors.Is(err, ledger.ErrConflict) {
			return seq, err
		}
	}
	return seq, fmt.Errorf("%s: %w", halt.chain(), ErrOvertaken)
}

// standsBlocked returns the number of a chain's last block, where neither a
// lift nor an activation came after it.
func standsBlocked(chain ledger.Chain) uint64 {
	for _, entry := range slices.Backward(chain.Entries) {
		switch body := entry.Body.(type) {
		case ledger.BlockBody:
			return entry.Seq
		case ledger.UseBody:
			return 0
		case ledger.DecisionBody:
			if decision, err := nhi.ParseDecision(body.Text); err == nil && decision.Verdict == nhi.VerdictLift {
				return 0
			}
		}
	}
	return 0
}

// revokeAll revokes grants side by side. Where neither the ledger nor what is
// known can say what one holds, it stays open.
func (e *Engine) revokeAll(ctx context.Context, grants []nhi.ApprovalID, known func(nhi.ApprovalID) Record, reason string) []HaltedGrant {
	results := make([]HaltedGrant, len(grants))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, grant := range grants {
		group.Go(func() error {
			results[i] = HaltedGrant{Grant: grant}
			results[i].Removal, results[i].Err = e.revokeNow(ctx, known(grant), reason)
			return nil
		})
	}
	_ = group.Wait() // what failed is in the results
	return results
}

// revokeNow is Revoke that goes on where another run was removing the same.
func (e *Engine) revokeNow(ctx context.Context, known Record, reason string) (Removal, error) {
	const tries = 3
	for try := 1; ; try++ {
		removal, err := e.Revoke(ctx, known, reason)
		if !errors.Is(err, ErrOvertaken) || try == tries {
			return removal, err
		}
	}
}
