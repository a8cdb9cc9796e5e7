package source

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/vaulthttp"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/workload"
)

// lookTimeout is how long Vault may take to answer.
const lookTimeout = 20 * time.Second

// Vault is a HashiCorp Vault, and the token that a run has there.
type Vault struct {
	Address   string
	Namespace string
	CAFile    string
	Token     Source // a variable or a file
}

// Name is the Vault as policies name it as an issuer: its address with the
// port, and the namespace where there is one. Errors are nhi.ErrInvalid.
func (v Vault) Name() (string, error) {
	at, err := v.at()
	if err != nil {
		return "", err
	}
	if at.Namespace() != "" {
		return at.URL() + "/" + at.Namespace(), nil
	}
	return at.URL(), nil
}

func (v Vault) check() error {
	if _, err := v.Name(); err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	if v.Token.GitHub || v.Token.Vault != nil || (v.Token.Env == "") == (v.Token.File == "") {
		return fmt.Errorf("vault must name exactly one of token_env and token_file: %w", nhi.ErrInvalid)
	}
	return v.Token.Check()
}

func (v Vault) at() (vaulthttp.Address, error) {
	at, err := vaulthttp.ParseAddress(v.Address)
	if err != nil {
		return at, err
	}
	return at.In(v.Namespace)
}

// madeByToken starts the path of tokens that another token has made, with a
// name and metadata of its choice.
const madeByToken = "auth/token/" //nolint:gosec // a path

// maxMeta is the most metadata of a token that is looked at.
const maxMeta = 100

// LookUp asks Vault about the run's own token, and returns what it says as the
// claims entity_id, path, display_name and meta.NAME. The last two are left
// out where whoever made the token may have chosen them.
func (v Vault) LookUp(ctx context.Context) (workload.Token, error) {
	name, err := v.Name()
	if err != nil {
		return workload.Token{}, err
	}
	secret, err := v.Token.Token(ctx, nil)
	if err != nil {
		return workload.Token{}, err
	}
	if err := vaulthttp.CheckToken(secret.Reveal()); err != nil {
		return workload.Token{}, fmt.Errorf("the token for %s %w", name, err)
	}
	at, err := v.at()
	if err != nil {
		return workload.Token{}, err
	}
	client, err := vaulthttp.New(at, secret, v.CAFile)
	if err != nil {
		return workload.Token{}, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	var said struct {
		ID          string            `json:"id"`
		EntityID    string            `json:"entity_id"`
		Path        string            `json:"path"`
		DisplayName string            `json:"display_name"`
		Meta        map[string]string `json:"meta"`
	}
	if err := client.Read(ctx, "auth/token/lookup-self", &said); err != nil {
		return workload.Token{}, fmt.Errorf("%s: %w", name, err)
	}
	if !nhi.NewSecret(said.ID).Equal(secret) {
		return workload.Token{}, fmt.Errorf("%s answered about another token: %w", name, nhi.ErrUnreachable)
	}
	return workload.Token{Issuer: name, Subject: said.EntityID, Claims: claims(said.EntityID, said.Path, said.DisplayName, said.Meta)}, nil
}

func claims(entity, path, display string, meta map[string]string) map[string]string {
	all := map[string]string{"entity_id": entity, "path": path}
	if !strings.HasPrefix(path, madeByToken) && len(meta) <= maxMeta {
		all["display_name"] = display
		for name, value := range meta {
			all["meta."+name] = value
		}
	}
	for name, value := range all {
		if value == "" || nhi.CheckText(name) != nil || nhi.CheckText(value) != nil {
			delete(all, name)
		}
	}
	return all
}
