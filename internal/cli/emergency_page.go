package cli

import (
	"slices"
	"strings"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// describeEmergency writes an emergency as whoever signs it reads it.
func (a *app) describeEmergency(p *page, emergency nhi.Emergency, root nhi.Root, now time.Time) {
	p.styled(bold, "", "Emergency: access without approval, signed by the trust root")
	p.gap()
	p.field("grant", "%s", emergency.Grant)
	p.field("owner", "%q", emergency.Owner)
	p.field("purpose", "%q", emergency.Purpose)
	p.field("because", "%q", emergency.Reason)
	p.gap()
	p.styled(bold, "", "Access")
	for _, key := range emergency.Access.Keys() {
		access := emergency.Access[key]
		p.line("  # %s", key)
		a.describePrivileges(p, access, nil)
		for _, name := range access.Settings.Names() {
			p.line("      %s = %s", name, inHCL(access.Settings[name]))
		}
	}
	p.gap()
	p.field("made at", "%s", nhi.FormatTime(emergency.MadeAt))
	p.field("ends", "%s, %s", nhi.FormatTime(emergency.NotAfter), whenEnds(emergency.NotAfter.Sub(now)))
	p.field("ledger", "%s", emergency.Ledger)
	p.field("trust root", "%s, %d of %d keys", nhi.DigestOf(emergency.Root).Short(), root.Threshold, len(root.Keys))
}

func whenEnds(left time.Duration) string {
	if left <= 0 {
		return "which has passed"
	}
	return "in " + strings.TrimSuffix(left.Round(time.Minute).String(), "0s")
}

// signedBy adds who signed to a page.
func (p *page) signedBy(signed, problems []string, root nhi.Root) {
	mark, style := "✓", green
	if len(signed) < root.Threshold {
		mark, style = "…", yellow
	}
	p.marked(mark, style, "signed by %d of the %d root keys needed", len(signed), root.Threshold)
	for _, key := range slices.Sorted(slices.Values(signed)) {
		p.line("      %s", key)
	}
	for _, problem := range problems {
		p.marked("!", red, "%s", problem)
	}
}
