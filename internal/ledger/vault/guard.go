package vault

import (
	"fmt"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// guard is the policy of whoever writes. A second write of an entry would need
// update, which it does not give, so Vault itself refuses it. Empty where the
// mount or the path is none.
func guard(settings setting.Settings) string {
	p, err := placeOf(settings)
	if err != nil {
		return ""
	}
	return fmt.Sprintf(`# The policy of runs and approvers. Auditors get the same without "create".
# Nobody gets update, patch, delete or sudo on these paths, or anything on
# %[1]s/delete/%[2]s/*, %[1]s/undelete/%[2]s/* and %[1]s/destroy/%[2]s/*.
path "%[1]s/data/%[2]s/*" {
  capabilities = ["create", "read"]
}
path "%[1]s/metadata/%[2]s/*" {
  capabilities = ["list"]
}
`, p.mount, p.path)
}
