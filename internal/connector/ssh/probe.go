package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
	"golang.org/x/sync/errgroup"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// patience is how long one host may take to answer one probe.
const patience = 10 * time.Second

// Probe offers each account's certificate to the probed hosts, as its user
// would: Active where every host accepts it for one principal at least, Absent
// where every host refuses it for all of them, Unknown where there is no host
// or no certificate to try. Hosts that disagree are an error.
func (s *system) Probe(ctx context.Context, accounts []connector.Account) []connector.Outcome {
	hosts, err := s.newProber()
	outcomes := make([]connector.Outcome, len(accounts))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, account := range accounts {
		group.Go(func() error {
			outcomes[i] = s.probed(ctx, hosts, err, account)
			return nil
		})
	}
	_ = group.Wait() // its functions return no errors
	return outcomes
}

func (s *system) probed(ctx context.Context, hosts *prober, err error, account connector.Account) connector.Outcome {
	seen := connector.Observation{Principal: account.Principal, ID: idOf(account), Evidence: account.Evidence, State: connector.Unknown}
	if err != nil {
		return connector.Outcome{Observation: seen, Err: err}
	}
	certificate, err := parseEvidence(account)
	if err != nil || certificate == nil || len(s.hosts) == 0 {
		return connector.Outcome{Observation: seen, Err: err}
	}
	accepting, refusing, err := hosts.ask(ctx, certificate)
	seen.NotAfter, seen.EnforcedBy = endOf(certificate), connector.EnforcedByTarget
	switch {
	case err != nil:
	case len(refusing) == 0:
		seen.State, seen.Verified, seen.UsableUntil = connector.Active, true, seen.NotAfter
		seen.Privileges = heldBy(certificate)
	case len(accepting) == 0:
		seen.State, seen.Verified = connector.Absent, true
	default:
		seen.State, seen.UsableUntil = connector.Active, seen.NotAfter
		err = fmt.Errorf("the hosts disagree: %s accepts the certificate, and %s refuses it", strings.Join(accepting, ", "), strings.Join(refusing, ", "))
	}
	return connector.Outcome{Observation: seen, Err: err}
}

// prober asks the probed hosts during one call of the contract. A host that
// could not be reached is not tried again in the same call.
type prober struct {
	hosts []string
	user  string // empty: each principal
	known ssh.HostKeyCallback

	mu   sync.Mutex
	down map[string]error
}

// newProber reads the known hosts. Errors are nhi.ErrUnreachable.
func (s *system) newProber() (*prober, error) {
	p := &prober{hosts: s.hosts, user: s.probeUser, down: map[string]error{}}
	if len(s.hosts) == 0 {
		return p, nil
	}
	known, err := knownhosts.New(s.knownHostsFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", settingKnownHosts, nhi.ErrUnreachable, err)
	}
	p.known = known
	return p, nil
}

// ask returns the hosts that accept a certificate for one user at least, and
// those that refuse it for every user. The error is nhi.ErrUnreachable, and
// says so for each host that gave no clear answer.
func (p *prober) ask(ctx context.Context, certificate *ssh.Certificate) (accepting, refusing []string, err error) {
	users := certificate.ValidPrincipals
	if p.user != "" {
		users = []string{p.user}
	}
	var errs []error
	for _, host := range p.hosts {
		accepted, err := p.askHost(ctx, host, users, certificate)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %w: %w", host, nhi.ErrUnreachable, err))
		case accepted:
			accepting = append(accepting, host)
		default:
			refusing = append(refusing, host)
		}
	}
	return accepting, refusing, errors.Join(errs...)
}

func (p *prober) askHost(ctx context.Context, host string, users []string, certificate *ssh.Certificate) (bool, error) {
	plain, certified, err := p.hostKeyAlgorithms(host)
	if err != nil {
		return false, err
	}
	for _, user := range users {
		accepted, err := p.login(ctx, host, user, plain, certificate)
		var mismatch *knownhosts.KeyError
		if errors.As(err, &mismatch) {
			// A host that is known by its CA shows its certificate only to
			// those who ask for certificates alone.
			if again, retried := p.login(ctx, host, user, certified, certificate); retried == nil {
				accepted, err = again, nil
			}
		}
		if accepted || err != nil {
			return accepted, err
		}
	}
	return false, nil
}

// hostKeyAlgorithms returns the algorithms of the keys that a host is known
// by: with another one, a host that has several keys shows one that we cannot
// judge. An unknown host is an error before it is asked anything.
func (p *prober) hostKeyAlgorithms(host string) (plain, certified []string, err error) {
	var wanted *knownhosts.KeyError
	// No key at all matches nothing, and the error says what would.
	if err := p.known(host, &net.TCPAddr{}, noKey{}); !errors.As(err, &wanted) || len(wanted.Want) == 0 {
		return nil, nil, errors.New("is not in known_hosts")
	}
	for _, known := range wanted.Want {
		algorithms := []string{known.Key.Type()}
		if known.Key.Type() == ssh.KeyAlgoRSA {
			algorithms = []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
		}
		plain = append(plain, algorithms...)
	}
	slices.Sort(plain)
	return slices.Compact(plain), []string{
		ssh.CertAlgoED25519v01, ssh.CertAlgoECDSA256v01, ssh.CertAlgoECDSA384v01, ssh.CertAlgoECDSA521v01,
		ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01,
	}, nil
}

// login goes as far as offering the certificate to a host. sshd looks at the
// certificate, the revocation list included, before it asks for a signature:
// being asked for one is acceptance, and none is ever made.
func (p *prober) login(ctx context.Context, host, user string, algorithms []string, certificate *ssh.Certificate) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	connection, err := p.dial(ctx, host)
	if err != nil {
		return false, err
	}
	defer func() { _ = connection.Close() }()
	// The handshake knows no context: closing the connection ends it.
	defer context.AfterFunc(ctx, func() { _ = connection.Close() })()

	offer := &offer{certificate: certificate}
	var hostKey error
	_, _, _, err = ssh.NewClientConn(connection, host, &ssh.ClientConfig{
		User:              user,
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(offer)},
		ClientVersion:     "SSH-2.0-nhi_probe",
		HostKeyAlgorithms: algorithms,
		HostKeyCallback: func(host string, remote net.Addr, key ssh.PublicKey) error {
			hostKey = p.known(host, remote, key)
			return hostKey
		},
	})
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case hostKey != nil:
		return false, fmt.Errorf("its host key is not the known one: %w", hostKey)
	case offer.accepted:
		return true, nil
	case err == nil:
		return false, fmt.Errorf("lets %q in without any key, which says nothing about the certificate", user)
	case refused(err):
		return false, nil
	}
	return false, err
}

// dial connects to a host, unless that failed before in the same call.
func (p *prober) dial(ctx context.Context, host string) (net.Conn, error) {
	p.mu.Lock()
	err := p.down[host]
	p.mu.Unlock()
	if err != nil {
		return nil, err
	}
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", host)
	if err != nil {
		p.mu.Lock()
		p.down[host] = err
		p.mu.Unlock()
	}
	return connection, err
}

// refused says whether the server itself turned the offered key down. Package
// ssh has no type for it: the text says that public keys were tried and that
// the server answered with a failure, not with a disconnect or an algorithm
// that it lacks. If the text ever changes, every refusal turns into an error,
// and a test against a real sshd fails.
func refused(err error) bool {
	text := err.Error()
	return strings.Contains(text, "unable to authenticate, attempted methods [none publickey]") &&
		strings.Contains(text, "no supported methods remain")
}

// offer is a key that is shown and never used.
type offer struct {
	certificate *ssh.Certificate
	accepted    bool
}

var errNeverSigned = errors.New("a probe signs nothing")

// PublicKey implements ssh.Signer.
func (o *offer) PublicKey() ssh.PublicKey { return o.certificate }

// Sign implements ssh.Signer.
func (o *offer) Sign(io.Reader, []byte) (*ssh.Signature, error) {
	o.accepted = true
	return nil, errNeverSigned
}

// SignWithAlgorithm implements ssh.AlgorithmSigner.
func (o *offer) SignWithAlgorithm(random io.Reader, data []byte, _ string) (*ssh.Signature, error) {
	return o.Sign(random, data)
}

// Algorithms implements ssh.MultiAlgorithmSigner: an RSA certificate is
// offered with the hashes that servers still take.
func (o *offer) Algorithms() []string {
	if o.certificate.Key.Type() == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	return []string{o.certificate.Key.Type()}
}

// noKey is a host key that no host has.
type noKey struct{}

// Type implements ssh.PublicKey.
func (noKey) Type() string { return "none" }

// Marshal implements ssh.PublicKey.
func (noKey) Marshal() []byte { return nil }

// Verify implements ssh.PublicKey.
func (noKey) Verify([]byte, *ssh.Signature) error { return errNeverSigned }
