package connector_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

func TestCheckedStripsSecrets(t *testing.T) {
	t.Parallel()
	const password = "p@ss wörd/%41\"x"
	parameter := "postgres://db/x?sslmode=require&password=in-a-parameter"
	secret := "postgres://admin:" + url.QueryEscape(password) + "@db:5432/orders"
	raw := "postgres://admin:c%ana#ry@db:5432/orders" // a URL that does not parse
	pem := "-----BEGIN KEY-----\nQ2FuYXJ5Q2FuYXJ5\n-----END KEY-----\n"
	settings := setting.Settings{Secrets: map[string]nhi.Secret{
		"url": nhi.NewSecret(secret), "raw": nhi.NewSecret(raw), "parameter": nhi.NewSecret(parameter), "key": nhi.NewSecret(pem), "empty": nhi.NewSecret(""),
	}}
	leaks := []string{secret, password, url.QueryEscape(password), url.PathEscape(password), fmt.Sprintf("%q", password),
		raw, "c%ana#ry", "in-a-parameter", pem, "Q2FuYXJ5Q2FuYXJ5"}
	for _, leak := range leaks {
		inner := &fake{
			effect: saying(func(o *connector.Outcome) {
				o.Findings = []string{"saw " + leak}
				o.Err = &os.PathError{Op: "open", Path: leak, Err: nhi.ErrUnreachable}
			}),
			read: func(context.Context, []connector.Account) (connector.Holdings, error) {
				panic("read " + leak)
			},
		}
		c := connector.Checked(connector.Kind{Name: "fake"}, "orders", settings, inner)
		outcome := enable(t, c)
		_, readErr := c.Read(t.Context(), nil)
		for _, text := range []string{outcome.Err.Error(), readErr.Error(), fmt.Sprintf("%+v %#v", outcome.Err, errors.Unwrap(outcome.Err)), outcome.Findings[0]} {
			for _, form := range []string{leak, "c%ana", "p@ss", "in-a-par", "Q2FuYXJ5"} {
				if strings.Contains(text, form) {
					t.Errorf("%q is in %q", form, text)
				}
			}
			if strings.Contains(text, "saw") && !strings.Contains(text, "***") {
				t.Errorf("no *** in %q", text)
			}
		}
		var path *os.PathError
		if errors.As(outcome.Err, &path) {
			t.Error("the client's own error, with the secret in it, can be reached")
		}
		if !errors.Is(outcome.Err, nhi.ErrUnreachable) {
			t.Errorf("the sentinel is lost: %v", outcome.Err)
		}
		evident := enable(t, connector.Checked(connector.Kind{Name: "fake"}, "orders", settings,
			&fake{effect: saying(func(o *connector.Outcome) { o.Evidence = "x " + leak })}))
		if evident.Err == nil || evident.Evidence != "" {
			t.Errorf("evidence with a secret went through: %+v", evident)
		}
	}
}
