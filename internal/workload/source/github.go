package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/workload"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/workload/discovery"
)

// The variables by which a runner of GitHub Actions, or one that does as it
// does, tells a job where to ask for tokens ("About security hardening with
// OpenID Connect"). A job has them only with the permission id-token: write.
const (
	requestURL   = "ACTIONS_ID_TOKEN_REQUEST_URL"
	requestToken = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
)

// gitHub asks for a token. Who issues it shows only in the answer, so it asks
// once for any audience, and once more for one that the issuer is believed for.
func gitHub(ctx context.Context, audiences func(issuer string) []string) (nhi.Secret, error) {
	at, bearer := os.Getenv(requestURL), nhi.NewSecret(os.Getenv(requestToken))
	if at == "" || bearer.IsZero() {
		return nhi.Secret{}, fmt.Errorf("%w: %s and %s are not set, so this is no job of GitHub Actions with the permission id-token: write", ErrNone, requestURL, requestToken)
	}
	first, err := askGitHub(ctx, at, bearer, "")
	if err != nil {
		return nhi.Secret{}, err
	}
	issuer, err := workload.IssuerOf(first)
	if err != nil {
		return nhi.Secret{}, err
	}
	wanted := audiences(issuer)
	if len(wanted) == 0 {
		return first, nil // whoever verifies it says that the issuer is not believed
	}
	return askGitHub(ctx, at, bearer, wanted[0])
}

func askGitHub(ctx context.Context, at string, bearer nhi.Secret, audience string) (nhi.Secret, error) {
	u, err := url.Parse(at)
	if err != nil {
		return nhi.Secret{}, fmt.Errorf("%s is no URL: %w", requestURL, nhi.ErrInvalid)
	}
	query := u.Query()
	if audience != "" {
		query.Set("audience", audience)
	}
	u.RawQuery = ""
	if _, err := workload.ParseURL(u.String()); err != nil {
		return nhi.Secret{}, fmt.Errorf("%s: %w", requestURL, err)
	}
	u.RawQuery = query.Encode()
	body, err := discovery.Get(ctx, u.String(), bearer)
	if err != nil {
		return nhi.Secret{}, fmt.Errorf("the token of GitHub Actions: %w", err)
	}
	var answer struct {
		Value string `json:"value"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Value == "" {
		return nhi.Secret{}, fmt.Errorf("the token of GitHub Actions: %w: %w", errors.New("the answer holds none"), nhi.ErrUnreachable)
	}
	return nhi.NewSecret(answer.Value), nil
}
