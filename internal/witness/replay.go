package witness

import (
	"fmt"
	"slices"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// add makes a record the next one. A record that cannot follow is ErrDamaged,
// and then the memory is of no more use.
func (m *Memory) add(r Record) error {
	data, err := r.encode()
	if err != nil {
		return err
	}
	if (r.Kind == KindBegan) != (m.tree.size == 0) {
		return fmt.Errorf("a record of kind %.20q has no place here: %w", r.Kind, ErrDamaged)
	}
	switch r.Kind {
	case KindBegan, KindKey:
		err = m.addKey(r)
	case KindEntry, KindOther, KindHolds:
		err = m.addEntry(r)
	case KindGone, KindBack, KindDropped:
		err = m.addRange(r)
	case KindBorne:
		m.borne[ledger.Fault{Chain: r.Chain, Seq: r.Seq, Reason: r.Reason}] = struct{}{}
	case KindAccepted:
		if r.Reason == "" {
			err = fmt.Errorf("accepted without a reason: %w", ErrDamaged)
		}
		clear(m.others)
		clear(m.gone)
	case KindStranger: // for people
	default:
		err = fmt.Errorf("a record of kind %.20q is none of this release: %w", r.Kind, ErrDamaged)
	}
	if err != nil {
		return err
	}
	if len(m.gone)+len(m.others) == 0 {
		m.lostAt = time.Time{}
	} else if m.lostAt.IsZero() {
		m.lostAt = r.Time
	}
	return m.tree.add(data)
}

// addKey takes the first key, or another one that the key before it vouches for.
func (m *Memory) addKey(r Record) error {
	if r.Kind == KindBegan {
		if err := nhi.CheckLedgerID(r.Ledger); err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		m.ledger = r.Ledger
	} else {
		text, err := openNote(r.Vouch, m.Key())
		if err != nil {
			return fmt.Errorf("a key that the one before it does not vouch for: %w", err)
		}
		if text != vouchText(m.ledger, m.tree.size, r.Key) || slices.Contains(m.keys, r.Key) {
			return fmt.Errorf("the key before vouches for another key than %.100q: %w", r.Key, ErrDamaged)
		}
	}
	verifier, err := verifierOf(r.Key)
	if err != nil || verifier.Name() != origin(m.ledger) {
		return fmt.Errorf("%.100q is no key of this memory: %w", r.Key, ErrDamaged)
	}
	m.keys = append(m.keys, r.Key)
	return nil
}

func (m *Memory) addEntry(r Record) error {
	if _, err := nhi.ParseDigest(string(r.Hash)); err != nil || r.Seq == 0 || r.Chain == "" {
		return fmt.Errorf("a record of no entry: %w", ErrDamaged)
	}
	at, seen := r.place(), sighted{hash: r.Hash, at: r.Time, n: m.tree.size}
	first, known := m.entries[at]
	switch {
	case r.Kind == KindHolds, r.Kind == KindEntry && !known:
		m.entries[at] = seen
	case r.Kind == KindOther && known && r.Hash != first.hash && !m.sawOther(at, r.Hash):
		m.others[at] = append(m.others[at], seen)
	default:
		return fmt.Errorf("entry %d of chain %.200q was recorded before: %w", r.Seq, r.Chain, ErrDamaged)
	}
	return nil
}

func (m *Memory) sawOther(at place, hash nhi.Digest) bool {
	return slices.ContainsFunc(m.others[at], func(s sighted) bool { return s.hash == hash })
}

func (m *Memory) addRange(r Record) error {
	if !r.ranged() {
		return fmt.Errorf("a record of no entries: %w", ErrDamaged)
	}
	for seq := r.Seq; seq <= r.To; seq++ {
		at := place{r.Chain, seq}
		if _, known := m.entries[at]; !known {
			return fmt.Errorf("entry %d of chain %.200q was never recorded: %w", seq, r.Chain, ErrDamaged)
		}
		switch r.Kind {
		case KindGone:
			m.gone[at] = true
		case KindBack:
			delete(m.gone, at)
		default:
			delete(m.entries, at)
			delete(m.gone, at)
		}
	}
	return nil
}
