// Package hcp hears the yes of whoever confirms a run of HCP Terraform or
// Terraform Enterprise. The run is the one that this process is part of, named by
// its workload identity token; who confirmed it is read from the API with a token
// of the provider's own, because a run's token cannot read runs. Sources:
//
//	https://developer.hashicorp.com/terraform/cloud-docs/workspaces/dynamic-provider-credentials/workload-identity-tokens
//	https://developer.hashicorp.com/terraform/cloud-docs/api-docs/run
//	https://developer.hashicorp.com/terraform/cloud-docs/api-docs/plans#retrieve-the-json-execution-plan
//	https://developer.hashicorp.com/terraform/cloud-docs/api-docs/configuration-versions#show-a-configuration-version-s-commit-information
package hcp

import (
	"fmt"
	"regexp"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/channel"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/transport"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/workload"
)

// Name is the name of the channel's block.
const Name = "hcp_terraform"

// The settings.
const (
	settingHostname = "hostname"
	settingAudience = "audience"
	settingToken    = "token"
	settingCACert   = "ca_cert_file"
)

// tokenVariable holds the API token where the setting is not set.
const tokenVariable = "TFE_TOKEN"

// Kind describes the channel.
func Kind() channel.Kind {
	return channel.Kind{
		Name:        Name,
		Description: "HCP Terraform or Terraform Enterprise: where the policy says so (`run_confirmation`), confirming the run that applies counts as one approval, by the person who confirmed it.",
		Settings: []setting.Field{
			{Name: settingHostname, Default: "app.terraform.io", Check: checkHostname,
				Description: "The host, in small letters, as the policy's `account` blocks write it."},
			{Name: settingAudience, Default: "nhi", Check: workload.CheckAudience,
				Description: "What the workspace's variable `TFC_WORKLOAD_IDENTITY_AUDIENCE` says: whom the run's identity token is for."},
			{Name: settingToken, Secret: true,
				Description: "An API token of a user or a team that has admin access to the workspace: that is what it takes to read the plan of a run. A run's own token cannot read runs. Where it is not set, the environment variable `TFE_TOKEN` is used."},
			{Name: settingCACert, Path: true,
				Description: "A file of certificate authorities, for a Terraform Enterprise whose authority this machine does not trust."},
		},
		Host: func(s setting.Settings) (string, error) { return s.Values[settingHostname].Text(), nil },
		Open: open,
	}
}

// hostname is a host with a port or without, in the one way that is compared.
var hostname = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?(:[0-9]{1,5})?$`)

func checkHostname(text string) error {
	if !hostname.MatchString(text) {
		return fmt.Errorf("%.80q is no host such as app.terraform.io, in small letters: %w", text, nhi.ErrInvalid)
	}
	return nil
}

func open(s setting.Settings, options channel.Options) (channel.Channel, error) {
	trust, err := transport.Trust(s.Values[settingCACert].Text())
	if err != nil {
		return nil, &setting.FieldError{Field: settingCACert, Err: err}
	}
	token := s.Secrets[settingToken]
	if token.Reveal() == "" {
		token = options.Secret(tokenVariable)
	}
	if err := workload.CheckAudience(s.Values[settingAudience].Text()); err != nil {
		return nil, &setting.FieldError{Field: settingAudience, Err: err}
	}
	host := s.Values[settingHostname].Text()
	return newService(host, s.Values[settingAudience].Text(), token, trust, options), nil
}
