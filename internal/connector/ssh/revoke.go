package ssh

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sync/errgroup"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector/ssh/krl"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// atOnce bounds how many accounts are probed at a time: sshd drops
// connections beyond its MaxStartups, which by default begins at ten.
const atOnce = 8

// removal is one account on its way out.
type removal struct {
	account     connector.Account
	certificate *ssh.Certificate // nil where none is known
	end         time.Time        // of whatever was signed
	err         error
}

// signed says whether a certificate may exist. Where Enable never began, none
// does; where it began and no evidence came back, one may have been signed
// just before a crash.
func (r removal) signed() bool { return r.certificate != nil || r.account.Enabled }

// Revoke puts the serials into the revocation list, all in one change of the
// file, reads them back, and asks the probed hosts, after the certificate's end
// too. What no host confirmed is nhi.ErrUnconfirmed until the certificate has
// ended, with UsableUntil; after that, and where the system says
// confirm = "krl", it is Absent and not verified. A host that still accepts it
// is ErrUnconfirmed at any time.
func (s *system) Revoke(ctx context.Context, accounts []connector.Account) []connector.Outcome {
	removals := make([]removal, len(accounts))
	for i, account := range accounts {
		removals[i] = removal{account: account, end: account.NotAfter}
		// Evidence that is not this account's says nothing about it: one of
		// its certificates may be out there all the same.
		certificate, err := parseEvidence(account)
		if err != nil {
			removals[i].account.Enabled = true
			continue
		}
		removals[i].certificate = certificate
		if certificate != nil && endOf(certificate).After(account.NotAfter) {
			removals[i].end = endOf(certificate)
		}
	}
	s.list(ctx, removals)
	hosts, err := s.newProber()
	outcomes := make([]connector.Outcome, len(accounts))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, r := range removals {
		group.Go(func() error {
			if r.err == nil && r.signed() {
				r.err = err
			}
			outcomes[i] = s.confirmed(ctx, hosts, r)
			return nil
		})
	}
	_ = group.Wait() // its functions return no errors
	return outcomes
}

// list puts the serials of all removals into the revocation list.
func (s *system) list(ctx context.Context, removals []removal) {
	ca, caErr := caPublicKey(s.caKeyFile)
	var needed bool
	for i, r := range removals {
		if r.signed() && r.certificate == nil && caErr != nil {
			removals[i].err = caErr // nobody knows under which key to list it
		}
		needed = needed || r.signed() && removals[i].err == nil
	}
	if !needed {
		return
	}
	list, err := s.revocations.update(ctx, s.now(), func(list held) (bool, error) {
		return addAll(list.List, ca, removals)
	})
	for i, r := range removals {
		if !r.signed() || r.err != nil {
			continue
		}
		removals[i].err = err
		if err == nil && !listed(list.List, ca, r) {
			removals[i].err = fmt.Errorf("serial %d is not in the revocation list that was read back: %w", serialOf(r.account.Mark), nhi.ErrUnconfirmed)
		}
	}
}

// authorities are the keys that a removal is listed under: today's CA, and the
// one that signed the certificate.
func authorities(ca ssh.PublicKey, r removal) []ssh.PublicKey {
	var keys []ssh.PublicKey
	if ca != nil {
		keys = append(keys, ca)
	}
	if r.certificate != nil && (ca == nil || oneLine(ca) != oneLine(r.certificate.SignatureKey)) {
		keys = append(keys, r.certificate.SignatureKey)
	}
	return keys
}

func addAll(list *krl.List, ca ssh.PublicKey, removals []removal) (changed bool, err error) {
	for _, r := range removals {
		if !r.signed() || r.err != nil {
			continue
		}
		for _, key := range authorities(ca, r) {
			added, err := list.Revoke(key, serialOf(r.account.Mark))
			if err != nil {
				return false, err
			}
			changed = changed || added
		}
	}
	return changed, nil
}

func listed(list *krl.List, ca ssh.PublicKey, r removal) bool {
	for _, key := range authorities(ca, r) {
		if !list.RevokesSerial(key, serialOf(r.account.Mark)) {
			return false
		}
	}
	return true
}

// confirmed says how a removal ended.
func (s *system) confirmed(ctx context.Context, hosts *prober, r removal) connector.Outcome {
	gone := connector.Outcome{Observation: connector.Observation{
		Principal: r.account.Principal, ID: idOf(r.account), Evidence: r.account.Evidence,
		State: connector.Absent, EnforcedBy: connector.EnforcedByTarget, Verified: true,
	}}
	if !r.signed() {
		return gone
	}
	gone.NotAfter = r.end
	// Until somebody says otherwise, it is as usable as it was.
	open := gone
	open.State, open.Verified, open.UsableUntil = connector.Active, false, r.end
	if r.err != nil {
		open.Err = r.err
		return open
	}
	ended := !s.now().Before(r.end)
	if len(s.hosts) > 0 {
		open.Err = s.refusedEverywhere(ctx, hosts, r)
		switch {
		case open.Err == nil:
			return gone
		case !ended || errors.Is(open.Err, errStillAccepted):
			return open
		}
	}
	// By its own end, or by the list alone: no host has said so.
	gone.Verified = false
	if ended {
		return gone
	}
	if s.confirm == confirmKRL {
		gone.UsableUntil = r.end
		return gone
	}
	open.Err = fmt.Errorf("serial %d is in the revocation list, and no host was asked (%s is not set): %w", serialOf(r.account.Mark), settingProbe, nhi.ErrUnconfirmed)
	return open
}

// errStillAccepted says that a host lets the certificate in.
var errStillAccepted = errors.New("the certificate is still accepted")

// refusedEverywhere holds where every probed host refuses the certificate. Of
// a certificate that was lost, another one with the same serial is offered
// instead: it is revoked already, is never handed out, and ends at once.
func (s *system) refusedEverywhere(ctx context.Context, hosts *prober, r removal) error {
	offered := r.certificate
	if offered == nil {
		signer, err := caSigner(s.caKeyFile)
		if err != nil {
			return fmt.Errorf("%w: %w", nhi.ErrUnconfirmed, err)
		}
		now := s.now()
		if offered, err = sign(signer, r.account, now.Add(-skew), now.Add(skew)); err != nil {
			return fmt.Errorf("%w: %w", nhi.ErrUnconfirmed, err)
		}
	}
	accepting, _, err := hosts.ask(ctx, offered)
	switch {
	case len(accepting) > 0:
		return fmt.Errorf("%w by %s: %w", errStillAccepted, strings.Join(accepting, ", "), nhi.ErrUnconfirmed)
	case err != nil:
		return fmt.Errorf("%w: %w", nhi.ErrUnconfirmed, err)
	}
	return nil
}
