package cli

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// logFlags are the flags of log.
type logFlags struct {
	identities, approvals []string
	selector              string
	since, until          string
	types                 []string
	limit                 int
}

func (a *app) logCommand() *cobra.Command {
	flags := logFlags{}
	cmd := &cobra.Command{
		Use:   "log [APPROVAL | IDENTITY | policy | root]…",
		Short: "Tell what happened",
		Long: `Tells what the record says, in the order of time: who asked, who decided, what
was done on the systems and what they answered. With names it reads the chains
of those alone; with an identity, those of all its approvals and grants.

What people signed is verified and named. All else is what the program that
wrote it says. A chain that is broken is told as far as it is intact, and the
exit code is that of verify, which checks much more.

With --json each entry is one object of "entries": time, chain, entry (its
number), type, subject, by (a person whose signature is good, else the program
that wrote it), signed (whether a signature says so), says, and hash; "faults"
are what is broken.

` + selectHelp,
		Example: `  nhi log production/payments/etl/orders-etl:default
  nhi log production/payments/etl/orders-etl --since 24h
  nhi log --select 'scope=payments/**' --type decision --limit 20`,
	}
	f := cmd.Flags()
	f.StringArrayVar(&flags.identities, "identity", nil, "all of an identity, ENVIRONMENT/SCOPE/NAME; can be repeated")
	f.StringArrayVar(&flags.approvals, "approval", nil, "one approval and its grant; can be repeated")
	f.StringVar(&flags.selector, "select", "", "those whose newest request, or identity, matches")
	f.StringVar(&flags.since, "since", "", "not before: 2030-01-31, 2030-01-31T09:00:00Z, or how long ago (24h)")
	f.StringVar(&flags.until, "until", "", "before: as --since")
	f.StringSliceVar(&flags.types, "type", nil, "only entries of these types, such as decision or intent@1")
	f.IntVar(&flags.limit, "limit", 0, "only so many, the newest; 0 is all")
	return a.runs(cmd, func(ctx context.Context, args []string) error { return a.log(ctx, args, flags) })
}

func (a *app) log(ctx context.Context, args []string, flags logFlags) error {
	filter, err := a.logFilter(args, flags)
	if err != nil {
		return err
	}
	d, err := a.open()
	if err != nil {
		return err
	}
	defer d.close()
	chronicle, err := a.chronicle(ctx, d)
	if err != nil {
		return err
	}
	if err := chronicle.gather(ctx, filter); err != nil {
		return err
	}
	events := chronicle.between(filter)
	if err := a.show(a.logPage(events, chronicle.faults)); err != nil {
		return err
	}
	if err := a.emit(map[string]any{"entries": events, "faults": faultRows(chronicle.faults)}); err != nil {
		return err
	}
	if len(chronicle.faults) > 0 {
		return &failure{ExitWrong, errFaults}
	}
	return nil
}

// logFilter is what of the record is told.
type logFilter struct {
	approvals    []nhi.ApprovalID
	identities   []nhi.IdentityID
	chains       []string // root, policy
	selector     selector
	since, until time.Time
	types        []string
	limit        int
}

// logFilter reads the arguments and the flags.
func (a *app) logFilter(args []string, flags logFlags) (logFilter, error) {
	f := logFilter{limit: flags.limit, types: flags.types}
	if flags.limit < 0 {
		return f, usage("--limit %d is less than none", flags.limit)
	}
	for _, arg := range slices.Concat(args, flags.approvals, flags.identities) {
		if err := f.name(arg); err != nil {
			return f, err
		}
	}
	var err error
	if f.selector, err = parseSelector(flags.selector, slices.Concat(keysOfID, keysOfRequest)...); err != nil {
		return f, err
	}
	if f.since, err = a.moment("--since", flags.since); err != nil {
		return f, err
	}
	if f.until, err = a.moment("--until", flags.until); err != nil {
		return f, err
	}
	return f, nil
}

func (f *logFilter) name(arg string) error {
	switch {
	case arg == ledger.RootChain || arg == ledger.PolicyChain:
		f.chains = append(f.chains, arg)
	case strings.Contains(arg, ":"):
		id, err := nhi.ParseApprovalID(arg)
		f.approvals = append(f.approvals, id)
		return err
	default:
		id, err := nhi.ParseIdentityID(arg)
		f.identities = append(f.identities, id)
		return err
	}
	return nil
}

// moment reads a time, a day, or how long ago.
func (a *app) moment(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), nil
		}
	}
	ago, err := time.ParseDuration(text)
	if err != nil || ago < 0 {
		return time.Time{}, usage("%s %q is no time, such as 2030-01-31, 2030-01-31T09:00:00Z or 24h", flag, text)
	}
	return a.Now().UTC().Add(-ago), nil
}

// everything says whether no subject was named.
func (f logFilter) everything() bool {
	return len(f.approvals) == 0 && len(f.identities) == 0 && len(f.chains) == 0
}

// tells says whether an entry of this type and time is told.
func (f logFilter) tells(at time.Time, kind string) bool {
	name, _, _ := strings.Cut(kind, "@")
	return (f.since.IsZero() || !at.Before(f.since)) && (f.until.IsZero() || at.Before(f.until)) &&
		(len(f.types) == 0 || slices.Contains(f.types, kind) || slices.Contains(f.types, name))
}

// names returns the chains that are told, by their names alone.
func (f logFilter) names(ctx context.Context, book *ledger.Ledger) ([]string, error) {
	var found []string
	if f.everything() {
		all, err := book.Chains(ctx, "")
		if err != nil {
			return nil, err
		}
		found = slices.DeleteFunc(all, func(name string) bool { return !f.selector.chain(name) })
	}
	found = append(found, f.chains...)
	for _, id := range f.approvals {
		found = append(found, ledger.ApprovalChain(id), ledger.GrantChain(id))
	}
	for _, id := range f.identities {
		found = append(found, ledger.IdentityChain(id))
		for _, prefix := range []string{ledger.ApprovalChain(nhi.ApprovalID(id + ":")), ledger.GrantChain(nhi.ApprovalID(id + ":"))} {
			more, err := book.Chains(ctx, prefix)
			if err != nil {
				return nil, err
			}
			found = append(found, more...)
		}
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// chain says whether a chain may be picked, as far as its name tells. One that
// is about no identity is picked where nothing is asked for.
func (s selector) chain(name string) bool {
	_, subject, err := ledger.Subject(name)
	if subject == "" || err != nil {
		return len(s) == 0
	}
	return s.id(nhi.ApprovalID(subject).Identity())
}

// event is one entry, told.
type event struct {
	Time    time.Time  `json:"time"`
	Chain   string     `json:"chain"`
	Entry   uint64     `json:"entry"`
	Type    string     `json:"type"`
	Subject string     `json:"subject"` // approval, identity, root or policy
	By      string     `json:"by"`
	Signed  bool       `json:"signed"`
	Says    string     `json:"says"`
	Hash    nhi.Digest `json:"hash"`
}

// between returns the events that the filter lets through, in the order of
// time. Of one time, a chain's order stands.
func (c *chronicle) between(f logFilter) []event {
	events := slices.DeleteFunc(c.events, func(e event) bool { return !f.tells(e.Time, e.Type) })
	slices.SortStableFunc(events, func(x, y event) int {
		return cmp.Or(x.Time.Compare(y.Time), cmp.Compare(x.Chain, y.Chain), cmp.Compare(x.Entry, y.Entry))
	})
	if f.limit > 0 && len(events) > f.limit {
		events = events[len(events)-f.limit:]
	}
	if events == nil {
		events = []event{}
	}
	return events
}

func (a *app) logPage(events []event, faults []ledger.Fault) *page {
	p := a.page()
	rows := [][]string{{"TIME", "ABOUT", "ENTRY", "WHAT HAPPENED"}}
	for _, e := range events {
		kind, _, _ := strings.Cut(e.Chain, "/")
		rows = append(rows, []string{nhi.FormatTime(e.Time), e.Subject, kind + " " + uintText(e.Entry), e.Says})
	}
	if len(events) == 0 {
		p.line("Nothing is on record for this.")
	} else {
		p.table(rows)
	}
	for _, fault := range faults {
		p.marked("!", red, "%s", fault)
	}
	return p
}

// faulty notes what is wrong with a chain; an error says that the ledger did
// not answer.
func (c *chronicle) faulty(chain string, err error) error {
	var broken *ledger.ChainError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &broken):
		c.faults = append(c.faults, ledger.Fault{Chain: broken.Chain, Seq: broken.Seq, Reason: broken.Reason})
		return nil
	case errors.Is(err, nhi.ErrUnreachable):
		return err
	default:
		c.faults = append(c.faults, ledger.Fault{Chain: chain, Reason: err.Error()})
		return nil
	}
}
