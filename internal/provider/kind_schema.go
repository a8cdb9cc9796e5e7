package provider

import (
	ephemeral "github.com/hashicorp/terraform-plugin-framework/ephemeral/schema"
	provider "github.com/hashicorp/terraform-plugin-framework/provider/schema"
	resource "github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/channel"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// systemAttributes describes a system in the provider block: one optional
// block for each kind that leads somewhere. Nothing is Required below a map,
// because frameworks fail on that when the map is unknown; see checkSystem.
func systemAttributes(kinds []connector.Kind) map[string]provider.Attribute {
	attributes := map[string]provider.Attribute{}
	for _, kind := range kinds {
		if kind.Endpoint == nil {
			continue
		}
		attributes[kind.Name] = settingsBlock(kind.Description, kind.Settings)
	}
	return attributes
}

// ledgerAttributes describes the ledger in the provider block: one optional
// block for each kind of store.
func ledgerAttributes(kinds []ledger.Kind) map[string]provider.Attribute {
	attributes := map[string]provider.Attribute{}
	for _, kind := range kinds {
		attributes[kind.Name] = settingsBlock(kind.Description, kind.Settings)
	}
	return attributes
}

// channelAttributes describes the approval channels in the provider block: one
// optional block for each kind.
func channelAttributes(kinds []channel.Kind) map[string]provider.Attribute {
	attributes := map[string]provider.Attribute{}
	for _, kind := range kinds {
		attributes[kind.Name] = settingsBlock(kind.Description, kind.Settings)
	}
	return attributes
}

// settingsBlock is the optional block of one kind, of systems, ledgers and
// approval channels alike.
func settingsBlock(about string, settings []setting.Field) provider.SingleNestedAttribute {
	fields := map[string]provider.Attribute{}
	for _, field := range settings {
		fields[field.Name] = settingAttribute(field)
	}
	return provider.SingleNestedAttribute{Optional: true, MarkdownDescription: about, Attributes: fields}
}

func settingAttribute(field setting.Field) provider.Attribute {
	about := describe(field)
	switch field.Type {
	case setting.Strings:
		return provider.SetAttribute{Optional: true, Sensitive: field.Secret, MarkdownDescription: about, ElementType: types.StringType}
	case setting.Map:
		return provider.MapAttribute{Optional: true, Sensitive: field.Secret, MarkdownDescription: about, ElementType: types.StringType}
	case setting.Bool:
		return provider.BoolAttribute{Optional: true, Sensitive: field.Secret, MarkdownDescription: about}
	default:
		return provider.StringAttribute{Optional: true, Sensitive: field.Secret, MarkdownDescription: about}
	}
}

// accessAttributes describes an access of an approval: the system's name and
// one optional block for each kind.
func accessAttributes(kinds []connector.Kind) map[string]resource.Attribute {
	attributes := map[string]resource.Attribute{
		"system": resource.StringAttribute{
			Optional:            true,
			MarkdownDescription: "The name of a system in the provider block. Required, except for `external`.",
		},
	}
	for _, kind := range kinds {
		fields := map[string]resource.Attribute{}
		for _, field := range kind.Access {
			fields[field.Name] = accessAttribute(field)
		}
		attributes[kind.Name] = resource.SingleNestedAttribute{Optional: true, MarkdownDescription: kind.Description, Attributes: fields}
	}
	return attributes
}

func accessAttribute(field setting.Field) resource.Attribute {
	about := describe(field)
	switch field.Type {
	case setting.Strings:
		return resource.SetAttribute{Optional: true, MarkdownDescription: about, ElementType: types.StringType}
	case setting.Map:
		return resource.MapAttribute{Optional: true, MarkdownDescription: about, ElementType: types.StringType}
	case setting.Bool:
		return resource.BoolAttribute{Optional: true, MarkdownDescription: about}
	default:
		return resource.StringAttribute{Optional: true, MarkdownDescription: about}
	}
}

// credentialAttributes describes what a credential of each kind holds.
func credentialAttributes(kinds []connector.Kind) map[string]ephemeral.Attribute {
	attributes := map[string]ephemeral.Attribute{}
	for _, kind := range kinds {
		if len(kind.Credential) == 0 {
			continue
		}
		fields := map[string]ephemeral.Attribute{}
		for _, field := range kind.Credential {
			fields[field.Name] = ephemeral.StringAttribute{Computed: true, Sensitive: field.Secret, MarkdownDescription: describe(field)}
		}
		attributes[kind.Name] = ephemeral.SingleNestedAttribute{Computed: true, MarkdownDescription: "What a target of kind `" + kind.Name + "` issues; null for others.", Attributes: fields}
	}
	return attributes
}

func describe(field setting.Field) string {
	about := field.Description
	if field.Required {
		about += " Required."
	}
	if field.Default != "" {
		about += " Default: `" + field.Default + "`."
	}
	return about
}

// optionsAbout describes what can be asked for of a credential, by kind.
func optionsAbout(kinds []connector.Kind) string {
	about := "How the credential is to be issued, by the kind of the target."
	for _, kind := range kinds {
		for _, option := range kind.Options {
			about += " `" + kind.Name + "`: `" + option.Name + "`: " + describe(option)
		}
	}
	return about
}
