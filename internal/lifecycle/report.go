package lifecycle

import (
	"context"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Report says where a grant stands by the ledger and the policy alone: no
// target is asked, so no drift is seen. Text is the request that is asked for.
// Certain is false where the ledger could not be read.
func (e *Engine) Report(ctx context.Context, id nhi.ApprovalID, text string) View {
	view := View{Targets: map[string]Seen{}}
	op, err := e.begin(ctx, id)
	if err != nil {
		view.warn(err)
		return view
	}
	facts := Facts{Phase: op.record.Phase, Changing: op.record.Changing(), Held: op.record.Held, ExpiresAt: op.record.ExpiresAt,
		Trigger: op.record.Trigger}
	facts.Live = facts.Phase == PhaseActive || facts.Changing // there is no state that could believe something else
	facts.Now, err = e.Time(ctx)
	view.warn(err)
	e.lookAtStanding(ctx, &view, &facts, op, text, op.record.Trigger)
	e.lookAtPolicy(&view, &facts, op.record)
	view.Certain, view.Record, view.Now = true, op.record, facts.Now
	view.Decision = Decide(Wish{Request: nhi.DigestOf(text), Trigger: op.record.Trigger}, facts)
	view.lookAtKeys(op.record)
	return view
}
