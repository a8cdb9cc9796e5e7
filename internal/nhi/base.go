package nhi

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// baseHeading names the format of a base text and its version.
const baseHeading = "nhi base 1"

// Base says that a ledger was restored from a back-up, and what it held then:
// from there on it is held against this, and no longer against what was seen
// before. The trust root's threshold signs its text.
type Base struct {
	Ledger string    // id of the ledger
	Number int       // 1 for the first base of a ledger, and one more for each
	Time   time.Time // of the ledger, in whole seconds: what was signed up to then gives nothing new
	Reason string
	// Root is the end of the root chain, which the base stands right behind.
	Root Head
	// Heads are the ends of all chains, by chain.
	Heads map[string]Head
}

// Text returns the canonical text, or ErrInvalid where a part is malformed.
// The ends of the chains stand at its end, one line each, sorted, behind the
// digest of these lines.
func (b Base) Text() (string, error) {
	if err := b.check(); err != nil {
		return "", fmt.Errorf("base: %w", err)
	}
	var list strings.Builder
	for _, chain := range slices.Sorted(maps.Keys(b.Heads)) {
		list.WriteString(chain + " " + b.Heads[chain].String() + "\n")
	}
	w := &textWriter{}
	w.heading(baseHeading)
	w.line("", "ledger", b.Ledger)
	w.line("", "number", strconv.Itoa(b.Number))
	w.line("", "time", FormatTime(b.Time))
	w.line("", "reason", b.Reason)
	w.line("", "root", b.Root.String())
	w.line("", "heads", string(DigestOf(list.String())))
	w.out.WriteString(list.String())
	if w.out.Len() > MaxTextBytes {
		return "", fmt.Errorf("base: %d chains are too many for one text: %w", len(b.Heads), ErrInvalid)
	}
	return w.out.String(), nil
}

func (b Base) check() error {
	if err := CheckLedgerID(b.Ledger); err != nil {
		return err
	}
	if err := CheckText(b.Reason); err != nil {
		return fmt.Errorf("reason: %w", err)
	}
	if err := checkTime(b.Time); err != nil {
		return err
	}
	if b.Number < 1 || len(b.Heads) == 0 {
		return fmt.Errorf("number %d with %d chains: %w", b.Number, len(b.Heads), ErrInvalid)
	}
	if _, err := ParseHead(b.Root.String()); err != nil {
		return err
	}
	for chain, head := range b.Heads {
		if _, err := ParseHead(head.String()); err != nil || head.Seq == 0 {
			return fmt.Errorf("chain %.100q: head %.100q: %w", chain, head, ErrInvalid)
		}
		if chain == "" || strings.ContainsFunc(chain, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return fmt.Errorf("chain %.100q: %w", chain, ErrInvalid)
		}
	}
	return nil
}

// ParseBase reads a canonical base text. A text that would be written in
// another way is ErrNotCanonical.
func ParseBase(text string) (Base, error) {
	r := newTextReader(text, baseHeading)
	base := Base{Ledger: r.line("", "ledger"), Number: r.number("number"), Heads: map[string]Head{}}
	base.Time = r.parsedTime(r.line("", "time"))
	base.Reason = r.line("", "reason")
	root, err := ParseHead(r.line("", "root"))
	if err != nil {
		r.fail("%w", err)
	}
	base.Root = root
	r.line("", "heads") // compared when the text is written again
	for line := range strings.Lines(r.rest()) {
		chain, ending, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		head, err := ParseHead(ending)
		if err != nil {
			r.fail("%w", err)
			break
		}
		base.Heads[chain] = head
	}
	if r.err != nil {
		return Base{}, fmt.Errorf("base: %w", r.err)
	}
	again, err := base.Text()
	if err != nil {
		return Base{}, err
	}
	if again != text {
		return Base{}, fmt.Errorf("base: %w", ErrNotCanonical)
	}
	return base, nil
}
