package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// SQLSTATE codes that mean something to us.
// https://www.postgresql.org/docs/current/errcodes-appendix.html
const (
	codeInvalidPassword      = "28P01"
	codeInvalidAuthorization = "28000"
	codePermission           = "42501"
	codeDuplicate            = "42710"
	codeUniqueViolation      = "23505"
	codeSerialization        = "40001"
	codeDeadlock             = "40P01"
	codeInternal             = "XX000"
	codeReadOnly             = "25006"
	codeUndefinedObject      = "42704"
	codeStillOwns            = "2BP01"
)

// unreachable turns a failure of driver or server into nhi.ErrUnreachable:
// whatever did not end in a clear answer says nothing about what the server
// holds. Only the text of the driver's error is kept, since the error itself
// carries the configuration, password included. Errors of ours pass.
func unreachable(ctx context.Context, doing string, err error) error {
	if err == nil || isOurs(err) {
		return err
	}
	if cause := ctx.Err(); cause != nil {
		return fmt.Errorf("%s: %w: %w", doing, nhi.ErrUnreachable, cause)
	}
	return fmt.Errorf("%s: %s: %w", doing, explain(err), nhi.ErrUnreachable)
}

func isOurs(err error) bool {
	ours := []error{nhi.ErrInvalid, nhi.ErrForeign, nhi.ErrEnded, nhi.ErrUnconfirmed, nhi.ErrUnreachable, errStays}
	return slices.ContainsFunc(ours, func(sentinel error) bool { return errors.Is(err, sentinel) })
}

// errStays is behind an error that no retry of ours can mend: a person must
// change something on the server first.
var errStays = errors.New("must be settled on the server")

// explain says what a person can do about the server's answer.
func explain(err error) string {
	text := strings.Join(strings.Fields(err.Error()), " ")
	switch codeOf(err) {
	case codeInvalidPassword, codeInvalidAuthorization:
		return "the server refused the login of the system's own role: " + text
	case codePermission:
		return "the system's own role may not do this: it must be a superuser, or have CREATEROLE, the right to grant the " +
			"approved roles, and membership in pg_signal_backend: " + text
	case codeReadOnly:
		return "the server is read-only (a standby?): " + text
	}
	return text
}

func codeOf(err error) string {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return server.Code
	}
	return ""
}

// isRace says that the server gave up on a change because somebody changed
// roles at the same moment, so that the same change may succeed now.
func isRace(err error) bool {
	switch codeOf(err) {
	case codeSerialization, codeDeadlock, codeDuplicate, codeUniqueViolation, codeUndefinedObject, codeStillOwns:
		return true
	case codeInternal:
		// Parallel changes of one catalog row: "tuple concurrently updated".
		return strings.Contains(err.Error(), "concurrently")
	}
	return pgconn.SafeToRetry(err)
}

// shown returns a role's name for people: quoted where it holds anything that
// could hide or forge text.
func shown(name string) string {
	if nhi.CheckText(name) != nil || strings.ContainsAny(name, `",;`) {
		return strconv.QuoteToASCII(name)
	}
	return name
}
