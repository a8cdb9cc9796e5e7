package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// takeOver puts our mark on the very role that approvers saw, and records how
// it was found. It takes nothing away: whoever uses the role goes on until
// Enable.
func (s *system) takeOver(ctx context.Context, account connector.Account) (connector.Observation, error) {
	oid, err := accountOID(account)
	if err != nil {
		return connector.Observation{}, err
	}
	if oid == 0 {
		return connector.Observation{}, fmt.Errorf("role %s is to be taken over, and its OID is not known: %w", shown(account.Principal), nhi.ErrInvalid)
	}
	kept := evidence{}
	seen, err := s.change(ctx, []connector.Account{account}, func(ctx context.Context, tx pgx.Tx, seen *snapshot) ([]string, error) {
		ours, inPlace := seen.find(account)
		switch {
		case ours != nil && kept.Found != nil: // the second look
			return nil, nil
		case ours != nil:
			kept, err = seen.keep(account, ours)
			return nil, err
		case inPlace == nil:
			return nil, fmt.Errorf("role %s (OID %s) is gone: %w", shown(account.Principal), account.ID, errStays)
		case inPlace.oid != oid || inPlace.name != account.Principal:
			return nil, foreignError(inPlace)
		}
		if err := s.checkTakeable(seen, inPlace); err != nil {
			return nil, err
		}
		if err := checkApproved(ctx, tx, account); err != nil {
			return nil, err
		}
		kept = evidence{}
		if kept.Found, err = seen.asFound(inPlace, true); err != nil {
			return nil, err
		}
		marked := account
		if marked.Evidence, err = kept.text(); err != nil {
			return nil, err
		}
		if _, err := s.surplus(ctx, tx, marked, inPlace); err != nil {
			return nil, err
		}
		mark, err := literal(account.Mark.String())
		return []string{"COMMENT ON ROLE " + quoted(inPlace.name) + " IS " + mark}, err
	})
	if err != nil {
		return connector.Observation{}, err
	}
	if account.Evidence, err = kept.text(); err != nil {
		return connector.Observation{}, err
	}
	observation := seen.Of(account)
	observation.Evidence = account.Evidence
	return observation, nil
}

// keep returns what is known of a role that carries our mark already: what was
// recorded, or what there is, where a run was killed before it could record.
func (s *snapshot) keep(account connector.Account, ours *role) (evidence, error) {
	kept := recorded(account)
	if kept.Found != nil {
		return kept, nil
	}
	found, err := s.asFound(ours, !account.Enabled)
	kept.Found = found
	return kept, err
}

// enableTaken strips a role that was taken over. Where it has something to hand
// over, it cannot log in while that is done; and sessions that may still act
// for a role that was taken away are ended, once.
func (s *system) enableTaken(ctx context.Context, account connector.Account, want shape) (connector.Observation, error) {
	account.Enabled = true
	var cut bool
	var sessions []uint32 // whose sessions are to end
	one := []connector.Account{account}
	seen, err := s.change(ctx, one, func(ctx context.Context, tx pgx.Tx, seen *snapshot) ([]string, error) {
		ours, err := s.checkTaken(ctx, tx, seen, account)
		if err != nil {
			return nil, err
		}
		if cut, err = s.surplus(ctx, tx, account, ours); err != nil {
			return nil, err
		}
		if cut || seen.exceeds(account, ours) {
			sessions = []uint32{ours.oid}
		}
		now := want
		now.cut = cut
		return seen.reshape(account, ours, now), nil
	})
	if err != nil {
		return connector.Observation{}, err
	}
	if cut {
		if seen, err = s.settle(ctx, account, sessions, want); err != nil {
			return connector.Observation{}, err
		}
	} else if err := s.endOldSessions(ctx, sessions); err != nil {
		return seen.Of(account), err
	}
	ours, _ := seen.find(account)
	if ours == nil {
		return seen.Of(account), fmt.Errorf("role %s went away while it was enabled: %w", shown(account.Principal), errStays)
	}
	if err := seen.checkDirect(account, ours); err != nil {
		return seen.Of(account), err
	}
	return seen.enabled(account)
}

// checkTaken returns our role, where it may be enabled.
func (s *system) checkTaken(ctx context.Context, tx pgx.Tx, seen *snapshot, account connector.Account) (*role, error) {
	ours, foreign := seen.find(account)
	switch {
	case foreign != nil:
		return nil, foreignError(foreign)
	case ours == nil:
		return nil, fmt.Errorf("role %s is not there to be enabled: %w", shown(account.Principal), errStays)
	}
	return ours, checkApproved(ctx, tx, account)
}

// settle hands over what a role without login owns, and lets it log in again.
// Where that fails it may log in all the same: it has the approved roles alone.
func (s *system) settle(ctx context.Context, account connector.Account, oids []uint32, want shape) (*snapshot, error) {
	one := []connector.Account{account}
	var over handover
	step := func(handing bool) (*snapshot, error) {
		return s.change(ctx, one, func(ctx context.Context, tx pgx.Tx, seen *snapshot) ([]string, error) {
			ours, err := s.checkTaken(ctx, tx, seen, account)
			if err != nil {
				return nil, err
			}
			var statements []string
			if handing {
				some, err := s.surplus(ctx, tx, account, ours)
				if err != nil {
					return nil, err
				}
				if some {
					if statements, err = over.statements(ctx, tx, s, seen, []*role{ours}); err != nil {
						return nil, err
					}
				}
			}
			return append(statements, seen.reshape(account, ours, want)...), nil
		})
	}
	var seen *snapshot
	err := s.endSessions(ctx, oids)
	if err == nil {
		seen, err = step(true)
	}
	if err != nil {
		if _, open := step(false); open != nil {
			err = fmt.Errorf("%w (and role %s is left without login: %w)", err, shown(account.Principal), open)
		}
		return nil, err
	}
	return seen, nil
}

// exceeds says whether a role has, or gives, more than it was approved for.
func (s *snapshot) exceeds(account connector.Account, r *role) bool {
	approved := account.Access.Items(settingRoles)
	more := slices.ContainsFunc(s.holds[r.oid], func(m membership) bool { return m.admin || !slices.Contains(approved, m.roleName) })
	return more || len(repairs(powersOf(r))) > 0 || len(s.intruders(r, s.loginsOf(account))) > 0
}
