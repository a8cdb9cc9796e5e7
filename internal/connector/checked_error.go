package connector

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// sentinels are the errors that stay behind a guarded error.
var sentinels = []error{
	nhi.ErrInvalid, nhi.ErrNotCanonical, nhi.ErrDenied, nhi.ErrNotApproved, nhi.ErrSpent, nhi.ErrEnded,
	nhi.ErrForeign, nhi.ErrUnconfirmed, nhi.ErrUnreachable, context.Canceled, context.DeadlineExceeded,
}

// guardedError is a connector's error without its secrets: a text, and the
// sentinels that it wrapped.
type guardedError struct {
	text string
	is   []error
}

func (e *guardedError) Error() string   { return e.text }
func (e *guardedError) Unwrap() []error { return e.is }

// guard returns err with the system's name, without secrets and bounded. A
// time-out or a cancelled call is nhi.ErrUnreachable as well: nobody knows what
// the system holds.
func (c *checked) guard(err error) error {
	if err == nil {
		return nil
	}
	guarded := &guardedError{text: err.Error()}
	for _, sentinel := range sentinels {
		if errors.Is(err, sentinel) {
			guarded.is = append(guarded.is, sentinel)
		}
	}
	if timedOut(err) && !slices.Contains(guarded.is, nhi.ErrUnreachable) {
		guarded.is = append(guarded.is, nhi.ErrUnreachable)
		guarded.text += ": " + nhi.ErrUnreachable.Error()
	}
	if prefix := c.name + ": "; !strings.HasPrefix(guarded.text, prefix) {
		guarded.text = prefix + guarded.text
	}
	guarded.text = printable(c.secrets.strip(guarded.text), maxError)
	return guarded
}

func timedOut(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errors.As(err, &network) && network.Timeout()
}

// redactor takes secrets out of texts.
type redactor struct{ replacer *strings.Replacer }

func newRedactor(settings Settings) redactor {
	var forms []string
	for _, secret := range settings.Secrets {
		forms = append(forms, SecretForms(secret)...)
	}
	// Longest first: a form that holds another one must go as a whole.
	slices.SortFunc(forms, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	var pairs []string
	for _, form := range slices.Compact(forms) {
		pairs = append(pairs, form, "***")
	}
	return redactor{strings.NewReplacer(pairs...)}
}

// formsOf returns the ways in which clients write a value into their messages.
func formsOf(value string) []string {
	forms := []string{value, strings.TrimSpace(value), url.QueryEscape(value), url.PathEscape(value)}
	if decoded, err := url.PathUnescape(value); err == nil {
		forms = append(forms, decoded)
	}
	forms = append(forms, strings.Trim(strconv.Quote(value), `"`))
	// A client that reads a key file complains about one line of it.
	const telling = 8
	for line := range strings.Lines(value) {
		if line = strings.TrimSpace(line); len(line) >= telling {
			forms = append(forms, line)
		}
	}
	return slices.DeleteFunc(forms, func(form string) bool { return form == "" })
}

// passwordOf returns the password inside a URL, which clients print alone. It
// does not parse the URL: a password with a stray character must go as well.
func passwordOf(value string) string {
	_, rest, isURL := strings.Cut(value, "://")
	at := strings.LastIndex(rest, "@")
	if !isURL || at < 0 {
		return ""
	}
	_, password, _ := strings.Cut(rest[:at], ":")
	return password
}

// strip returns text with *** for each secret.
func (r redactor) strip(text string) string { return r.replacer.Replace(text) }

// SecretForms returns the texts that the guard takes out of errors on account
// of one secret: the value itself and the ways in which clients write it. For
// tests that look for them.
func SecretForms(secret nhi.Secret) []string {
	forms := formsOf(secret.Reveal())
	if password := passwordOf(secret.Reveal()); password != "" {
		forms = append(forms, formsOf(password)...)
	}
	return forms
}
