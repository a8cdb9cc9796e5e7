package lifecycle

import (
	"context"
	"errors"
	"fmt"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// Blocked is a block that stands in the way of a grant: somebody ended it, or
// its whole identity, by hand.
type Blocked struct {
	By    string // who, and why: "ana@example.com: incident"
	Chain string // that holds it: the grant's or its identity's
	Seq   uint64
	// Lift says who lifted it so far and who has to; the zero Lift where that
	// was not evaluated.
	Lift policy.Lift

	chain ledger.Chain
	with  func([]nhi.SignedDecision) policy.Lift
}

// Head is the end of the chain that holds the block: what a lift is signed on.
func (b Blocked) Head() nhi.Head { return b.chain.Head() }

// With says what policy would say of the block if these decisions were on
// record too.
func (b Blocked) With(more ...nhi.SignedDecision) policy.Lift {
	if b.with == nil {
		return b.Lift
	}
	return b.with(more)
}

// blocks returns the blocks of a grant and of its identity that no activation
// came after. Whether a quorum lifted them, a standing says.
func (r *Record) blocks(identities ledger.Chain) []Blocked {
	var blocks []Blocked
	if r.Blocked != "" {
		blocks = append(blocks, Blocked{By: r.Blocked, Chain: ledger.GrantChain(r.Grant), Seq: r.BlockedAt, chain: r.chain})
	}
	if by, seq := lastBlock(identities); seq > r.IdentitySeen {
		blocks = append(blocks, Blocked{By: by, Chain: identities.Name, Seq: seq, chain: identities})
	}
	return blocks
}

// lastBlock finds the last block of a chain; its number is 0 where there is
// none. A lift on record takes none away by itself: it is nobody's signature.
func lastBlock(chain ledger.Chain) (by string, seq uint64) {
	for _, entry := range chain.Entries {
		if body, ok := entry.Body.(ledger.BlockBody); ok {
			by, seq = blockWords(body), entry.Seq
		}
	}
	return by, seq
}

func blockWords(body ledger.BlockBody) string {
	if body.Reason == "" {
		return body.By
	}
	return body.By + ": " + body.Reason
}

// Blocked says who ended the grant by hand, and why; empty where nobody did, or
// where the quorum of the request lifted it.
func (s *Standing) Blocked() string {
	for _, block := range s.Blocks {
		if !block.Lift.Lifted {
			return block.By
		}
	}
	return ""
}

// lift fills in what policy and people say of each block.
func (s *Standing) lift(blocks []Blocked, request nhi.Request, text string) {
	in := s.Input(request, text)
	in.Decisions, in.HashAt = nil, nil // those of each block
	for _, block := range blocks {
		held := policy.Block{Seq: block.Seq, HashAt: block.chain.HashAt}
		block.with = func(more []nhi.SignedDecision) policy.Lift {
			held.Decisions = append(decisionsIn(block.chain), more...)
			return s.Policy.Lift(in, held)
		}
		block.Lift = block.with(nil)
		s.Blocks = append(s.Blocks, block)
	}
}

// blockedNow is Standing.Blocked for the request in force, for those who ask
// the policy nothing else. Where it cannot be evaluated, a block holds.
func (e *Engine) blockedNow(ctx context.Context, record Record, identities ledger.Chain) string {
	blocks := record.blocks(identities)
	if len(blocks) == 0 {
		return ""
	}
	if _, is := record.emergency(); is {
		return e.blockedEmergency(ctx, record, blocks, identities)
	}
	request, err := nhi.ParseRequest(record.Text)
	if err != nil {
		return blocks[0].By
	}
	standing, err := e.standing(ctx, request, record.Text, record, nil)
	if err != nil {
		return blocks[0].By
	}
	return standing.Blocked()
}

// blockedEmergency is blockedNow for an emergency. Nobody can lift a block for
// it: there is no request of which policy could say who may. So one of its own
// grant holds for ever, and one of its identity until it is lifted for any
// other grant.
func (e *Engine) blockedEmergency(ctx context.Context, record Record, blocks []Blocked, identities ledger.Chain) string {
	for _, block := range blocks {
		if block.Chain != identities.Name {
			return block.By
		}
	}
	grants, err := e.grantsOf(ctx, record.Grant.Identity())
	if err != nil {
		return blocks[0].By
	}
	for _, grant := range grants {
		op, err := e.begin(ctx, grant)
		if _, is := op.record.emergency(); err != nil || is || grant == record.Grant {
			continue
		}
		if e.blockedNow(ctx, op.record, identities) == "" {
			return ""
		}
	}
	return blocks[0].By
}

// RecordLift appends a signed lift to the chain that holds the block, and, where
// the quorum is met by it, a note that says so. It returns the number of the
// lift's entry. ErrShortened where the chain is no longer the one that it was
// signed on.
func (e *Engine) RecordLift(ctx context.Context, block Blocked, signed nhi.SignedDecision) (uint64, error) {
	decision, err := nhi.ParseDecision(signed.Text)
	if err != nil {
		return 0, err
	}
	request, err := nhi.ParseRequest(decision.Request)
	if err != nil {
		return 0, err
	}
	bodies := []ledger.Body{ledger.DecisionBody{SignedDecision: signed}}
	if lift := block.With(signed); lift.Lifted {
		bodies = append(bodies, ledger.LiftBody{By: joined(lift.By), Reason: "for " + string(request.Approval)})
	}
	return e.appendBehind(ctx, block.Chain, decision.Head, bodies...)
}

// appendBehind appends bodies to a chain that goes on from head, and returns
// the number of the first. ErrShortened where the chain does not.
func (e *Engine) appendBehind(ctx context.Context, name string, head nhi.Head, bodies ...ledger.Body) (uint64, error) {
	book, err := e.Book()
	if err != nil {
		return 0, err
	}
	const tries = 50
	for range tries {
		chain, err := book.Read(ctx, name)
		if err != nil {
			return 0, err
		}
		if err := follows(chain, head); err != nil {
			return 0, err
		}
		grown, err := book.Append(ctx, chain, bodies...)
		if written := len(grown.Entries) - len(chain.Entries); written > 0 {
			return grown.Entries[len(chain.Entries)].Seq, nil // the note is for people alone
		}
		if !errors.Is(err, ledger.ErrConflict) {
			return 0, err
		}
	}
	return 0, fmt.Errorf("%s: %w", name, ErrOvertaken)
}
