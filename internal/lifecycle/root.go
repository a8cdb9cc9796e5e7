package lifecycle

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// Rooted is one root of the root chain.
type Rooted struct {
	nhi.Root
	Seq    uint64    // number of its entry
	Since  time.Time // of its entry
	Digest nhi.Digest
	Pinned bool // by this machine
	// Verified says that it is pinned, or follows from a pinned root by the
	// signatures of both thresholds.
	Verified bool
}

// Trust is what this machine can rely on in the ledger's root chain.
type Trust struct {
	Root   nhi.Root // in force: the newest that is verified
	Seq    uint64   // number of its entry
	Pinned nhi.Root // from which it was reached
	// Roots are all roots up to the one in force, in the order of the chain.
	Roots []Rooted
	// Base is the newest base that the root's threshold signed; its number is 0
	// where there is none, and BaseSeq is the number of its entry.
	Base    nhi.Base
	BaseSeq uint64
	// Ignored says why a base on record counts for nothing, by its entry.
	Ignored map[uint64]string

	chain ledger.Chain
	// excuses says that the base was signed by a root that is verified. One that
	// an older root signed, which this machine does not pin, takes approvals away
	// and excuses nothing.
	excuses bool
}

// Outdated says in words that this machine pins an older root than the one in
// force; empty where it does not.
func (t Trust) Outdated() string {
	if t.Pinned.Version == t.Root.Version {
		return ""
	}
	text, _ := t.Root.Text() // it was parsed from one
	return fmt.Sprintf("version %d of the trust root is pinned, and version %d is in force: pin %s instead, so that nothing relies on the old keys any more",
		t.Pinned.Version, t.Root.Version, nhi.DigestOf(text))
}

// Trust follows the ledger's root chain from a root that is pinned from outside
// to the newest one. Each successor must be signed by the threshold of the root
// before it and by its own. One that is not, and whatever else is wrong with
// that chain, is an error that names the entry: then nothing may be granted.
// ErrUntrusted where no root of the chain is pinned. With an error come the roots
// that were read before it, for people to look at: none of them is relied on.
func (e *Engine) Trust() (Trust, error) {
	book, err := e.Book()
	if err != nil {
		return Trust{}, err
	}
	pins, err := e.Pins()
	if err != nil {
		return Trust{}, err
	}
	chain, fault := book.Roots()
	if fault != nil {
		trust, _ := followRoots(chain, pins)
		return trust, fault
	}
	key := fmt.Sprint(chain.Head(), pins)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.trusted == nil || e.trustedFor != key {
		trust, err := followRoots(chain, pins)
		if err != nil {
			return trust, err
		}
		e.trusted, e.trustedFor = &trust, key
	}
	return *e.trusted, nil
}

// Root returns the trust root in force, if it follows from one that is pinned
// from outside.
func (e *Engine) Root() (nhi.Root, error) {
	trust, err := e.Trust()
	if err != nil {
		return nhi.Root{}, err
	}
	return trust.Root, nil
}

// walker follows the root chain.
type walker struct {
	Trust
	reached bool // the pinned root was
}

// followRoots starts at the first root that is pinned: a copy of it behind a successor
// is no way back.
func followRoots(chain ledger.Chain, pins []nhi.Digest) (Trust, error) {
	w := walker{Trust: Trust{chain: chain, Ignored: map[uint64]string{}}}
	for _, entry := range chain.Entries {
		switch body := entry.Body.(type) {
		case ledger.RootBody:
			if err := w.root(entry, body, pins); err != nil {
				return w.Trust, errors.Join(err, ErrUntrusted)
			}
		case ledger.BaseBody:
			if err := w.base(entry, body); err != nil {
				w.Ignored[entry.Seq] = err.Error()
			}
		default:
			return w.Trust, rootFault(entry.Seq, "an entry of type %s has no place in this chain", body.Type())
		}
	}
	if !w.reached {
		var there []string
		for _, root := range w.Roots {
			there = append(there, string(root.Digest))
		}
		return w.Trust, fmt.Errorf("the ledger's root is %s, and this machine trusts %v: %w", strings.Join(there, ", then "), pins, ErrUntrusted)
	}
	return w.Trust, nil
}

func rootFault(seq uint64, format string, args ...any) error {
	return &ledger.ChainError{Chain: ledger.RootChain, Seq: seq, Reason: fmt.Sprintf(format, args...), Err: ledger.ErrBroken}
}

// root takes one root. Those before the pinned one are nobody's concern here.
func (w *walker) root(entry ledger.Entry, body ledger.RootBody, pins []nhi.Digest) error {
	digest := nhi.DigestOf(body.Root)
	pinned := slices.Contains(pins, digest)
	root, err := nhi.ParseRoot(body.Root)
	switch {
	case w.reached:
		root, err = policy.VerifySuccessor(w.Root, body.Root, body.Signatures)
	case pinned && err == nil:
		w.reached, w.Pinned = true, root
	case !pinned:
		err = nil
	}
	if err != nil {
		return rootFault(entry.Seq, "%s", err)
	}
	w.Root, w.Seq = root, entry.Seq
	w.Roots = append(w.Roots, Rooted{Root: root, Seq: entry.Seq, Since: entry.Time, Digest: digest, Pinned: pinned, Verified: w.reached})
	return nil
}

// base takes one base, if the root before it has signed it for this very place.
func (w *walker) base(entry ledger.Entry, body ledger.BaseBody) error {
	base, err := policy.VerifyBase(w.Root, body.Base, body.Signatures)
	if err != nil {
		return err
	}
	switch before := (nhi.Head{Seq: entry.Seq - 1, Hash: entry.Prev}); {
	case base.Ledger != entry.Ledger:
		return fmt.Errorf("the base is for ledger %s: %w", base.Ledger, nhi.ErrDenied)
	case base.Number <= w.Base.Number:
		return fmt.Errorf("base %d follows base %d: %w", base.Number, w.Base.Number, nhi.ErrDenied)
	case base.Root != before:
		return fmt.Errorf("the base was signed for a root chain that ends with entry %d, and stands elsewhere: %w", base.Root.Seq, nhi.ErrDenied)
	}
	w.Base, w.BaseSeq, w.excuses = base, entry.Seq, w.reached
	return nil
}
