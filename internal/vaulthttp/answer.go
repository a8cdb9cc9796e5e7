package vaulthttp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// ErrAbsent is Vault's own clear answer that there is no such thing: it let the
// request in, and knows of nothing there.
var ErrAbsent = errors.New("there is none")

// RefusalError is an answer that is no yes. It says nothing about what Vault
// holds, and is nhi.ErrUnreachable.
type RefusalError struct {
	path   string
	status int
	says   string
	data   json.RawMessage
}

// Error implements error.
func (r *RefusalError) Error() string {
	text := fmt.Sprintf("%s: Vault answered %d", r.path, r.status)
	if r.says != "" {
		text += " (" + r.says + ")"
	}
	switch {
	case r.status == http.StatusForbidden:
		text += ": the token has ended, or its policy does not allow this"
	case r.status == http.StatusServiceUnavailable:
		text += ": it is sealed, or a standby"
	case r.status >= 300 && r.status < 400:
		text += ": redirects are not followed: name the active node, or what leads to it"
	}
	return text
}

// Unwrap implements errors.Unwrap.
func (*RefusalError) Unwrap() error { return nhi.ErrUnreachable }

// Refused says whether Vault refused with that status, and with a text that
// holds part.
func Refused(err error, status int, part string) bool {
	var answer *RefusalError
	return errors.As(err, &answer) && answer.status == status && strings.Contains(answer.says, part)
}

// RefusedWith says whether Vault refused with that status, and sent data of the
// form of into beside it.
func RefusedWith(err error, status int, into any) bool {
	var answer *RefusalError
	return errors.As(err, &answer) && answer.status == status && len(answer.data) > 0 && json.Unmarshal(answer.data, into) == nil
}

// answerOf reads an answer: the data of a yes, ErrAbsent, or a refusal.
func answerOf(call Call, status int, body []byte) (*api.Secret, error) {
	switch {
	case status == http.StatusNoContent:
		return nil, nil
	case status == http.StatusOK && len(bytes.TrimSpace(body)) == 0:
		return nil, Garbage(call.Path, "an empty answer")
	case status == http.StatusOK:
		answer, err := api.ParseSecret(bytes.NewReader(body))
		if err != nil || answer == nil {
			return nil, Garbage(call.Path, "no answer of Vault's")
		}
		return answer, nil
	case status == http.StatusNotFound && saysAbsent(body):
		return nil, fmt.Errorf("%s: %w", call.Path, ErrAbsent)
	}
	says, data := saysOf(body)
	return nil, &RefusalError{path: call.Path, status: status, says: says, data: data}
}

// saysAbsent tells Vault's "there is none" from its "there is no such mount",
// and from whatever else answers 404.
func saysAbsent(body []byte) bool {
	var answer struct {
		Errors *[]string `json:"errors"`
	}
	return strictly(body, &answer) == nil && answer.Errors != nil && len(*answer.Errors) == 0
}

// saysOf returns Vault's own words and the data beside them, and nothing of what
// is no answer of Vault's.
func saysOf(body []byte) (string, json.RawMessage) {
	var answer struct {
		Errors []string        `json:"errors"`
		Data   json.RawMessage `json:"data"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return "", nil
	}
	var inner struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(answer.Data, &inner) == nil && inner.Error != "" {
		answer.Errors = append(answer.Errors, inner.Error)
	}
	return Line(strings.Join(answer.Errors, "; ")), answer.Data
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

// Line writes text from outside on one line.
func Line(text string) string {
	const longest = 300
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > longest {
		text = string(runes[:longest]) + "…"
	}
	return text
}

// Garbage says that an answer was none of Vault's: nhi.ErrUnreachable.
func Garbage(path, what string) error {
	return fmt.Errorf("%s: %s: %w", path, what, nhi.ErrUnreachable)
}

// noAnswer turns a failure on the way into nhi.ErrUnreachable.
func noAnswer(ctx context.Context, path string, err error) error {
	if cause := ctx.Err(); cause != nil {
		return fmt.Errorf("%s: %w: %w", path, nhi.ErrUnreachable, cause)
	}
	return fmt.Errorf("%s: %s: %w", path, Line(err.Error()), nhi.ErrUnreachable)
}

// Seconds writes a duration as Vault reads it.
func Seconds(d time.Duration) string { return fmt.Sprintf("%ds", int64(d/time.Second)) }
