package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// Bounds of waiting for sessions to end: a backend ends at its next
// interruptible moment.
const (
	sessionsWait = 20 * time.Second
	sessionsPoll = 20 * time.Millisecond
)

// endSessions ends every session of the roles and returns when the server
// shows none. It goes by OID, so that it still finds the sessions of a role
// that was dropped. The roles must not be able to log in any more. The error
// is nhi.ErrUnconfirmed where a session would not end.
func (s *system) endSessions(ctx context.Context, oids []uint32) error {
	ctx, cancel := context.WithTimeout(ctx, sessionsWait)
	defer cancel()
	for {
		var left int
		count := "SELECT count(*)::integer FROM pg_catalog.pg_stat_activity WHERE usesysid = ANY ($1::oid[])"
		if err := s.pool.QueryRow(ctx, count, oids).Scan(&left); err != nil {
			return unreachable(ctx, "list sessions", err)
		}
		if left == 0 {
			return nil
		}
		end := "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE usesysid = ANY ($1::oid[])"
		if _, err := s.pool.Exec(ctx, end, oids); err != nil {
			return unreachable(ctx, "end sessions", err)
		}
		if !pause(ctx, sessionsPoll) {
			return fmt.Errorf("%d sessions did not end in time: %w: %w", left, nhi.ErrUnconfirmed, ctx.Err())
		}
	}
}

// endOldSessions ends the sessions that the roles have now, and returns when
// these are gone. The roles may log in again meanwhile.
func (s *system) endOldSessions(ctx context.Context, oids []uint32) error {
	if len(oids) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, sessionsWait)
	defer cancel()
	const list = "SELECT coalesce(pg_catalog.array_agg(pid), '{}') FROM pg_catalog.pg_stat_activity WHERE usesysid = ANY ($1::oid[])"
	var old []int32
	if err := s.pool.QueryRow(ctx, list, oids).Scan(&old); err != nil {
		return unreachable(ctx, "list sessions", err)
	}
	for len(old) > 0 {
		var left int
		const end = "SELECT count(pg_catalog.pg_terminate_backend(pid))::integer FROM pg_catalog.pg_stat_activity " +
			"WHERE usesysid = ANY ($1::oid[]) AND pid = ANY ($2::integer[])"
		if err := s.pool.QueryRow(ctx, end, oids, old).Scan(&left); err != nil {
			return unreachable(ctx, "end sessions", err)
		}
		if left == 0 {
			return nil
		}
		if !pause(ctx, sessionsPoll) {
			return fmt.Errorf("%d sessions did not end in time: %w: %w", left, nhi.ErrUnconfirmed, ctx.Err())
		}
	}
	return nil
}
