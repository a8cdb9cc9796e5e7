package cli

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/workload/source"
)

// proof reads a requester or a runner: where a token is found, or (where more
// names it) a key.
func (r *configReader) proof(expr hcl.Expression, name string, more ...string) (string, source.Source) {
	fields := r.object(expr, name, append(more, "token_env", "token_file", "github_actions", "vault")...)
	key := ""
	for _, field := range more {
		key = r.path(fields[field], name+"."+field)
	}
	found := source.Source{Env: r.text(fields["token_env"], name+".token_env"), File: r.path(fields["token_file"], name+".token_file"),
		GitHub: r.yes(fields["github_actions"], name+".github_actions")}
	if at := fields["vault"]; at != nil {
		inner := r.object(at, name+".vault", "address", "namespace", "token_env", "token_file", "ca_cert_file")
		text := func(field string) string { return r.text(inner[field], name+".vault."+field) }
		found.Vault = &source.Vault{Address: text("address"), Namespace: text("namespace"), CAFile: r.path(inner["ca_cert_file"], name+".vault.ca_cert_file"),
			Token: source.Source{Env: text("token_env"), File: r.path(inner["token_file"], name+".vault.token_file")}}
	}
	switch {
	case len(r.problems) > 0:
	case key != "" && !found.IsZero():
		r.fail(expr.Range(), "%s must name a key or a token, and not both", name)
	case key == "" && (len(more) == 0 || !found.IsZero()):
		if err := found.Check(); err != nil {
			r.fail(expr.Range(), "%s %s", name, strings.TrimSuffix(err.Error(), ": "+nhi.ErrInvalid.Error()))
		}
	}
	return key, found
}

// yes returns true or false; false where it is not set.
func (r *configReader) yes(expr hcl.Expression, name string) bool {
	if expr == nil {
		return false
	}
	value, diags := expr.Value(nil)
	if r.diagnose(diags); diags.HasErrors() {
		return false
	}
	if value.IsNull() || !value.IsKnown() || value.Type() != cty.Bool {
		r.fail(expr.Range(), "%s must be true or false", name)
		return false
	}
	return value.True()
}
