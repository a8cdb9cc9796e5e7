package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// takeovers returns the keys of the accesses that take an account over, each
// with its name.
func takeovers(systems *Systems, request nhi.Request) map[string]string {
	names := map[string]string{}
	for key, access := range request.Access {
		kind, _ := systems.Kind(access.Kind)
		if name := kind.Adoption(access.Settings).Name; name != "" {
			names[key] = name
		}
	}
	return names
}

// Observe records what stands under the names that a request takes over, where
// the last word on it is not the same already, so that whoever decides after
// it has seen it. A request that takes nothing over is left alone. Errors are
// the connectors', each with its target: what cannot be looked at cannot be
// asked for.
func (e *Engine) Observe(ctx context.Context, text string) error {
	request, err := nhi.ParseRequest(text)
	if err != nil {
		return err
	}
	names := takeovers(e.Systems, request)
	if len(names) == 0 {
		return nil
	}
	op, err := e.begin(ctx, request.Approval)
	if err != nil {
		return err
	}
	body := ledger.ObservationBody{Request: nhi.DigestOf(text), Targets: map[string]ledger.Observed{}}
	for _, key := range slices.Sorted(maps.Keys(names)) {
		seen, taken := op.taken(ctx, key, request.Access[key], names[key])
		if !taken {
			seen, err = e.appraise(ctx, request.Access[key], names[key])
		}
		if err != nil {
			return fmt.Errorf("target %q: %w", key, err)
		}
		body.Targets[key] = seen
	}
	op.verb = verbObserve
	if err := op.point(ctx, "observation", before); err != nil {
		return err
	}
	err = e.extend(ctx, ledger.ApprovalChain(request.Approval), func(chain ledger.Chain) ledger.Body {
		last, known := lastObservation(chain, body.Request, uint64(len(chain.Entries)))
		if known && maps.EqualFunc(last.Targets, body.Targets, sameAccount) {
			return nil
		}
		return body
	})
	return errors.Join(err, op.point(ctx, "observation", after))
}

// sameAccount says whether nothing that approvers weigh has changed.
func sameAccount(a, b ledger.Observed) bool {
	return a.Principal == b.Principal && a.ID == b.ID && a.Owner == b.Owner && slices.Equal(a.Privileges, b.Privileges)
}

// taken says what the account is that the grant has taken over already, and
// holds: it carries our mark, so that nobody could take it over, and another
// request for it is about this very one.
func (o *operation) taken(ctx context.Context, key string, access nhi.Access, name string) (ledger.Observed, bool) {
	target, held := o.record.Targets[key]
	if !held || target.ID == "" || target.Principal != name || target.Kind != access.Kind || target.Endpoint != access.Endpoint {
		return ledger.Observed{}, false
	}
	seen := o.each(ctx, []string{key}, observe)[key]
	if seen.Err != nil || seen.State != connector.Active && seen.State != connector.Inert {
		return ledger.Observed{}, false
	}
	return ledger.Observed{Principal: name, ID: target.ID, Privileges: seen.Privileges}, true
}

func (e *Engine) appraise(ctx context.Context, access nhi.Access, name string) (ledger.Observed, error) {
	open, err := e.Systems.Connector(ctx, ledger.Target{System: access.System, Kind: access.Kind, Endpoint: access.Endpoint})
	if err != nil {
		return ledger.Observed{}, err
	}
	adopter, ok := connector.AdopterOf(open)
	if !ok {
		return ledger.Observed{}, fmt.Errorf("a system of kind %s takes no accounts over: %w", access.Kind, nhi.ErrInvalid)
	}
	seen, err := adopter.Appraise(ctx, name)
	if err != nil {
		return ledger.Observed{}, err
	}
	return ledger.Observed{Principal: seen.Principal, ID: seen.ID, Owner: seen.Owner, Privileges: seen.Privileges, LastUsed: seen.LastUsed}, nil
}

// lastObservation returns the last observation for a request among the first
// upTo entries of its approval's chain.
func lastObservation(chain ledger.Chain, request nhi.Digest, upTo uint64) (ledger.ObservationBody, bool) {
	for _, entry := range slices.Backward(chain.Entries[:min(upTo, uint64(len(chain.Entries)))]) {
		if body, ok := entry.Body.(ledger.ObservationBody); ok && body.Request == request {
			return body, true
		}
	}
	return ledger.ObservationBody{}, false
}

// observed fills in what those who approved saw of the accounts that a request
// takes over. An account that not all of them saw is not approved.
func (s *Standing) observed(systems *Systems, request nhi.Request, digest nhi.Digest) {
	names := takeovers(systems, request)
	if len(names) == 0 {
		return
	}
	chain := s.chains[s.approval]
	seen := s.Verdict.Seen
	if len(s.Verdict.ApprovedBy) == 0 {
		seen = uint64(len(chain.Entries)) // nobody has approved yet, or nobody needs to
	}
	observation, _ := lastObservation(chain, digest, seen)
	s.Observed = observation.Targets
	for _, key := range slices.Sorted(maps.Keys(names)) {
		if observation.Targets[key].Principal == names[key] {
			continue
		}
		s.Verdict.Reasons = append(s.Verdict.Reasons, fmt.Sprintf("what stands under the name %s was not on record when it was approved", names[key]))
		if s.Status == policy.StatusApproved {
			s.Status = policy.StatusPending
		}
	}
}

// takes says in words which accounts an approved request takes over, and what
// they lose of what those who approved saw.
func (s Standing) takes(systems *Systems, request nhi.Request) []string {
	names := takeovers(systems, request)
	var words []string
	for _, key := range slices.Sorted(maps.Keys(names)) {
		text := key + ": takes over " + names[key] + " as it is"
		var given []string
		if kind, _ := systems.Kind(request.Access[key].Kind); kind.Privileges != nil {
			given = kind.Privileges(request.Access[key].Settings)
		}
		lost := slices.DeleteFunc(slices.Clone(s.Observed[key].Privileges), func(held string) bool { return slices.Contains(given, held) })
		if len(lost) > 0 {
			text += ", which loses " + joined(lost)
		}
		words = append(words, clip(text))
	}
	return words
}

// adopts says whether a target is an account that was taken over.
func (o *operation) adopts(key string) bool {
	target := o.record.Targets[key]
	kind, _ := o.engine.Systems.Kind(target.Kind)
	return kind.Adoption(target.Access).Name != ""
}

// release gives accounts back as they were found.
var release = method{"release", func(c connector.Connector, ctx context.Context, accounts []connector.Account) []connector.Outcome {
	adopter, ok := connector.AdopterOf(c)
	if ok {
		return adopter.Release(ctx, accounts)
	}
	outcomes := make([]connector.Outcome, len(accounts))
	for i := range outcomes {
		outcomes[i].Err = fmt.Errorf("it cannot be given back: %w", errors.Join(nhi.ErrUnconfirmed, nhi.ErrInvalid))
	}
	return outcomes
}, true}
