package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
)

// SQLSTATE codes that mean something to us.
// https://www.postgresql.org/docs/current/errcodes-appendix.html
const (
	codeInvalidPassword      = "28P01"
	codeInvalidAuthorization = "28000"
	codePermission           = "42501"
	codeNoTable              = "42P01"
	codeNoSchema             = "3F000"
	codeReadOnly             = "25006"
	codeSerialization        = "40001"
	codeDeadlock             = "40P01"
	classConnection          = "08"
	classIntervention        = "57P" // the server ends, or somebody ended the session
)

// settledError is what no retry can mend, in our own words.
type settledError struct{ text string }

func (e *settledError) Error() string { return e.text }

func settled(format string, args ...any) error { return &settledError{fmt.Sprintf(format, args...)} }

// explain says what happened in words that tell what to do. Only the text of
// the driver's error is kept, since the error itself carries the configuration,
// password included. The end of the caller's context can be matched.
func (s *Store) explain(ctx context.Context, doing string, err error) error {
	var ours *settledError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ledger.ErrExists), errors.Is(err, ledger.ErrNotFound):
		return err
	case errors.Is(err, ledger.ErrNoLedger), errors.As(err, &ours):
		return fmt.Errorf("%s: %w", s.where, err)
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %s: %w", s.where, doing, ctx.Err())
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %s: no answer within %s", s.where, doing, s.patience)
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	switch codeOf(err) {
	case codeInvalidPassword, codeInvalidAuthorization:
		text = "the server refused the login: " + text
	case codePermission:
		text = "the role may not do this (the guide has the grants): " + text
	case codeNoTable, codeNoSchema:
		text = "the table or its schema is gone: " + text
	case codeReadOnly:
		text = "the server is read-only: " + text
	}
	return fmt.Errorf("%s: %s: %s", s.where, doing, text)
}

func codeOf(err error) string {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return server.Code
	}
	return ""
}

// lost says that the connection is of no use any more, rather than that the
// server said no: what was asked may or may not have been done.
func lost(err error) bool {
	var ours *settledError
	if err == nil || errors.As(err, &ours) || errors.Is(err, ledger.ErrNoLedger) || errors.Is(err, ledger.ErrNotFound) {
		return false
	}
	code := codeOf(err)
	return code == "" || strings.HasPrefix(code, classConnection) || strings.HasPrefix(code, classIntervention)
}

// undone says that the server took back what was asked, because of what others
// did at the same moment. Where transactions are serializable by default, that
// is what a second writer of one key is told.
func undone(err error) bool {
	code := codeOf(err)
	return code == codeSerialization || code == codeDeadlock
}
