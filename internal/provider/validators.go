package provider

import (
	"context"
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/schema/validator"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// rule is a validator over a plain function of the core.
type rule struct{ check func(string) error }

// checked makes a validator of a rule. Null and unknown values pass.
func checked(check func(string) error) validator.String { return rule{check} }

// Description implements validator.String.
func (rule) Description(context.Context) string { return "must be well formed" }

// MarkdownDescription implements validator.String.
func (r rule) MarkdownDescription(ctx context.Context) string { return r.Description(ctx) }

// ValidateString implements validator.String.
func (r rule) ValidateString(_ context.Context, req validator.StringRequest, resp *validator.StringResponse) {
	if req.ConfigValue.IsNull() || req.ConfigValue.IsUnknown() {
		return
	}
	if err := r.check(req.ConfigValue.ValueString()); err != nil {
		resp.Diagnostics.AddAttributeError(req.Path, "Invalid value", sentence(err))
	}
}

// checkTTL is the rule on durations.
func checkTTL(text string) error {
	_, err := nhi.ParseTTL(text)
	return err
}

// checkTime is the rule on end dates.
func checkTime(text string) error {
	_, err := nhi.ParseTime(text)
	return err
}

// sentence writes an error for people: as plain does, with a capital letter
// and a full stop, and the risk that it keeps out.
func sentence(err error) string {
	return statement(err) + aboutRisk(err)
}

// statement is sentence, without the risk that the error keeps out.
func statement(err error) string {
	text := plain(err)
	if first, _, _ := strings.Cut(text, " "); first != "" && !strings.ContainsAny(first, "/:_.\"") {
		text = strings.ToUpper(text[:1]) + text[1:] // a word, and no name of something
	}
	return text + "."
}

// plain writes an error without the sentinels at its end, which are for the
// program.
func plain(err error) string {
	text := strings.TrimSpace(err.Error())
	for again := true; again; {
		again = false
		for _, sentinel := range silent {
			if shorter, cut := strings.CutSuffix(text, ": "+sentinel.Error()); cut {
				text, again = shorter, true
			}
		}
	}
	return strings.TrimRight(text, ".;")
}

// silent are the sentinels that say nothing to a reader who has read the rest.
var silent = []error{nhi.ErrInvalid, nhi.ErrDenied, nhi.ErrNotApproved, nhi.ErrEnded, lifecycle.ErrPolicy, lifecycle.ErrUntrusted, lifecycle.ErrNoSystem, lifecycle.ErrNotOnRecord}
