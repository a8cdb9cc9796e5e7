package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // the same zones on every machine

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// maxWindows bounds the windows of one rule.
const maxWindows = 20

// weekdays are the days as a policy writes them, Sunday first as in time.
var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// Window is a time of the week in which what its rule decides may be
// activated. It ends no access.
type Window struct {
	Name        string
	Days        []time.Weekday
	From, Until time.Duration // since midnight by the clock on the wall; Until is not part of it
	Zone        *time.Location
}

// Open says whether the window is open at a time.
func (w Window) Open(now time.Time) bool {
	if now.IsZero() || w.Zone == nil {
		return false
	}
	local := now.In(w.Zone)
	hour, minute, second := local.Clock()
	clock := time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second
	return slices.Contains(w.Days, local.Weekday()) && w.From <= clock && clock < w.Until
}

// String writes the window as `mon, tue 08:00-18:00 Europe/Berlin`.
func (w Window) String() string {
	days := make([]string, len(w.Days))
	for i, day := range w.Days {
		days[i] = weekdays[day]
	}
	return fmt.Sprintf("%s %s-%s %s", strings.Join(days, ", "), clockText(w.From), clockText(w.Until), w.Zone)
}

func clockText(since time.Duration) string {
	return fmt.Sprintf("%02d:%02d", int(since.Hours()), int(since.Minutes())%60)
}

func (r *reader) windows(body *hclsyntax.Body) []Window {
	var windows []Window
	names := map[string]bool{}
	for _, block := range r.blocks(body, "window", maxWindows) {
		r.check(block.TypeRange, "window", nhi.CheckText(block.Labels[0]))
		r.once(names, block.TypeRange, "window", block.Labels[0])
		r.shape(block.Body, []string{"days", "from", "until", "zone"}, nil)
		windows = append(windows, r.window(block))
	}
	return windows
}

func (r *reader) window(block *hclsyntax.Block) Window {
	window := Window{Name: block.Labels[0]}
	from, fromOK := r.clock(block.Body, "from")
	until, untilOK := r.clock(block.Body, "until")
	window.From, window.Until = from, until
	if fromOK && untilOK && from >= until {
		r.fail(block.TypeRange, "window %.60q ends before it begins: one over midnight is two windows", window.Name)
	}
	days, at := r.list(block.Body, "days", true)
	for _, day := range days {
		number := slices.Index(weekdays, day)
		if number < 0 {
			r.fail(at, "days: %.20q is none of %s", day, strings.Join(weekdays, ", "))
			continue
		}
		window.Days = append(window.Days, time.Weekday(number))
	}
	name, at, ok := r.text(block.Body, "zone", true)
	if !ok {
		return window
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "" || name == "Local" { // what is local depends on the machine
		r.fail(at, "zone: %.60q is no time zone such as \"Europe/Berlin\" or \"UTC\"", name)
		return window
	}
	window.Zone = zone
	return window
}

// clock reads HH:MM, from 00:00 to 24:00.
func (r *reader) clock(body *hclsyntax.Body, name string) (time.Duration, bool) {
	text, at, ok := r.text(body, name, true)
	if !ok {
		return 0, false
	}
	if text == "24:00" {
		return 24 * time.Hour, true
	}
	parsed, err := time.Parse("15:04", text)
	if err != nil || parsed.Format("15:04") != text {
		r.fail(at, "%s: %.20q is no time of the day such as \"08:00\"", name, text)
		return 0, false
	}
	return time.Duration(parsed.Hour())*time.Hour + time.Duration(parsed.Minute())*time.Minute, true
}
