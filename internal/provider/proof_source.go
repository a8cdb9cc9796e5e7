package provider

import (
	"context"
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/workload/source"
)

// sourceAttributes are where a run finds a token; with more beside them.
func sourceAttributes(more map[string]schema.Attribute) map[string]schema.Attribute {
	attributes := map[string]schema.Attribute{
		"token_env":      schema.StringAttribute{Optional: true, MarkdownDescription: "The name of an environment variable that holds a token of an issuer that the policy believes: what `id_tokens` of GitLab CI fills, or `TFC_WORKLOAD_IDENTITY_TOKEN` of HCP Terraform."},
		"token_file":     schema.StringAttribute{Optional: true, MarkdownDescription: "A file that holds such a token."},
		"github_actions": schema.BoolAttribute{Optional: true, MarkdownDescription: "`true` asks the runner of GitHub Actions for a token, for the first audience that the policy believes. The job needs the permission `id-token: write`."},
		"vault": schema.SingleNestedAttribute{
			Optional: true, MarkdownDescription: "A HashiCorp Vault that says whose token this run has. Looking it up is the proof; the token stays there.",
			Attributes: map[string]schema.Attribute{
				"address":      schema.StringAttribute{Optional: true, MarkdownDescription: "The address, such as `https://vault.internal:8200`. Required."},
				"namespace":    schema.StringAttribute{Optional: true, MarkdownDescription: "The namespace, where there is one."},
				"token_env":    schema.StringAttribute{Optional: true, MarkdownDescription: "The name of an environment variable that holds the token."},
				"token_file":   schema.StringAttribute{Optional: true, MarkdownDescription: "A file that holds the token."},
				"ca_cert_file": schema.StringAttribute{Optional: true, MarkdownDescription: "Certificates of the authorities that Vault's is signed by, in PEM; those of the machine where it is not set."},
			},
		},
	}
	for name, attribute := range more {
		attributes[name] = attribute
	}
	return attributes
}

// sourceOf reads where a run finds a token. What is not known yet is Unknown.
func sourceOf(object types.Object) source.Source {
	if object.IsUnknown() {
		return source.Source{Unknown: true}
	}
	env, file := textAt(object, "token_env"), textAt(object, "token_file")
	github, _ := object.Attributes()["github_actions"].(types.Bool)
	found := source.Source{Env: env.ValueString(), File: file.ValueString(), GitHub: github.ValueBool(),
		Unknown: env.IsUnknown() || file.IsUnknown() || github.IsUnknown()}
	vault, _ := object.Attributes()["vault"].(types.Object)
	if vault.IsNull() {
		return found
	}
	text := func(name string) string {
		value := textAt(vault, name)
		found.Unknown = found.Unknown || value.IsUnknown()
		return value.ValueString()
	}
	found.Unknown = found.Unknown || vault.IsUnknown()
	found.Vault = &source.Vault{Address: text("address"), Namespace: text("namespace"), CAFile: text("ca_cert_file"),
		Token: source.Source{Env: text("token_env"), File: text("token_file")}}
	return found
}

// checkSources adds an error for a source that names no place, or two.
func checkSources(ctx context.Context, req provider.ValidateConfigRequest, diags *diag.Diagnostics) {
	for _, name := range []string{"requester", "runner"} {
		var block types.Object
		diags.Append(req.Config.GetAttribute(ctx, path.Root(name), &block)...)
		if block.IsNull() || diags.HasError() {
			continue
		}
		key, from := textAt(block, "ssh_key_file"), sourceOf(block)
		if key.IsNull() || key.IsUnknown() {
			if err := from.Check(); err != nil && (name == "runner" || !from.IsZero()) {
				diags.AddAttributeError(path.Root(name), "Invalid "+name, sentence(fmt.Errorf("%s %w", name, err)))
			}
			continue
		}
		if !from.IsZero() {
			err := fmt.Errorf("requester must name a key or a token, and not both: %w", nhi.ErrInvalid)
			diags.AddAttributeError(path.Root(name), "Invalid "+name, sentence(err))
		}
	}
}
