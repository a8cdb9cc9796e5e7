package vault

import (
	"fmt"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/vaulthttp"
)

// address is where one system leads: a server, a namespace and a mount.
type address struct {
	vaulthttp.Address
	mount string
}

// endpoint is the URL, the namespace and the mount as one path, what policy
// compares: https://vault.internal:8200/team/auth/approle.
func (a address) endpoint() string {
	if a.mount == "" {
		return ""
	}
	path := "/auth/" + a.mount
	if a.Namespace() != "" {
		path = "/" + a.Namespace() + path
	}
	return a.URL() + path
}

// parseAddress reads the settings strictly, and looks at nothing else. Errors
// are nhi.ErrInvalid.
func parseAddress(settings setting.Settings) (address, error) {
	a := address{mount: settings.Values.Text(settingMount)}
	if a.mount == "" {
		a.mount = "approle"
	}
	if err := vaulthttp.CheckMount(a.mount); err != nil {
		return address{}, fmt.Errorf("%s %w", settingMount, err)
	}
	at, err := vaulthttp.ParseAddress(settings.Values.Text(settingURL))
	if err != nil {
		return address{}, fmt.Errorf("%s %w", settingURL, err)
	}
	if a.Address, err = at.In(settings.Values.Text(settingNamespace)); err != nil {
		return address{}, fmt.Errorf("%s %w", settingNamespace, err)
	}
	return a, nil
}
