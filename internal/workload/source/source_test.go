package source_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/testserver"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/workload"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/workload/source"
)

func TestPlaces(t *testing.T) {
	vault := &source.Vault{Address: "https://vault.internal:8200", Token: source.Source{Env: "VAULT_TOKEN"}}
	for name, c := range map[string]struct {
		from source.Source
		good bool
	}{
		"nothing":              {source.Source{}, false},
		"a variable":           {source.Source{Env: "CI_TOKEN"}, true},
		"a bad variable":       {source.Source{Env: "CI=TOKEN"}, false},
		"a digit":              {source.Source{Env: "1A"}, false},
		"a file":               {source.Source{File: "token"}, true},
		"two":                  {source.Source{File: "token", Env: "A"}, false},
		"GitHub":               {source.Source{GitHub: true}, true},
		"a Vault":              {source.Source{Vault: vault}, true},
		"a Vault and a file":   {source.Source{Vault: vault, File: "token"}, false},
		"a Vault nowhere":      {source.Source{Vault: &source.Vault{Token: source.Source{Env: "A"}}}, false},
		"a Vault in clear":     {source.Source{Vault: &source.Vault{Address: "http://vault.internal:8200", Token: source.Source{Env: "A"}}}, false},
		"a Vault without":      {source.Source{Vault: &source.Vault{Address: "https://vault.internal:8200"}}, false},
		"a Vault of GitHub's":  {source.Source{Vault: &source.Vault{Address: "https://vault.internal:8200", Token: source.Source{GitHub: true}}}, false},
		"not known by anybody": {source.Source{Unknown: true}, true},
	} {
		if err := c.from.Check(); (err == nil) != c.good || err != nil && !errors.Is(err, nhi.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Variables and files are read when they are asked for, and bounded.
func TestTokensOfTheRun(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	none := func(from source.Source, want error) {
		t.Helper()
		if _, err := from.Token(t.Context(), nil); !errors.Is(err, want) {
			t.Errorf("%s: %v", from, err)
		}
	}
	for _, from := range []source.Source{{}, {Env: "NHI_TEST_SOURCE"}, {File: file}, {File: filepath.Dir(file)}, {Unknown: true, Env: "PATH"}} {
		none(from, source.ErrNone)
	}
	t.Setenv("NHI_TEST_SOURCE", " \n")
	none(source.Source{Env: "NHI_TEST_SOURCE"}, source.ErrNone)
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(strings.Repeat("a", 64<<10))
	none(source.Source{File: file}, workload.ErrMalformed)
	t.Setenv("NHI_TEST_SOURCE", "one\n")
	write("one\n")
	for _, from := range []source.Source{{Env: "NHI_TEST_SOURCE"}, {File: file}} {
		if token, err := from.Token(t.Context(), nil); err != nil || token.Reveal() != "one" {
			t.Errorf("%s: %v", from, err)
		}
	}
}

// A job asks for the audience that the policy believes, and shows its secret to
// nobody else.
func TestGitHubActions(t *testing.T) {
	issuer := testserver.Issuer(t)
	from := source.Source{GitHub: true}
	audiences := func(url string) []string {
		if url == issuer.URL() {
			return []string{"nhi", "other"}
		}
		return nil
	}
	t.Setenv("ACTIONS_ID_TOKEN_REQUEST_URL", "")
	if _, err := from.Token(t.Context(), audiences); !errors.Is(err, source.ErrNone) {
		t.Errorf("no job: %v", err)
	}
	for _, variable := range issuer.Exchange(map[string]any{"repository": "acme/payments"}) {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	token, err := from.Token(t.Context(), audiences)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := workload.ParseKeys(issuer.JWKS())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (workload.Issuer{URL: issuer.URL(), Audiences: []string{"nhi"}}).Verify(keys, token, time.Now()); err != nil {
		t.Error(err)
	}
	secret := os.Getenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
	for name, c := range map[string]struct {
		url, bearer string
		want        error
	}{
		"in clear":       {"http://example.com/", secret, nhi.ErrInvalid},
		"no URL":         {":", secret, nhi.ErrInvalid},
		"another secret": {issuer.URL() + "/exchange?api-version=2.0", "x", nhi.ErrUnreachable},
		"no token there": {issuer.URL() + "/keys", secret, nhi.ErrUnreachable},
	} {
		t.Setenv("ACTIONS_ID_TOKEN_REQUEST_URL", c.url)
		t.Setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", c.bearer)
		if _, err := from.Token(t.Context(), audiences); !errors.Is(err, c.want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What Vault says of a token is what it can be held to: not what whoever made
// the token wrote on it.
func TestVaultSaysWhoseTokenItIs(t *testing.T) {
	server := testserver.Vault(t)
	token, entity := server.Login("etl-runner")
	look := func(token string) (workload.Token, error) {
		t.Setenv("NHI_TEST_SOURCE", token)
		return source.Vault{Address: server.Address(), Token: source.Source{Env: "NHI_TEST_SOURCE"}}.LookUp(t.Context())
	}
	said, err := look(token)
	if err != nil {
		t.Fatal(err)
	}
	if said.Issuer != server.Address() || said.Claims["entity_id"] != entity || !strings.HasSuffix(said.Claims["path"], "/login/etl-runner") || said.Claims["meta.username"] != "etl-runner" {
		t.Errorf("%+v", said)
	}
	made, err := server.Client("").Auth().Token().Create(&api.TokenCreateRequest{Metadata: map[string]string{"username": "etl-runner"}, DisplayName: "etl-runner"})
	if err != nil {
		t.Fatal(err)
	}
	said, err = look(made.Auth.ClientToken)
	if err != nil || len(said.Claims) != 1 || said.Claims["path"] != "auth/token/create" {
		t.Errorf("a token that another one has made: %+v, %v", said.Claims, err)
	}
	for _, token := range []string{"hvs.unknown", "not a token"} {
		if said, err := look(token); err == nil || len(said.Claims) > 0 || strings.Contains(err.Error(), token) {
			t.Errorf("%+v, %v", said, err)
		}
	}
	server.Cut()
	if _, err := look(token); !errors.Is(err, nhi.ErrUnreachable) {
		t.Errorf("it is away: %v", err)
	}
}
