package provider_test

import (
	"testing"

	fwprovider "github.com/hashicorp/terraform-plugin-framework/provider"
	fwschema "github.com/hashicorp/terraform-plugin-framework/provider/schema"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/channel"
	channels "github.com/nhi-terraform/terraform-provider-nhi/internal/channel/builtin"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/provider"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// A channel is one folder and one line: its block, with every setting, follows
// from its kind. What is built in is there where nobody says otherwise.
func TestChannelsFollowFromTheirKinds(t *testing.T) {
	t.Parallel()
	hall := channel.Kind{Name: "hall", Description: "A hall.", Settings: []setting.Field{
		{Name: "door", Description: "Which door."}, {Name: "key", Secret: true, Description: "Its key."}}}
	blocks := func(options provider.Options) map[string]fwschema.Attribute {
		var resp fwprovider.SchemaResponse
		provider.New("test", options)().Schema(t.Context(), fwprovider.SchemaRequest{}, &resp)
		approvals, ok := resp.Schema.Attributes["approvals"].(fwschema.SingleNestedAttribute)
		if !ok {
			t.Fatalf("approvals is %T", resp.Schema.Attributes["approvals"])
		}
		return approvals.Attributes
	}
	more := blocks(provider.Options{Channels: append(channels.All(), hall)})
	block, ok := more["hall"].(fwschema.SingleNestedAttribute)
	if !ok || !block.Attributes["key"].IsSensitive() || block.Attributes["door"].IsSensitive() || len(more) != len(channels.All())+1 {
		t.Errorf("%v", more)
	}
	for _, kind := range channels.All() {
		if _, ok := blocks(provider.Options{})[kind.Name]; !ok {
			t.Errorf("%s has no block", kind.Name)
		}
	}
}
