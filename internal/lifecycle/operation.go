package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// ErrOvertaken says that another run acts on the same grant, or changed what
// this one relied on: so this one may give nothing more.
var ErrOvertaken = errors.New("another run is acting on this grant")

// ErrShortened says that a chain no longer holds what it once held: it was cut
// short, rewritten, or is of another ledger. Nothing is granted on it.
var ErrShortened = errors.New("the ledger no longer holds what it held at the last apply: it was shortened or rewritten")

// operation is one verb at work on one grant: its chain, as this run knows it,
// and the record that follows from it.
type operation struct {
	engine *Engine
	chain  ledger.Chain
	record Record
	heads  map[string]nhi.Head // of the other chains, to be remembered
	base   int                 // number of the newest base that is known
	// seenBase is the one that the caller knew of.
	seenBase int
	// restored says that the chain lacks what the caller remembers, and why that
	// is excused.
	restored error
	// doubt says that the chain is not whole, so that it cannot say of any
	// account that it never was enabled.
	doubt bool
	// sent says that an effect was asked of a system, and clean that nothing
	// was unfinished before this verb: where nothing was sent from there,
	// there is nothing to take back.
	sent, clean bool
	// elsewhere says that the caller remembers another ledger, and that this one
	// holds the grant: whose word counts is for people to say.
	elsewhere bool
	// verb is what this run does: that of its own intent, and empty before.
	verb string
	// away holds why the chain cannot be appended to. Only a removal goes on
	// then, and what it would have recorded is kept in pending.
	away    error
	pending []ledger.Body
	// growing takes what is recorded, in place of the ledger, while an
	// emergency is granted without one; remember keeps the record beside it.
	growing  *ledger.Growing
	remember func(Record) error
}

// begin reads the grant's chain. On an error the operation still holds what
// was intact, for a removal to work from.
func (e *Engine) begin(ctx context.Context, id nhi.ApprovalID) (*operation, error) {
	op := &operation{engine: e, chain: ledger.Chain{Name: ledger.GrantChain(id)}}
	op.record.Grant = id
	err := op.reread(ctx)
	return op, err
}

// reread reads the grant's chain again.
func (o *operation) reread(ctx context.Context) error {
	book, err := o.engine.Book()
	if err != nil {
		o.take(o.chain)
		return err
	}
	chain, err := book.Read(ctx, ledger.GrantChain(o.record.Grant))
	if chain.Name == "" {
		chain.Name = ledger.GrantChain(o.record.Grant)
	}
	o.take(chain)
	o.record.Ledger = book.ID()
	return err
}

// take makes chain what this run knows.
func (o *operation) take(chain ledger.Chain) {
	o.chain = chain
	o.record = Fold(o.record.Grant, chain)
	o.record.Heads, o.record.Base = o.heads, o.base
	if o.doubt {
		o.record.Enabled = nonces(o.record.Targets)
	}
}

// relies makes heads part of what is remembered of the grant.
func (o *operation) relies(heads map[string]nhi.Head) {
	o.heads = heads
	o.record.Heads = heads
}

// follows holds where the grant's chain goes on from what the caller saw.
func (o *operation) follows(known Record) error {
	if known.Ledger != "" && o.record.Ledger != known.Ledger {
		return fmt.Errorf("%s is recorded in ledger %s, and this is ledger %s: %w", known.Grant, known.Ledger, o.record.Ledger, ErrShortened)
	}
	return follows(o.chain, known.Head)
}

// follows holds a chain against the end that was seen before.
func follows(chain ledger.Chain, seen nhi.Head) error {
	if seen.Seq == 0 {
		return nil
	}
	if hash, ok := chain.HashAt(seen.Seq); !ok || hash != seen.Hash {
		if !ok {
			return fmt.Errorf("%s ends with entry %d, and entry %d was seen: %w", chain.Name, len(chain.Entries), seen.Seq, ErrShortened)
		}
		return fmt.Errorf("%s entry %d: it was %s, and is another one: %w", chain.Name, seen.Seq, seen.Hash.Short(), ErrShortened)
	}
	return nil
}

// append writes bodies to the grant's chain. ErrOvertaken means that another
// run was there first.
func (o *operation) append(ctx context.Context, bodies ...ledger.Body) error {
	err := o.write(ctx, bodies...)
	if err == nil && o.remember != nil {
		err = o.remember(o.record)
	}
	return err
}

func (o *operation) write(ctx context.Context, bodies ...ledger.Body) error {
	if o.growing != nil {
		return o.spoolOn(bodies...)
	}
	book, err := o.engine.Book()
	if err != nil {
		return err
	}
	o.begins(bodies...)
	if err := errors.Join(o.pointOf(ctx, bodies, before), o.engine.mayAct()); err != nil {
		return err
	}
	known := o.chain
	chain, err := book.Append(ctx, o.chain, bodies...)
	if fault := o.pointOf(ctx, bodies, after); err == nil && fault != nil {
		chain, err = known, fault // what was written stands, and this run does not know
	}
	if errors.Is(err, nhi.ErrUnreachable) {
		chain, err = landed(ctx, book, known, chain, bodies, err)
	}
	o.take(chain) // also after an error: what was written before it stands
	if errors.Is(err, ledger.ErrConflict) {
		return fmt.Errorf("%s: %w", o.record.Grant, ErrOvertaken)
	}
	return err
}

// begins notes what this run does from now on.
func (o *operation) begins(bodies ...ledger.Body) {
	for _, body := range bodies {
		if intent, ok := body.(ledger.IntentBody); ok {
			o.verb = intent.Verb
		}
	}
}

// answerDeadline bounds how long the ledger is asked again after it did not
// answer.
const answerDeadline = 10 * time.Second

// landed finds out what became of an append that was not answered: the ledger
// may have stored all of it, a part, or nothing.
func landed(ctx context.Context, book *ledger.Ledger, before, grown ledger.Chain, bodies []ledger.Body, cause error) (ledger.Chain, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerDeadline)
	defer cancel()
	read, err := book.Read(ctx, before.Name)
	if err != nil || len(read.Entries) < len(grown.Entries) || follows(read, before.Head()) != nil {
		return grown, cause
	}
	tail := read.Entries[len(before.Entries):]
	for i, entry := range tail {
		if i >= len(bodies) || !written(entry, bodies[i]) {
			return grown, ledger.ErrConflict
		}
	}
	switch len(tail) {
	case 0:
		return grown, cause
	case len(bodies):
		return read, nil
	default:
		return book.Append(ctx, read, bodies[len(tail):]...)
	}
}

// written says whether an entry holds this very body.
func written(entry ledger.Entry, body ledger.Body) bool {
	ours := entry
	ours.Body = body
	return ours.Hash() == entry.Hash()
}

// note records one body of a removal: in the ledger, or, while that is away, in
// memory for the spool. Being overtaken is an error: the other run acts.
func (o *operation) note(ctx context.Context, body ledger.Body) error {
	if o.away == nil {
		err := o.append(ctx, body)
		if err == nil || errors.Is(err, ErrOvertaken) || errors.Is(err, ErrAbandoned) {
			return err
		}
		o.away = err
	}
	o.begins(body)
	o.pending = append(o.pending, body)
	switch body := body.(type) {
	case ledger.IntentBody:
		o.record.begin(body, 0)
	case ledger.VerificationBody:
		o.record.verify(body)
	}
	return nil
}

// spool keeps what the ledger could not take, until it can.
func (o *operation) spool(ctx context.Context) error {
	if len(o.pending) == 0 {
		return nil
	}
	if err := o.point(ctx, "spool", before); err != nil {
		return err
	}
	put := o.growing.Append
	if o.growing == nil {
		put = func(bodies ...ledger.Body) error {
			return ledger.NewSpool(o.engine.SpoolDir, o.record.Ledger).Put(ledger.GrantChain(o.record.Grant), bodies...)
		}
	}
	if err := put(o.pending...); err != nil {
		return fmt.Errorf("the removal could be written neither to the ledger nor to the spool: %w", errors.Join(o.away, err))
	}
	o.pending = nil
	return o.point(ctx, "spool", after)
}

// claims bounds how often an intent is tried again behind entries that give
// nobody the right to act.
const claims = 5

// claim notes an intent that takes away or puts back. What was written
// meanwhile does not stop it, unless it is another run's intent, or says that
// the change which is to be put back is in force.
func (o *operation) claim(ctx context.Context, intent func() ledger.IntentBody) error {
	for range claims {
		acting, changing := o.record.acting, o.record.Changing()
		err := o.note(ctx, intent())
		if !errors.Is(err, ErrOvertaken) {
			return err
		}
		if again := o.reread(ctx); again != nil {
			return errors.Join(err, again)
		}
		if o.record.acting != acting || o.record.Changing() != changing {
			return err // there is nothing any more that this intent is about
		}
	}
	return fmt.Errorf("%s: %w", o.record.Grant, ErrOvertaken)
}

// unchanged holds while every chain still ends as it did when it was relied on.
func (e *Engine) unchanged(ctx context.Context, heads map[string]nhi.Head) error {
	book, err := e.Book()
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(heads)) {
		chain, err := book.Read(ctx, name)
		if err != nil {
			return err
		}
		if chain.Head() != heads[name] {
			return fmt.Errorf("%s has changed since it was evaluated: %w", name, ErrOvertaken)
		}
	}
	return nil
}
