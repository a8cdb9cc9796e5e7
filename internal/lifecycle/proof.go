package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/workload"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/workload/discovery"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/workload/source"
)

// freshness is how long a proof of this run serves for one evaluation after
// the other: a run evaluates many grants at once, and a token outlives that.
const freshness = 30 * time.Second

// pause is how long after a failure nobody is asked again: a run evaluates many
// grants, and must not wait for an issuer that is away at each of them. Until
// then nothing is proven.
const pause = 5 * time.Second

// proofs are what this run can prove of itself, and the keys of issuers.
type proofs struct {
	issuers *discovery.Discovery
	flight  singleflight.Group

	mu   sync.Mutex
	last map[string]proof
	away map[string]absence // issuers, by URL
}

// proof is what one source proved under one policy.
type proof struct {
	of policy.RunnerProof
	at time.Time // by the ledger's time, when it began
	// failed is when it turned out that nothing is proven, by the machine's clock:
	// a service that is slow to fail must not be waited for at each request.
	failed time.Time
}

// serves says whether the proof still stands.
func (p proof) serves(now time.Time) bool {
	if p.of.Why != "" {
		return time.Since(p.failed) < pause
	}
	age := now.Sub(p.at)
	return !p.at.IsZero() && age >= 0 && age < freshness
}

// absence is why an issuer's keys could not be fetched, and when that was by
// the machine's clock: it decides nothing but when to ask again.
type absence struct {
	err error
	at  time.Time
}

func newProofs() *proofs {
	return &proofs{issuers: discovery.New(nil), last: map[string]proof{}, away: map[string]absence{}}
}

// keys are those of an issuer.
func (p *proofs) keys(ctx context.Context, issuer policy.Issuer) policy.IssuerKeys {
	p.mu.Lock()
	away, known := p.away[issuer.URL]
	p.mu.Unlock()
	if known && time.Since(away.at) < pause {
		return policy.IssuerKeys{Err: away.err}
	}
	keys, err := p.issuers.Keys(ctx, issuer.Issuer)
	if err != nil && ctx.Err() == nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.away[issuer.URL] = absence{err, time.Now()}
	}
	return policy.IssuerKeys{Keys: keys, Err: err}
}

// present is what a source proves under a policy now. What cannot be proven is
// no error: it says why, and counts for nothing.
func (e *Engine) present(ctx context.Context, from source.Source, document *policy.Document, now time.Time) policy.RunnerProof {
	if from.IsZero() {
		return policy.RunnerProof{}
	}
	key := string(document.Digest) + " " + from.String()
	e.proofs.mu.Lock()
	last := e.proofs.last[key]
	e.proofs.mu.Unlock()
	if last.serves(now) {
		return last.of
	}
	found, _, _ := e.proofs.flight.Do(key, func() (any, error) {
		token, err := e.token(ctx, from, document, now)
		proven := policy.ProofOf(token)
		if err != nil {
			proven = policy.RunnerProof{Why: err.Error()}
		}
		e.proofs.mu.Lock()
		defer e.proofs.mu.Unlock()
		e.proofs.last[key] = proof{of: proven, at: now, failed: time.Now()}
		return proven, nil
	})
	proven, _ := found.(policy.RunnerProof)
	return proven
}

// token verifies what a source has, by the issuers of a policy.
func (e *Engine) token(ctx context.Context, from source.Source, document *policy.Document, now time.Time) (workload.Token, error) {
	if from.Vault != nil {
		return lookUp(ctx, *from.Vault, document)
	}
	raw, issuer, err := e.held(ctx, from, document)
	if err != nil {
		return workload.Token{}, err
	}
	return e.proofs.issuers.Verify(ctx, issuer.Issuer, raw, now)
}

// errNoIssuer says that a policy does not believe an issuer.
var errNoIssuer = errors.New("the policy has no such issuer")

func lookUp(ctx context.Context, vault source.Vault, document *policy.Document) (workload.Token, error) {
	name, err := vault.Name()
	if err != nil {
		return workload.Token{}, err
	}
	// Nobody is asked who would not be believed.
	if issuer, known := document.Issuer(name); !known || !issuer.Vault {
		return workload.Token{}, fmt.Errorf("issuer %.120q with vault = true: %w", name, errNoIssuer)
	}
	return vault.LookUp(ctx)
}

// held returns the token of a source, and the issuer that it says it is of.
func (e *Engine) held(ctx context.Context, from source.Source, document *policy.Document) (nhi.Secret, policy.Issuer, error) {
	raw, err := from.Token(ctx, func(url string) []string {
		issuer, _ := document.Issuer(url)
		return issuer.Audiences
	})
	if err != nil {
		return raw, policy.Issuer{}, err
	}
	url, err := workload.IssuerOf(raw)
	if err != nil {
		return raw, policy.Issuer{}, err
	}
	issuer, known := document.Issuer(url)
	if !known || issuer.Vault {
		return raw, issuer, fmt.Errorf("issuer %.120q: %w", url, errNoIssuer)
	}
	return raw, issuer, nil
}

// proveSelf fills in what this run proves of itself, and the keys of issuers.
func (e *Engine) proveSelf(ctx context.Context, s *Standing, approval ledger.Chain) {
	s.runner = e.present(ctx, e.Runner, s.Policy, s.Now)
	if e.Requester.Vault != nil {
		s.self = e.present(ctx, e.Requester, s.Policy, s.Now)
	}
	s.keys = e.IssuerKeys(ctx, s.Policy, approval)
}

// IssuerKeys fetches the keys of the issuers whose tokens stand in a chain of
// requests, where the policy does not pin them. What cannot be fetched is no
// error: whoever asked is not proven then.
func (e *Engine) IssuerKeys(ctx context.Context, document *policy.Document, approval ledger.Chain) map[string]policy.IssuerKeys {
	var found map[string]policy.IssuerKeys
	for _, entry := range approval.Entries {
		body, ok := entry.Body.(ledger.RequestBody)
		if !ok || body.Token == "" {
			continue
		}
		url, err := AskedOf(entry.Time, body).Proof.Issuer()
		issuer, known := document.Issuer(url)
		if _, done := found[url]; err != nil || !known || issuer.Vault || issuer.Keys != "" || done {
			continue
		}
		if found == nil {
			found = map[string]policy.IssuerKeys{}
		}
		found[url] = e.proofs.keys(ctx, issuer)
	}
	return found
}

// Signed is how a requester signs a request: by one of the three, or not.
type Signed struct {
	SSH   string             // a signature over the text
	Proof workload.Proof     // over the text, by an issuer's token
	Vault policy.RunnerProof // what a Vault says of the run's token
}

// ProveRequest proves by the requester's source who asks for a text. Where that
// is not possible, the request can stand without: the error says why, and is
// for people.
func (e *Engine) ProveRequest(ctx context.Context, text string) (Signed, error) {
	from := e.Requester
	if from.IsZero() {
		return Signed{}, nil
	}
	document, _, err := e.PolicyInForce(ctx)
	if err != nil {
		return Signed{}, err
	}
	now, err := e.Time(ctx)
	if err != nil {
		return Signed{}, err
	}
	if from.Vault != nil {
		token, err := lookUp(ctx, *from.Vault, document)
		if err != nil {
			return Signed{}, err
		}
		return Signed{Vault: policy.ProofOf(token)}, nil
	}
	raw, issuer, err := e.held(ctx, from, document)
	if err != nil {
		return Signed{}, err
	}
	if _, err := e.proofs.issuers.Verify(ctx, issuer.Issuer, raw, now); err != nil {
		return Signed{}, err
	}
	keys, err := e.proofs.issuers.Keys(ctx, issuer.Issuer)
	if err != nil {
		return Signed{}, err
	}
	made, err := issuer.Prove(keys, raw, now, text)
	return Signed{Proof: made}, err
}
