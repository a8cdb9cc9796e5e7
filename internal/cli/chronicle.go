package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/signature"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/workload"
)

// chronicle tells entries in words.
type chronicle struct {
	app       *app
	book      *ledger.Ledger
	documents []published // good policies, which name people
	events    []event
	faults    []ledger.Fault
}

// chronicle reads who people are. A ledger that nobody can trust is told all
// the same, with nobody named.
func (a *app) chronicle(ctx context.Context, d *desk) (*chronicle, error) {
	book, err := d.engine.Book()
	if err != nil {
		return nil, err
	}
	c := &chronicle{app: a, book: book}
	trust, err := d.engine.Trust()
	if err != nil {
		err = c.faulty(ledger.RootChain, err)
		return c, err
	}
	chain, err := book.Read(ctx, ledger.PolicyChain)
	if err != nil {
		err = c.faulty(ledger.PolicyChain, err)
		return c, err
	}
	reader := &audit{book: book, engine: d.engine, trust: trust, systems: lifecycle.NewSystems(a.Kinds)}
	reader.policyChain(chain)
	c.documents = reader.documents
	return c, nil
}

// gather reads the chains of a filter and tells every entry of them.
func (c *chronicle) gather(ctx context.Context, f logFilter) error {
	names, err := f.names(ctx, c.book)
	if err != nil {
		return err
	}
	for _, name := range names {
		chain, err := c.book.Read(ctx, name)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		picked, pickErr := c.picks(ctx, f.selector, chain)
		if pickErr != nil {
			return pickErr
		}
		if !picked {
			continue
		}
		known := slices.ContainsFunc(c.faults, func(fault ledger.Fault) bool { return fault.Chain == name })
		if err != nil && !known {
			if err := c.faulty(name, err); err != nil {
				return err
			}
		}
		for _, entry := range chain.Entries {
			c.tell(entry)
		}
	}
	return nil
}

// picks says whether a selector takes a chain: by the newest request of its
// approval, or by the identity. What cannot be read is not left out.
func (c *chronicle) picks(ctx context.Context, picks selector, chain ledger.Chain) (bool, error) {
	kind, subject, err := ledger.Subject(chain.Name)
	if err != nil || len(picks) == 0 {
		return err == nil, nil //nolint:nilerr // no chain of any ledger
	}
	switch kind {
	case ledger.KindIdentity:
		return picks.identity(chain), nil
	case ledger.KindGrant:
		chain, err = c.book.Read(ctx, ledger.ApprovalChain(nhi.ApprovalID(subject)))
		if errors.Is(err, nhi.ErrUnreachable) {
			return false, err
		}
	}
	request, err := nhi.ParseRequest(newest(chain))
	return err != nil || picks.request(request), nil //nolint:nilerr // shown rather than hidden
}

// identity says whether an identity's chain is picked. No identity has systems.
func (s selector) identity(chain ledger.Chain) bool {
	for _, entry := range slices.Backward(chain.Entries) {
		if body, ok := entry.Body.(ledger.IdentityBody); ok {
			return s["system"] == "" && s.id(body.Identity.ID) && s.matches("owner", body.Identity.Owner) && s.matches("kind", body.Identity.Kind)
		}
	}
	return true
}

// tell adds one entry.
func (c *chronicle) tell(entry ledger.Entry) {
	subject := entry.Chain
	if _, id, err := ledger.Subject(entry.Chain); err == nil && id != "" {
		subject = id
	}
	told := event{Time: entry.Time, Chain: entry.Chain, Entry: entry.Seq, Type: entry.Body.Type(),
		Subject: subject, By: entry.Writer, Hash: entry.Hash()}
	switch body := entry.Body.(type) {
	case ledger.RequestBody:
		told.Says = c.request(body, &told)
	case ledger.DecisionBody:
		told.Says = c.decision(body, &told)
	default:
		told.Says = says(body)
	}
	c.events = append(c.events, told)
}

// name returns the person of a key: by the newest policy that knows it, since
// people leave.
func (c *chronicle) name(key ssh.PublicKey) string {
	for _, one := range slices.Backward(c.documents) {
		if person, known := one.document.Person(key); known {
			return person.Name
		}
	}
	return "the key " + fingerprint(key)
}

func (c *chronicle) request(body ledger.RequestBody, told *event) string {
	request, err := nhi.ParseRequest(body.Text)
	if err != nil {
		return fmt.Sprintf("request recorded, and it cannot be read: %s", err)
	}
	words := "request recorded: " + c.app.summary(request) + " for " + nhi.FormatTTL(request.TTL)
	if request.Term > 1 {
		words += fmt.Sprintf(", term %d", request.Term)
	}
	key, err := signature.Verify(body.Signature, signature.NamespaceRequest, body.Text)
	issuer, _ := workload.Proof{Token: body.Token}.Issuer()
	switch {
	case issuer != "":
		words += fmt.Sprintf(", asked with a token of %.80q", issuer)
	case body.Issuer != "":
		words += fmt.Sprintf(", asked by whom %.80q told the run that it is", body.Issuer)
	case body.Signature == "":
		words += ", asked by unproven"
	case err != nil:
		words += ", asked by unproven (the signature is not good)"
	default:
		told.By, told.Signed = c.name(key), true
		words += ", asked by " + told.By
	}
	if body.Justification != "" {
		words += fmt.Sprintf(", because %q", body.Justification)
	}
	return words + " (" + nhi.DigestOf(body.Text).Short() + ")"
}

// did is what a person did by a verdict.
var did = map[nhi.Verdict]string{
	nhi.VerdictApprove: "approved", nhi.VerdictDeny: "denied", nhi.VerdictWithdraw: "took back the decision on",
	nhi.VerdictBlock: "blocked", nhi.VerdictLift: "lifted the block of",
	nhi.VerdictReview: "reviewed",
}

func (c *chronicle) decision(body ledger.DecisionBody, told *event) string {
	decision, err := nhi.ParseDecision(body.Text)
	if err != nil {
		return fmt.Sprintf("decision recorded, and it cannot be read: %s", err)
	}
	what := fmt.Sprintf("%s %s (signed %s)", did[decision.Verdict], nhi.DigestOf(decision.Request).Short(), nhi.FormatTime(decision.SignedAt))
	key, err := signature.Verify(body.Signature, signature.NamespaceDecision, body.List)
	request, requestErr := nhi.ParseRequest(decision.Request)
	if err != nil || requestErr != nil || !body.Listed(request.Approval) {
		return "somebody " + what + ", and the signature is not good"
	}
	told.By, told.Signed = c.name(key), true
	return told.By + " " + what
}

// says tells what needs no signature to be told. A type that is not known here
// is told by its name.
func says(body ledger.Body) string {
	switch b := body.(type) {
	case ledger.RootBody:
		return "the ledger began under the trust root " + string(nhi.DigestOf(b.Root))
	case ledger.PolicyBody:
		return fmt.Sprintf("policy version %d published (%s)", b.Version, b.Digest.Short())
	case ledger.IdentityBody:
		return saysIdentity(b.Identity)
	case ledger.WithdrawalBody:
		return "request " + b.Request.Short() + " taken back: nobody asks for it any more"
	case ledger.ObservationBody:
		return saysObservation(b)
	case ledger.ConfirmationBody:
		return saysConfirmation(b)
	case ledger.IntentBody:
		return saysIntent(b)
	case ledger.EffectBody:
		return saysEffect(b)
	case ledger.VerificationBody:
		return saysVerification(b)
	case ledger.UseBody:
		return fmt.Sprintf("%s is in force: every target was read back as active (%s)", numbered(b.Activation), b.Request.Short())
	case ledger.EmergencyBody:
		return saysEmergency(b)
	case ledger.HolderBody:
		return fmt.Sprintf("activation #%d is held by %q from now on", b.Activation, b.Holder)
	case ledger.BlockBody:
		return "blocked by " + b.By + ": " + b.Reason
	case ledger.LiftBody:
		return "block lifted by " + b.By + ": " + b.Reason
	default:
		return body.Type()
	}
}

func saysIdentity(identity nhi.Identity) string {
	words := fmt.Sprintf("identity is %s, owner %q, purpose %q", identity.Status, identity.Owner, identity.Purpose)
	if !identity.ExpiresAt.IsZero() {
		words += ", until " + nhi.FormatTime(identity.ExpiresAt)
	}
	return words
}

func saysIntent(b ledger.IntentBody) string {
	words := fmt.Sprintf("intent to %s #%d on %s", b.Verb, b.Activation, listed(b.Targets))
	if b.Activation == 0 {
		words = fmt.Sprintf("intent to %s on %s", b.Verb, listed(b.Targets))
	}
	if b.Verb == ledger.VerbActivate {
		words += ", until " + nhi.FormatTime(b.ExpiresAt)
	}
	if b.Trigger != "" {
		words += fmt.Sprintf(", for trigger %q", b.Trigger)
	}
	if b.Reason != "" {
		words += ": " + b.Reason
	}
	return words + " (" + b.Request.Short() + ")"
}

func saysObservation(b ledger.ObservationBody) string {
	parts := make([]string, 0, len(b.Targets))
	for _, key := range slices.Sorted(maps.Keys(b.Targets)) {
		seen := b.Targets[key]
		parts = append(parts, fmt.Sprintf("%s is the account %q with %s", key, seen.Principal, count(len(seen.Privileges), "privilege")))
	}
	return "observed what is to be taken over: " + strings.Join(parts, "; ") + " (" + b.Request.Short() + ")"
}

// saysConfirmation tells of a yes that nobody signed, and where it can be seen.
func saysConfirmation(b ledger.ConfirmationBody) string {
	return fmt.Sprintf("%s (%s on %s) confirmed the run that asked for %s, %s: %s", b.Person, b.Account.Name, b.Account.Host,
		b.Request.Short(), nhi.FormatTime(b.At), b.URL)
}

// saysVerification tells what each target answered.
func saysVerification(b ledger.VerificationBody) string {
	parts := make([]string, 0, len(b.Targets))
	for _, key := range slices.Sorted(maps.Keys(b.Targets)) {
		seen := b.Targets[key]
		words := key + " is " + seen.State
		if seen.State == string(connector.Absent) {
			words = key + " is gone"
		}
		switch {
		case seen.Open != "":
			words += ", not confirmed: " + seen.Open
		case seen.Verified:
			words += ", verified"
		default:
			words += ", not verified"
		}
		parts = append(parts, words)
	}
	return "read back: " + strings.Join(parts, "; ")
}

// listed names targets.
func listed(targets map[string]ledger.Target) string {
	if len(targets) == 0 {
		return "no target"
	}
	return joined(slices.Sorted(maps.Keys(targets)))
}

func uintText(n uint64) string { return strconv.FormatUint(n, 10) }
