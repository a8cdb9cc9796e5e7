package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// errAbsent is Vault's own clear answer that there is no such thing: it let the
// request in, and knows of nothing there.
var errAbsent = errors.New("there is none")

// errStays is behind an error that no retry of ours can mend: a person must
// change something in Vault first.
var errStays = errors.New("must be settled in Vault")

// refusal is an answer that is no yes. It says nothing about what Vault holds.
type refusal struct {
	path   string
	status int
	says   string
}

// Error implements error.
func (r *refusal) Error() string {
	text := fmt.Sprintf("%s: Vault answered %d", r.path, r.status)
	if r.says != "" {
		text += " (" + r.says + ")"
	}
	switch {
	case r.status == http.StatusForbidden:
		text += ": the system's own token has ended, or its policy does not allow this"
	case r.status == http.StatusServiceUnavailable:
		text += ": it is sealed, or a standby"
	case r.status >= 300 && r.status < 400:
		text += ": redirects are not followed: name the active node, or what leads to it"
	}
	return text
}

// Unwrap implements errors.Unwrap.
func (*refusal) Unwrap() error { return nhi.ErrUnreachable }

// refused says whether Vault refused with that status, and with a text that
// holds part.
func refused(err error, status int, part string) bool {
	var answer *refusal
	return errors.As(err, &answer) && answer.status == status && strings.Contains(answer.says, part)
}

// answerOf reads an answer: the data of a yes, errAbsent, or a refusal.
func answerOf(call call, response *http.Response, body []byte) (*api.Secret, error) {
	switch {
	case response.StatusCode == http.StatusNoContent:
		return nil, nil
	case response.StatusCode == http.StatusOK && len(bytes.TrimSpace(body)) == 0:
		return nil, garbage(call.path, "an empty answer")
	case response.StatusCode == http.StatusOK:
		answer, err := api.ParseSecret(bytes.NewReader(body))
		if err != nil || answer == nil {
			return nil, garbage(call.path, "no answer of Vault's")
		}
		return answer, nil
	case response.StatusCode == http.StatusNotFound && saysAbsent(body):
		return nil, fmt.Errorf("%s: %w", call.path, errAbsent)
	}
	return nil, &refusal{path: call.path, status: response.StatusCode, says: saysOf(body)}
}

// saysAbsent tells Vault's "there is none" from its "there is no such mount",
// and from whatever else answers 404.
func saysAbsent(body []byte) bool {
	var answer struct {
		Errors *[]string `json:"errors"`
	}
	return strictly(body, &answer) == nil && answer.Errors != nil && len(*answer.Errors) == 0
}

// saysOf returns Vault's own words, and nothing of what is no answer of Vault's.
func saysOf(body []byte) string {
	var answer struct {
		Errors []string `json:"errors"`
		Data   struct {
			Error string `json:"error"`
		} `json:"data"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return ""
	}
	if answer.Data.Error != "" {
		answer.Errors = append(answer.Errors, answer.Data.Error)
	}
	return line(strings.Join(answer.Errors, "; "))
}

// strictly decodes one JSON object that has the named fields and no others.
func strictly(text []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if decoder.More() {
		return errors.New("more than one object")
	}
	return nil
}

// line writes text from outside on one line.
func line(text string) string {
	const longest = 300
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > longest {
		text = string(runes[:longest]) + "…"
	}
	return text
}

func garbage(path, what string) error {
	return fmt.Errorf("%s: %s: %w", path, what, nhi.ErrUnreachable)
}

// noAnswer turns a failure on the way into nhi.ErrUnreachable.
func noAnswer(ctx context.Context, path string, err error) error {
	if cause := ctx.Err(); cause != nil {
		return fmt.Errorf("%s: %w: %w", path, nhi.ErrUnreachable, cause)
	}
	return fmt.Errorf("%s: %s: %w", path, line(err.Error()), nhi.ErrUnreachable)
}

func isOurs(err error) bool {
	ours := []error{nhi.ErrInvalid, nhi.ErrForeign, nhi.ErrEnded, nhi.ErrUnconfirmed, nhi.ErrUnreachable, errStays}
	return slices.ContainsFunc(ours, func(sentinel error) bool { return errors.Is(err, sentinel) })
}

// seconds writes a duration as Vault reads it.
func seconds(d time.Duration) string { return fmt.Sprintf("%ds", int64(d/time.Second)) }
