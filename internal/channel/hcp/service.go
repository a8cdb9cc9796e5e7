package hcp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"time"

	tfe "github.com/hashicorp/go-tfe"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/channel"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/workload"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/workload/discovery"
)

// What the service tells a run about itself. The id of the run is checked
// against the token's and never believed alone: anybody can set a variable.
const (
	identityVariable = "TFC_WORKLOAD_IDENTITY_TOKEN"
	runVariable      = "TFC_RUN_ID"
)

// fresh is how long what was read of the run serves for more questions: one
// apply asks for each of its requests.
const fresh = 30 * time.Second

// slow is how long a failure may take before it serves for more questions, too: a
// run with many requests does not wait for each of them.
const slow = 5 * time.Second

// service is one HCP Terraform or Terraform Enterprise.
type service struct {
	host   string
	issuer workload.Issuer
	keys   *discovery.Discovery
	token  nhi.Secret
	trust  *tls.Config
	from   channel.Options

	mu     sync.Mutex
	read   Run
	failed error     // why it could not be read, where that took long
	at     time.Time // when; zero for never
	lostMu sync.Mutex
	lost   error // why the issuer's keys could not be had, where that took long
	lostAt time.Time
}

func newService(host, audience string, token nhi.Secret, trust *tls.Config, from channel.Options) *service {
	return &service{
		host: host, issuer: workload.Issuer{URL: "https://" + host, Audiences: []string{audience}},
		keys: discovery.New(trust), token: token, trust: trust, from: from,
	}
}

// Ask implements channel.Channel.
func (s *service) Ask(ctx context.Context, question channel.Question) (channel.Yes, error) {
	identity, err := s.identity(ctx, question.Now)
	if err != nil {
		return channel.Yes{}, err
	}
	run, err := s.run(ctx, identity)
	if err != nil {
		return channel.Yes{}, err
	}
	return run.Confirmation(s.host, question.Request)
}

// identity verifies the identity token of the run that this process is part of.
func (s *service) identity(ctx context.Context, now time.Time) (Identity, error) {
	raw := s.from.Secret(identityVariable)
	if raw.IsZero() {
		return Identity{}, errNoIdentity
	}
	token, err := s.verify(ctx, raw, now)
	if err != nil {
		return Identity{}, fmt.Errorf("the run's identity token (%s): %w", identityVariable, err)
	}
	identity := Identity{
		Run: token.Claims["terraform_run_id"], Phase: token.Claims["terraform_run_phase"], Workspace: token.Claims["terraform_workspace_id"],
		Organization: token.Claims["terraform_organization_name"], WorkspaceName: token.Claims["terraform_workspace_name"],
	}
	switch told := s.from.Getenv(runVariable); {
	case identity.Run == "" || identity.Workspace == "" || identity.Phase == "":
		return Identity{}, errors.New("the run's identity token does not name its run, workspace and phase")
	case told != "" && told != identity.Run:
		return Identity{}, fmt.Errorf("%s says %.80q, and the run's identity token %.80q", runVariable, told, identity.Run)
	case identity.Phase != "apply": // nothing is asked then
		return Identity{}, Run{Identity: identity}.isThis()
	}
	return identity, nil
}

// verify verifies an identity token. An issuer that was slow to fail is not waited
// for again at once.
func (s *service) verify(ctx context.Context, raw nhi.Secret, now time.Time) (workload.Token, error) {
	s.lostMu.Lock()
	lost, at := s.lost, s.lostAt
	s.lostMu.Unlock()
	if lost != nil && time.Since(at) < fresh {
		return workload.Token{}, lost
	}
	began := time.Now()
	token, err := s.keys.Verify(ctx, s.issuer, raw, now)
	if errors.Is(err, nhi.ErrUnreachable) && time.Since(began) >= slow {
		s.lostMu.Lock()
		defer s.lostMu.Unlock()
		s.lost, s.lostAt = err, time.Now()
	}
	return token, err
}

// run reads the run, or returns what was read of it a moment ago.
func (s *service) run(ctx context.Context, identity Identity) (Run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.at.IsZero() && time.Since(s.at) < fresh && s.read.Identity == identity {
		return s.read, s.failed
	}
	began := time.Now()
	run, err := s.fetch(ctx, identity)
	run.Identity = identity
	if err == nil || time.Since(began) > slow {
		s.read, s.failed, s.at = run, err, time.Now()
	}
	return run, err
}

// fetch reads the run from the API.
func (s *service) fetch(ctx context.Context, identity Identity) (Run, error) {
	if s.token.Reveal() == "" {
		return Run{}, fmt.Errorf("there is no API token to read the run with: set approvals.%s.token, or %s in the workspace", Name, tokenVariable)
	}
	client, err := tfe.NewClient(&tfe.Config{Address: "https://" + s.host, BasePath: tfe.DefaultBasePath,
		RegistryBasePath: tfe.DefaultRegistryPath, Token: s.token.Reveal(), HTTPClient: newHTTP(s.trust)})
	if err != nil {
		return Run{}, fmt.Errorf("%s cannot be asked about the run: %w", s.host, err)
	}
	run, err := reader{client}.run(ctx, identity.Run)
	if err != nil {
		return Run{}, s.unread(identity.Run, err)
	}
	return run, nil
}

// unread says in words why a run could not be read, and what to do.
func (s *service) unread(run string, err error) error {
	switch {
	case errors.Is(err, tfe.ErrUnauthorized):
		return fmt.Errorf("%s refuses the API token (401): make a new one, of a user or team with admin access to the workspace", s.host)
	case errors.Is(err, tfe.ErrResourceNotFound):
		return fmt.Errorf("%s knows no run %s, or does not let this API token read it (404): it takes a token of a user or team with admin access to the workspace, and a run's own token cannot read runs", s.host, run)
	default:
		return fmt.Errorf("%s did not tell about run %s: %w", s.host, run, err)
	}
}
