// Package transport holds what every HTTP client of this program owes to a server
// that it does not trust: an answer has a bound, and its authority is known.
package transport

import (
	"errors"
	"io"
	"net/http"
)

// ErrTooLong ends an answer that is longer than its bound.
var ErrTooLong = errors.New("the answer is too long")

// Bounded sends requests and ends every answer that has more bytes
// than most says, with ErrTooLong.
type Bounded struct {
	*http.Transport
	Most func(*http.Request) int64
}

// RoundTrip implements http.RoundTripper.
func (b Bounded) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := b.Transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	response.Body = &body{ReadCloser: response.Body, left: b.Most(request)}
	return response, nil
}

// Always is one bound for every answer.
func Always(most int64) func(*http.Request) int64 {
	return func(*http.Request) int64 { return most }
}

type body struct {
	io.ReadCloser
	left int64
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, ErrTooLong
	}
	return n, err
}

// NoRedirect is a CheckRedirect that follows none: what goes along is for the
// host that was named.
func NoRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
