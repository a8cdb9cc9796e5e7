package channel

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// Bounds of one answer.
const (
	// DefaultDeadline is how long a channel may take: a run that waits for a yes
	// that does not come goes on without it.
	DefaultDeadline = 45 * time.Second
	maxOthers       = 20
	maxWords        = 1000 // bytes of an error
)

// Open is a channel that answers within a time, with the service that it is.
type Open struct {
	Kind     string
	Host     string
	inner    Channel
	deadline time.Duration
	secrets  *secrets
}

// secrets are those that no error may hold. They are known before whoever could
// quote them is asked.
type secrets struct {
	mu  sync.Mutex
	all []nhi.Secret
}

func (s *secrets) learn(secret nhi.Secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !secret.IsZero() && !slices.ContainsFunc(s.all, secret.Equal) {
		s.all = append(s.all, secret)
	}
}

// strip takes them out of words.
func (s *secrets) strip(words string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, secret := range s.all {
		words = strings.ReplaceAll(words, secret.Reveal(), "***")
	}
	return words
}

// NewOpen checks settings and opens a channel behind its guard. Errors are
// *setting.FieldError or nhi.ErrInvalid.
//
// The guard gives every question a deadline, also where the channel ignores its
// context, turns a panic into an error, refuses an answer that is incomplete, too
// long or no plain text, and takes every secret of the settings and of the
// environment (Options.Secret) out of errors.
func NewOpen(kind Kind, values nhi.Values, options Options) (*Open, []error) {
	complete, wrong := setting.Complete(kind.Settings, values)
	errs := make([]error, 0, len(wrong))
	for _, err := range wrong {
		errs = append(errs, fmt.Errorf("approvals %s: %w", kind.Name, err))
	}
	if len(errs) > 0 {
		return nil, errs
	}
	settings := setting.Split(kind.Settings, complete)
	host, err := kind.Host(settings)
	if err != nil {
		return nil, []error{fmt.Errorf("approvals %s: %w", kind.Name, err)}
	}
	known := &secrets{}
	for _, secret := range settings.Secrets {
		known.learn(secret)
	}
	options.learn = known.learn
	inner, err := kind.Open(settings, options)
	if err != nil {
		return nil, []error{fmt.Errorf("approvals %s: %w", kind.Name, err)}
	}
	return &Open{Kind: kind.Name, Host: host, inner: inner, deadline: DefaultDeadline, secrets: known}, nil
}

// Within returns the channel with another deadline.
func (o *Open) Within(deadline time.Duration) *Open {
	changed := *o
	changed.deadline = deadline
	return &changed
}

type answer struct {
	yes Yes
	err error
}

// Ask implements Channel. The accounts of its answer always name their host.
func (o *Open) Ask(ctx context.Context, question Question) (Yes, error) {
	ctx, cancel := context.WithTimeout(ctx, o.deadline)
	defer cancel()
	answered := make(chan answer, 1)
	go func() {
		defer func() {
			if reason := recover(); reason != nil {
				answered <- answer{err: errors.New("it broke down: this is a bug in the provider")}
			}
		}()
		yes, err := o.inner.Ask(ctx, question)
		answered <- answer{yes, err}
	}()
	var got answer
	select {
	case got = <-answered:
	case <-ctx.Done():
	}
	if ctx.Err() != nil { // also for what came at the last moment
		got.err = fmt.Errorf("it did not answer within %s", o.deadline)
	}
	if got.err == nil {
		got.err = o.complete(&got.yes)
	}
	if got.err != nil {
		return Yes{}, o.nobody(got.err)
	}
	return got.yes, nil
}

// complete fills in hosts and checks every part of an answer.
func (o *Open) complete(yes *Yes) error {
	if yes.At.IsZero() || len(yes.Others) > maxOthers {
		return errors.New("its answer is not complete")
	}
	texts := []string{yes.Account.ID, yes.Account.Name, yes.Run, yes.URL}
	if yes.Unproven != "" {
		texts = append(texts, yes.Unproven)
	}
	yes.Account.Host = o.Host // an account of elsewhere confirms nothing here
	for i := range yes.Others {
		other := &yes.Others[i]
		if other.Account.Host == "" {
			other.Account.Host = o.Host
		}
		texts = append(texts, other.Account.ID, other.Account.Name, other.Account.Host, other.Role)
	}
	for _, text := range texts {
		if nhi.CheckText(text) != nil {
			return fmt.Errorf("its answer holds what is no line of text: %.80q", text)
		}
	}
	return nil
}

// nobody makes an error out of a reason, in plain words, without secrets.
func (o *Open) nobody(err error) error {
	words := o.secrets.strip(strings.TrimSuffix(err.Error(), ": "+ErrNobody.Error()))
	if len(words) > maxWords {
		words = words[:maxWords]
	}
	words = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(words, "\uFFFD"))
	return fmt.Errorf("%s: %w", words, ErrNobody)
}
