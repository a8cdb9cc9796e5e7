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
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
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

func newRedactor(settings setting.Settings) redactor {
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

// formsOf returns the ways in which clients write a value into their messages:
// as it is, decoded, encoded for a URL, quoted, and line by line.
func formsOf(value string) []string {
	values := []string{value, strings.TrimSpace(value)}
	if decoded, err := url.PathUnescape(value); err == nil {
		values = append(values, decoded)
	}
	if decoded, err := url.QueryUnescape(value); err == nil {
		values = append(values, decoded)
	}
	// A client that reads a key file complains about one line of it.
	const telling = 8
	for line := range strings.Lines(value) {
		if line = strings.TrimSpace(line); len(line) >= telling {
			values = append(values, line)
		}
	}
	var forms []string
	for _, value := range values {
		inURL := strings.TrimPrefix(url.UserPassword("", value).String(), ":")
		quoted := strconv.Quote(value)
		forms = append(forms, value, url.QueryEscape(value), url.PathEscape(value), inURL, quoted[1:len(quoted)-1])
	}
	return slices.DeleteFunc(forms, func(form string) bool { return form == "" })
}

// passwordsOf returns the passwords inside a URL, which clients print alone:
// before the host and among the parameters. It does not parse the URL, because
// a password with a stray character must go as well.
func passwordsOf(value string) []string {
	_, rest, isURL := strings.Cut(value, "://")
	if !isURL {
		return nil
	}
	var found []string
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		_, password, _ := strings.Cut(rest[:at], ":")
		found = append(found, password)
	}
	_, parameters, _ := strings.Cut(rest, "?")
	for parameter := range strings.SplitSeq(parameters, "&") {
		if name, password, _ := strings.Cut(parameter, "="); strings.Contains(name, "password") {
			found = append(found, password)
		}
	}
	return slices.DeleteFunc(found, func(password string) bool { return password == "" })
}

// strip returns text with *** for each secret.
func (r redactor) strip(text string) string { return r.replacer.Replace(text) }

// SecretForms returns the texts that the guard takes out of errors on account
// of one secret: the value itself and the ways in which clients write it. For
// tests that look for them.
func SecretForms(secret nhi.Secret) []string {
	forms := formsOf(secret.Reveal())
	for _, password := range passwordsOf(secret.Reveal()) {
		forms = append(forms, formsOf(password)...)
	}
	return forms
}
