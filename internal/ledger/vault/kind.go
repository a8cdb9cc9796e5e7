// Package vault keeps a ledger in a KV version 2 mount of HashiCorp Vault. Each
// entry is one secret of one version, created with check-and-set 0 by a token
// whose policy knows no update and no delete. Time is the server's, in whole
// seconds.
package vault

import (
	"context"
	"fmt"
	"strings"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/ledger"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/vaulthttp"
)

// The names of the settings.
const (
	settingAddress   = "address"
	settingNamespace = "namespace"
	settingMount     = "mount"
	settingPath      = "path"
	settingToken     = "token"
	settingCACert    = "ca_cert_file"
)

const (
	defaultMount = "secret"
	defaultPath  = "nhi"
)

// Kind describes a ledger in Vault.
func Kind() ledger.Kind {
	return ledger.Kind{
		Name:        "vault",
		Description: "A ledger in a KV version 2 mount of HashiCorp Vault.",
		Settings:    settingFields(),
		CheckSettings: func(settings setting.Settings) error {
			_, err := placeOf(settings)
			return err
		},
		Open: func(ctx context.Context, settings setting.Settings, _ ledger.OpenOptions) (ledger.Store, error) {
			return open(ctx, settings)
		},
		Guard: guard,
	}
}

func settingFields() []setting.Field {
	return []setting.Field{
		{
			Name: settingAddress, Type: setting.String, Required: true, Check: vaulthttp.CheckURL,
			Description: "https://HOST:PORT of the active node, or of what leads to it; the port is 443 where none is given. Plain http " +
				"is for loopback addresses alone. Redirects are not followed. VAULT_* environment variables, proxies and token files are not read.",
		},
		{
			Name: settingToken, Type: setting.String, Required: true, Secret: true, Check: vaulthttp.CheckToken,
			Description: "A token that may create and read secrets below the path, and list them: the guide has its policy.",
		},
		{Name: settingNamespace, Type: setting.String, Check: vaulthttp.CheckNamespace, Description: "The namespace, in Vault Enterprise."},
		{
			Name: settingMount, Type: setting.String, Default: defaultMount, Check: vaulthttp.CheckMount,
			Description: "Where the KV version 2 secrets engine is mounted.",
		},
		{
			Name: settingPath, Type: setting.String, Default: defaultPath, Check: vaulthttp.CheckMount,
			Description: "The folder of the ledger in the mount; nothing else belongs below it.",
		},
		{
			Name: settingCACert, Type: setting.String, Check: nhi.CheckText,
			Description: "A PEM file of the authorities that sign the server's certificate. Without it, the system's own.",
		},
	}
}

// place is where a ledger is: a Vault, a mount and a folder in it.
type place struct {
	at          vaulthttp.Address
	mount, path string
}

// placeOf reads the settings strictly, and looks at nothing else. Errors are
// nhi.ErrInvalid.
func placeOf(settings setting.Settings) (place, error) {
	p := place{mount: settings.Values.Text(settingMount), path: settings.Values.Text(settingPath)}
	if p.mount == "" {
		p.mount = defaultMount
	}
	if p.path == "" {
		p.path = defaultPath
	}
	if err := vaulthttp.CheckMount(p.mount); err != nil {
		return place{}, fmt.Errorf("%s %w", settingMount, err)
	}
	if err := vaulthttp.CheckMount(p.path); err != nil {
		return place{}, fmt.Errorf("%s %w", settingPath, err)
	}
	at, err := vaulthttp.ParseAddress(settings.Values.Text(settingAddress))
	if err != nil {
		return place{}, fmt.Errorf("%s %w", settingAddress, err)
	}
	if p.at, err = at.In(settings.Values.Text(settingNamespace)); err != nil {
		return place{}, fmt.Errorf("%s %w", settingNamespace, err)
	}
	return p, nil
}

// data is where the value of a key is.
func (p place) data(key string) string { return p.mount + "/data/" + p.path + "/" + written(key) }

// metadata is where a folder, which ends in a slash, is listed; the empty one is
// that of the ledger.
func (p place) metadata(folder string) string {
	path := p.mount + "/metadata/" + p.path
	if folder == "" {
		return path
	}
	return path + "/" + written(strings.TrimSuffix(folder, "/"))
}

// String is the place for people.
func (p place) String() string {
	path := p.mount + "/" + p.path
	if p.at.Namespace() != "" {
		path = p.at.Namespace() + "/" + path
	}
	return p.at.URL() + "/" + path
}
