package provider

import (
	"strings"

	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/schema/validator"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// filterAttribute describes a filter. What is not set matches everything.
func filterAttribute(statuses []string) schema.SingleNestedAttribute {
	text := func(about string, check func(string) error) schema.StringAttribute {
		return schema.StringAttribute{Optional: true, MarkdownDescription: about, Validators: []validator.String{checked(check)}}
	}
	return schema.SingleNestedAttribute{
		Optional:            true,
		MarkdownDescription: "All that match every attribute set here; the empty filter `{}` matches all in the ledger, of every scope. What was destroyed is left out, unless `status` asks for it. Either this or `id`.",
		Attributes: map[string]schema.Attribute{
			"environment": text("The environment.", nhi.CheckName),
			"scope":       text("The scope, or a pattern as in a policy: `*` stands for letters within one segment, `**` for any segments (`payments/**`).", policy.CheckScopePattern),
			"owner":       text("The person who answers for the identity.", nhi.CheckText),
			"kind":        text("The kind of the identity.", nhi.CheckKind),
			"status":      text("One of `"+strings.Join(statuses, "`, `")+"`.", oneOf(statuses)),
		},
	}
}

// filter is what a data source is asked for; empty where it does not matter.
type filter struct{ environment, scope, owner, kind, status string }

func filterOf(object types.Object) filter {
	text := func(name string) string { return textAt(object, name).ValueString() }
	return filter{environment: text("environment"), scope: text("scope"), owner: text("owner"), kind: text("kind"), status: text("status")}
}

// admits says whether an id alone can match, so that what cannot is not read.
func (f filter) admits(id string) bool {
	text, _, _ := strings.Cut(id, ":")
	identity := nhi.IdentityID(text)
	return (f.environment == "" || f.environment == identity.Environment()) &&
		(f.scope == "" || policy.MatchScope(f.scope, identity.Scope()))
}

// matches says whether what was read matches. What could not be read may be
// anything, so it is there for whoever does not ask for a status.
func (f filter) matches(seen view) bool {
	status := seen.text("status")
	if f.status == "" && (seen.gone || status == statusUnknown) {
		return !seen.gone
	}
	return (f.status == "" || f.status == status) &&
		(f.owner == "" || f.owner == seen.text("owner")) && (f.kind == "" || f.kind == seen.text("kind"))
}
