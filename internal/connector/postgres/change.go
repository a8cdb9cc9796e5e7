package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// roleLock is the advisory lock under which we change roles ("nhirole" in
// ASCII): PostgreSQL fails parallel changes of one role instead of queueing
// them. The lock belongs to one database, and others change roles too, so a
// lost race is tried again all the same.
const roleLock int64 = 0x6e6869726f6c65

// Bounds of trying a change again after a lost race.
const (
	raceTries     = 20
	raceFirstWait = 5 * time.Millisecond
	raceLastWait  = 400 * time.Millisecond
)

// decision looks at what is there and returns the statements to run; none
// where all is as it should be.
type decision func(ctx context.Context, tx pgx.Tx, seen *snapshot) ([]string, error)

// change runs a decision in one transaction, and returns what it read of the
// accounts after it. The first account is the one that it is about.
//
// Every effect is conditional on mark and OID inside the transaction that has
// the effect. Catalog rows cannot be locked with SELECT … FOR UPDATE, so the
// order is: take the lock that all of us take, look, decide, run the
// statements, look again, and decide again. Only if the second look finds the
// same object of ours and nothing left to do is the transaction committed; so
// a role that somebody swapped in between, or a statement that the server took
// and did not follow (a REVOKE of a membership that another grantor gave is
// only a warning), rolls everything back. A refusal runs no statement at all.
func (s *system) change(ctx context.Context, accounts []connector.Account, decide decision) (*snapshot, error) {
	var seen *snapshot
	// Read committed, so that the look after the lock sees what its last holder did.
	options := pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite}
	err := retry(ctx, func() error {
		return pgx.BeginTxFunc(ctx, s.pool, options, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "SELECT pg_catalog.pg_advisory_xact_lock($1)", roleLock); err != nil {
				return fmt.Errorf("lock roles: %w", err)
			}
			var err error
			seen, err = changeLocked(ctx, tx, accounts, decide)
			return err
		})
	})
	if err != nil {
		return nil, unreachable(ctx, "change role "+accounts[0].Principal, err)
	}
	return seen, nil
}

func changeLocked(ctx context.Context, tx pgx.Tx, accounts []connector.Account, decide decision) (*snapshot, error) {
	seen, err := load(ctx, tx, accounts)
	if err != nil {
		return nil, err
	}
	statements, err := decide(ctx, tx, seen)
	if err != nil || len(statements) == 0 {
		return seen, err
	}
	for _, statement := range statements {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return nil, err // never the statement: it may hold a verifier
		}
	}
	if seen, err = load(ctx, tx, accounts); err != nil {
		return nil, err
	}
	left, err := decide(ctx, tx, seen)
	if err != nil {
		return nil, err
	}
	if len(left) != 0 {
		return nil, fmt.Errorf("role %s: the server took the change and did not follow it (%s): %w",
			shown(accounts[0].Principal), verbs(left), errStays)
	}
	return seen, nil
}

// verbs names statements without what is in them.
func verbs(statements []string) string {
	var words []string
	for _, statement := range statements {
		verb, _, _ := strings.Cut(statement, " ")
		words = append(words, verb)
	}
	return strings.Join(words, ", ")
}

// retry runs do again after a lost race, with growing waits, until ctx ends.
func retry(ctx context.Context, do func() error) error {
	wait := raceFirstWait
	for try := 1; ; try++ {
		err := do()
		if err == nil || isOurs(err) || !isRace(err) || try == raceTries {
			return err
		}
		if !pause(ctx, wait/2+rand.N(wait/2)) { //nolint:gosec // a jitter is no secret
			return errors.Join(err, ctx.Err())
		}
		wait = min(2*wait, raceLastWait)
	}
}

// pause waits, and says whether ctx is still alive.
func pause(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// foreignError refuses to touch what is in the account's place.
func foreignError(found *role) error {
	return fmt.Errorf("%s: %w", foreignText(found), nhi.ErrForeign)
}
