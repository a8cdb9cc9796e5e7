package setting_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

// A secret that was read from a file with its line feed is refused, and not
// shown.
func TestSecretsAreNotQuoted(t *testing.T) {
	t.Parallel()
	fields := []setting.Field{{Name: "token", Secret: true}}
	for _, token := range []string{"hidden\n", " hidden", "hid\u200bden", "hidden\x00", "\xffhidden", strings.Repeat("hidden", 1000)} {
		_, errs := setting.Complete(fields, nhi.Values{"token": nhi.Text(token)})
		if len(errs) != 1 || !errors.Is(errs[0], nhi.ErrInvalid) || errs[0].Field != "token" {
			t.Fatalf("%.20q: %v, want one that is ErrInvalid", token, errs)
		}
		if strings.Contains(errs[0].Error(), "hid") {
			t.Errorf("%.20q is quoted: %v", token, errs[0])
		}
	}
}
