package provider

import (
	"fmt"

	"github.com/hashicorp/terraform-plugin-framework/diag"
	"github.com/hashicorp/terraform-plugin-framework/path"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/lifecycle"
)

// reviewMissing warns in every plan while the review of an activation is
// missing, also after the access has ended.
func reviewMissing(diags *diag.Diagnostics, id string, view lifecycle.View) {
	if view.Standing == nil || len(view.Standing.Review.Missing()) == 0 {
		return
	}
	diags.AddAttributeWarning(path.Root("status"), "Review missing",
		fmt.Sprintf("%s was activated in an emergency, and lacks %s. Without it the access ends then, and nothing more is activated under this approval. To review: nhi review %s.",
			id, view.Standing.Review.ReviewsText(), id))
}
