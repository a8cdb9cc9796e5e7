package connectortest

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
)

func kindIsSane(t *testing.T, s *suite) {
	kind := s.Kind
	if err := nhi.CheckName(kind.Name); err != nil {
		t.Errorf("name: %v", err)
	}
	if kind.Description == "" || kind.Privileges == nil || kind.Open == nil || len(kind.Access) == 0 {
		t.Error("a kind needs a description, Privileges, Open and at least one access field")
	}
	if kind.EnforcedBy != connector.EnforcedByTarget && kind.EnforcedBy != connector.EnforcedByApply {
		t.Errorf("enforced by %q, want target or apply", kind.EnforcedBy)
	}
	if (kind.Endpoint == nil) != (kind.Name == nhi.KindExternal) {
		t.Error("a kind has an Endpoint, and external has none")
	}
	for what, fields := range map[string][]setting.Field{"settings": kind.Settings, "access": kind.Access, "credential": kind.Credential, "options": kind.Options} {
		seen := map[string]bool{}
		for _, field := range fields {
			if seen[field.Name] {
				t.Errorf("%s: field %s stands twice", what, field.Name)
			}
			seen[field.Name] = true
			checkField(t, what, field)
		}
	}
	c := s.open(t)
	if _, issues := connector.IssuerOf(c); issues != (len(kind.Credential) > 0) {
		t.Errorf("issues credentials: %v, and describes %d credential fields", issues, len(kind.Credential))
	}
	if _, adopts := connector.AdopterOf(c); adopts != (kind.Adopts != nil) {
		t.Errorf("takes accounts over: %v, and describes it: %v", adopts, kind.Adopts != nil)
	}
	checkAccessValues(t, kind, s.Access(t))
	if s.Narrower != nil {
		checkAccessValues(t, kind, s.Narrower(t))
	}
	if kind.CheckSettings != nil {
		if err := kind.CheckSettings(s.Settings); err != nil {
			t.Errorf("the setup's own settings: %v", err)
		}
	}
	checkEndpoint(t, s)
}

func checkField(t *testing.T, what string, field setting.Field) {
	t.Helper()
	if err := nhi.CheckName(field.Name); err != nil || strings.Contains(field.Name, "-") {
		t.Errorf("%s: field %q is no name for an argument: %v", what, field.Name, err)
	}
	if what == "access" && slices.Contains([]string{"kind", "system", "endpoint"}, field.Name) {
		t.Errorf("%s: the name %s is taken", what, field.Name)
	}
	if field.Description == "" {
		t.Errorf("%s: %s has no description", what, field.Name)
	}
	if field.Secret && what == "access" {
		t.Errorf("%s: %s is secret, and would stand in a request text", what, field.Name)
	}
	if field.Privilege && (what != "access" || field.Type != setting.Strings) {
		t.Errorf("%s: %s is a privilege, and no set in an access", what, field.Name)
	}
	if field.Required && (field.Default != "" || what == "options") {
		t.Errorf("%s: %s is required, and has a default or is an option", what, field.Name)
	}
	if field.Late && (field.Required || field.Default != "") {
		t.Errorf("%s: %s came late, and is required or has a default", what, field.Name)
	}
	if field.Default == "" || field.Check == nil {
		return
	}
	items := []string{field.Default}
	if field.IsSet() {
		items = strings.Split(field.Default, ",")
	}
	for _, item := range items {
		if err := field.Check(item); err != nil {
			t.Errorf("%s: the default of %s breaks its own check: %v", what, field.Name, err)
		}
	}
}

// checkAccessValues holds where the access is what the kind accepts, with
// every field written out in its canonical way.
func checkAccessValues(t *testing.T, kind connector.Kind, values nhi.Values) {
	t.Helper()
	complete, errs := setting.Complete(kind.Access, values)
	for _, err := range errs {
		t.Errorf("the setup's access: %v", err)
	}
	if len(errs) == 0 && !complete.Equal(values) {
		t.Errorf("the setup's access is %v, and %v when it is written out", values, complete)
	}
	again, errs := setting.Complete(kind.Access, complete)
	if len(errs) > 0 || !again.Equal(complete) {
		t.Errorf("the canonical access %v is not canonical: %v, %v", complete, again, errs)
	}
	if kind.CheckAccess != nil {
		if err := kind.CheckAccess(values); err != nil {
			t.Errorf("the setup's access: %v", err)
		}
	}
	privileges := kind.Privileges(values)
	if len(privileges) == 0 || !slices.IsSorted(privileges) {
		t.Errorf("privileges %q are empty or not sorted", privileges)
	}
	for _, privilege := range privileges {
		if err := nhi.CheckTextUpTo(privilege, connector.MaxLine); err != nil {
			t.Errorf("privilege: %v", err)
		}
	}
}

func checkEndpoint(t *testing.T, s *suite) {
	t.Helper()
	if s.Kind.Endpoint == nil {
		return
	}
	endpoint, err := s.Kind.Endpoint(s.Settings)
	if err != nil {
		t.Fatalf("endpoint: %v", err)
	}
	if err := nhi.CheckText(endpoint); err != nil {
		t.Errorf("endpoint: %v", err)
	}
	if again, err := s.Kind.Endpoint(s.Settings); err != nil || again != endpoint {
		t.Errorf("endpoint is %q, then %q (%v)", endpoint, again, err)
	}
	for name, secret := range s.Settings.Secrets {
		if value := secret.Reveal(); value != "" && strings.Contains(endpoint, value) {
			t.Errorf("endpoint holds the secret %s", name)
		}
	}
}

// hostileValues are texts that no field of an access accepts. Those marked as
// plain may stand in free text.
var hostileValues = []struct {
	name  string
	text  string
	plain bool
}{
	{"single quote", `x'; drop table x; --`, true},
	{"double quote", `x" or "1"="1`, true},
	{"path upwards", "../../etc/passwd", true},
	{"NUL", "x\x00y", false},
	{"line break that forges a line", "x\n  roles (1):\n    - admin", false},
	{"carriage return", "x\ry", false},
	{"line separator", "x\u2028y", false},
	{"bidirectional override", "x\u202exe.y", false},
	{"zero width joiner", "x\u200dy", false},
	{"escape sequence", "x\x1b[2Jy", false},
	{"not UTF-8", "x\xff\xfey", false},
	{"over-long", strings.Repeat("x", 100_000), false},
}

func hostileAccessIsRefused(t *testing.T, s *suite) {
	for _, field := range s.Kind.Access {
		if field.Type == setting.Bool || field.Type == setting.Duration {
			continue
		}
		for _, hostile := range hostileValues {
			if hostile.plain && s.FreeText[field.Name] != "" {
				continue
			}
			value := nhi.Text(hostile.text)
			if field.IsSet() {
				value = nhi.List(hostile.text)
			}
			_, errs := setting.Complete([]setting.Field{field}, nhi.Values{field.Name: value})
			if len(errs) != 1 || !errors.Is(errs[0], nhi.ErrInvalid) {
				t.Errorf("%s accepts %s: %v", field.Name, hostile.name, errs)
			} else if n := len(errs[0].Error()); n > 1000 {
				t.Errorf("%s: the error about %s is %d bytes long", field.Name, hostile.name, n)
			}
		}
	}
}

func hostilePrincipalIsRefused(t *testing.T, s *suite) {
	c := s.open(t)
	prepare, enable, revoke, probe := effects(c)
	s.unchanged(t, "a hostile principal", func() {
		for _, principal := range []string{"", "x'y", `x"y`, "../x", "x\x00", "x\n", "X", "x y", "x\u202e", strings.Repeat("x", 64), "-x", "x-"} {
			account := s.account(t)
			account.Principal = principal
			for name, call := range map[string]method{"prepare": prepare, "enable": enable, "revoke": revoke, "probe": probe} {
				if outcome := call(t, account); !errors.Is(outcome.Err, nhi.ErrInvalid) {
					t.Errorf("%s of %q: %v, want ErrInvalid", name, principal, outcome.Err)
				}
			}
			if _, err := c.Read(t.Context(), []connector.Account{account}); !errors.Is(err, nhi.ErrInvalid) {
				t.Errorf("read of %q: %v, want ErrInvalid", principal, err)
			}
		}
	})
}
