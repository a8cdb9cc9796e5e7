package provider

import (
	"context"
	"fmt"
	"maps"

	"github.com/hashicorp/terraform-plugin-framework/attr"
	"github.com/hashicorp/terraform-plugin-framework/datasource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// identityView is the data source nhi_identity.
func identityView() viewKind {
	attributes := viewTexts(map[string]string{
		"environment": "The environment.", "scope": "The scope.", "name": "The name within the scope.",
		"owner": "The person who answers for it.", "purpose": "What it is for.", "kind": "`service`, `automation`, `agent` or `third_party`.",
		"status":     "`active`, `disabled`, `expired`, `orphaned` or `deleted`; `unknown` where it could not be read.",
		"expires_at": "When it ends.",
	})
	attributes["findings"] = viewWords("Why the status is what it is; null where there is nothing to say.")
	attributes["subject"] = subjectAttribute()
	return viewKind{
		name:  "identity",
		about: "A machine identity as the ledger knows it, or all that match a filter: of any workspace and scope. `subject` is what an approval refers to.",
		form:  "environment/scope/name", attributes: attributes,
		statuses: []string{string(nhi.IdentityActive), string(nhi.IdentityDisabled), string(nhi.IdentityExpired), string(nhi.IdentityOrphaned), string(nhi.IdentityDeleted), statusUnknown},
		check:    func(id string) error { _, err := nhi.ParseIdentityID(id); return err },
		list: func(ctx context.Context, s *session) ([]string, error) {
			ids, err := s.engine.Identities(ctx)
			return texts(ids), err
		},
		read: readIdentity,
	}
}

func subjectAttribute() schema.SingleNestedAttribute {
	return schema.SingleNestedAttribute{
		Computed: true, MarkdownDescription: "What `nhi_approval.subject` takes. Null where it could not be read.",
		Attributes: viewTexts(map[string]string{
			"id": "The id.", "owner": "The owner.", "purpose": "The purpose.", "kind": "The kind.", "status": "The status that grants follow.",
		}),
	}
}

func texts[T ~string](ids []T) []string {
	all := make([]string, len(ids))
	for i, id := range ids {
		all[i] = string(id)
	}
	return all
}

func readIdentity(ctx context.Context, s *session, id string) (view, error) {
	identity, known, err := s.engine.Identity(ctx, nhi.IdentityID(id))
	if err != nil {
		return view{}, err
	}
	if !known && identity.Owner == "" {
		return view{}, fmt.Errorf("the ledger does not know %s: %w", id, lifecycle.ErrNotOnRecord)
	}
	now, err := s.engine.Time(ctx)
	if err != nil {
		return view{}, err
	}
	status := statusAt(identity, now)
	var findings []string
	if status == nhi.IdentityExpired {
		findings = []string{"it ended " + nhi.FormatTime(identity.ExpiresAt)}
	}
	values := identityValues(id, identity, status)
	maps.Copy(values, map[string]attr.Value{
		"name": types.StringValue(identity.ID.Name()), "purpose": types.StringValue(identity.Purpose),
		"status": types.StringValue(string(status)), "expires_at": timeValue(identity.ExpiresAt), "findings": list(findings),
	})
	return view{values: values, gone: status == nhi.IdentityDeleted}, nil
}

// identityValues are what every view says of the identity that it is about.
func identityValues(id string, identity nhi.Identity, status nhi.IdentityStatus) map[string]attr.Value {
	subject := identityModel{
		ID: types.StringValue(id), Owner: types.StringValue(identity.Owner), Purpose: types.StringValue(identity.Purpose),
		Kind: types.StringValue(identity.Kind), Status: types.StringValue(string(status)),
	}
	return map[string]attr.Value{
		"owner": subject.Owner, "kind": subject.Kind, "subject": subject.subject(),
	}
}
