package cli

import (
	"fmt"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// reportPlan says where each request of a plan stands.
func (a *app) reportPlan(d *desk, all []sighted, flags showFlags) error {
	document := d.sitting.Policy()
	if flags.markdown {
		_, err := fmt.Fprint(a.Out, a.planMarkdown(document, d, all))
		return err
	}
	page := a.page()
	page.line("%s", planHeading(document, all))
	for _, one := range all {
		page.gap()
		a.describeSighted(page, d, one)
	}
	if err := a.show(page); err != nil {
		return err
	}
	rows := []any{}
	for _, one := range all {
		rows = append(rows, a.sightedJSON(d, one))
	}
	return a.emit(map[string]any{"requests": rows, "policy": map[string]any{"version": document.Version, "digest": document.Digest}})
}

func planHeading(document *policy.Document, all []sighted) string {
	waiting, refused := 0, 0
	for _, one := range all {
		switch {
		case one.refused():
			refused++
		case !one.settled():
			waiting++
		}
	}
	heading := fmt.Sprintf("The plan asks for %s, by policy version %d.", count(len(all), "approval"), document.Version)
	if waiting > 0 {
		heading += fmt.Sprintf(" Not approved yet: %d.", waiting)
	}
	if refused > 0 {
		heading += fmt.Sprintf(" Will not be granted as it stands: %d.", refused)
	}
	if len(all) > 0 && waiting+refused == 0 {
		heading += " Nothing waits for a decision."
	}
	return heading
}

// describeSighted writes one request of a plan; what needs nobody in one line.
func (a *app) describeSighted(page *page, d *desk, one sighted) {
	page.line("# %s", visible(one.address)) // nobody has checked it: no line break in it may forge a line
	switch {
	case one.problem != nil:
		page.marked("!", red, "nothing can be said of it: %s", one.problem)
		return
	case one.settled():
		page.line("%s (%s): %s for %s", one.petition.approval, one.word(), a.summary(one.petition.request), nhi.FormatTTL(one.petition.request.TTL))
		return
	}
	a.describe(page, one.petition)
	if !one.petition.waits() {
		return
	}
	page.gap()
	for _, need := range one.petition.standing.Verdict.Needs {
		if names := one.petition.mayApprove(need); !need.NoApproval && len(need.Have) < need.Want {
			page.line("Who may approve, of group %s: %s", need.Group, joined(names))
		}
	}
	if command := one.command(d); command != "" {
		page.line("To decide: %s", command)
	} else {
		page.line("To decide: nhi show --plan PLAN.json --export FOLDER writes the file to approve")
	}
}

func (a *app) sightedJSON(d *desk, one sighted) map[string]any {
	if one.problem != nil {
		return map[string]any{"address": one.address, "status": "unknown", "error": one.problem.Error()}
	}
	shown := a.shownJSON(one.petition)
	shown["address"], shown["recorded"], shown["settled"] = one.address, !one.petition.wanted, one.settled()
	may := map[string][]string{}
	for _, need := range one.petition.standing.Verdict.Needs {
		if !need.NoApproval {
			may[need.Group] = append([]string{}, one.petition.mayApprove(need)...)
		}
	}
	shown["may_approve"] = may
	if one.petition.waits() {
		shown["file"], shown["command"] = one.file, one.command(d)
	}
	return shown
}

// maxComment bounds the Markdown, in bytes: forges refuse a longer comment.
const maxComment = 60_000

// planMarkdown is the report as a comment on a pull request. What comes from the
// plan stands in fences that it cannot end, so that it mentions and formats
// nothing.
func (a *app) planMarkdown(document *policy.Document, d *desk, all []sighted) string {
	var out strings.Builder
	fmt.Fprintf(&out, "### %s\n", planHeading(document, all))
	for i, one := range all {
		body := &page{}
		a.describeSighted(body, d, one)
		fence := strings.Repeat("`", max(3, longestRun(body.String(), '`')+1))
		section := fmt.Sprintf("\n<details open><summary>%s</summary>\n\n%stext\n%s%s\n\n</details>\n",
			planMark(one), fence, body.String(), fence)
		if out.Len()+len(section) > maxComment {
			fmt.Fprintf(&out, "\nand %s more: read them with `nhi show --plan`.\n", count(len(all)-i, "request"))
			break
		}
		out.WriteString(section)
	}
	out.WriteString("\nThis comment was made by a run of the pull request itself. What counts is what `nhi approve` shows on your own machine.\n")
	return out.String()
}

// planMark names one request in letters that format nothing.
func planMark(one sighted) string {
	switch {
	case one.problem != nil:
		return "a request that cannot be read"
	case one.refused():
		return fmt.Sprintf("<code>%s</code>: will not be granted as it stands", one.petition.approval)
	case one.settled():
		return fmt.Sprintf("<code>%s</code>: %s", one.petition.approval, one.petition.status())
	default:
		return fmt.Sprintf("<code>%s</code>: not approved yet", one.petition.approval)
	}
}

// longestRun is how often a letter stands behind itself at most.
func longestRun(text string, letter rune) int {
	longest, run := 0, 0
	for _, r := range text {
		if r != letter {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}
