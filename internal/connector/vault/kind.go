// Package vault is the connector for HashiCorp Vault 1.15 and later.
//
// A grant's account is an identity entity and an AppRole of the same name,
// which an alias ties together; the approved policies are on the AppRole. Its
// mark is in the entity's metadata, and its immutable id is the entity's. The
// AppRole is ours where its role id is the one that follows from the mark. A
// secret id that was issued carries the mark's nonce in its metadata, and so
// does each token that a login with it makes.
//
// Vault has no transactions. An entity is changed by its id alone, and is made
// under a name that holds the nonce before it gets its own, so there Vault
// itself refuses what is not ours. An AppRole is written by name: it is looked
// at just before (Kind.Unfenced).
package vault

import (
	"context"
	"time"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/connector"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/setting"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/vaulthttp"
)

// The names of settings, of the access, of options and of a credential's values.
const (
	settingURL       = "url"
	settingToken     = "token"
	settingNamespace = "namespace"
	settingMount     = "approle_mount"
	settingCACert    = "ca_cert_file"

	accessPolicies = "policies"
	accessTokenTTL = "token_ttl"

	optionForm    = "form"
	optionWrapTTL = "wrap_ttl"

	fieldURL       = "url"
	fieldNamespace = "namespace"
	fieldMount     = "approle_mount"
	fieldRoleID    = "role_id"
	fieldSecretID  = "secret_id"
	fieldWrapping  = "wrapping_token"
	fieldToken     = "token"
	fieldAccessor  = "accessor"
)

// The forms of a credential.
const (
	formSecretID = "secret_id"
	formToken    = "token"
)

// Kind describes Vault as a target system.
func Kind() connector.Kind {
	return connector.Kind{
		Name:        "vault",
		Description: "HashiCorp Vault: an AppRole with the approved policies, tied to an identity entity that is disabled first when the access ends.",
		Settings:    settingFields(),
		Access:      accessFields(),
		Options:     optionFields(),
		Credential:  credentialFields(),
		CheckSettings: func(settings setting.Settings) error {
			_, err := parseAddress(settings)
			return err
		},
		CheckAccess: checkAccess,
		Endpoint: func(settings setting.Settings) (string, error) {
			at, err := parseAddress(settings)
			return at.endpoint(), err
		},
		Privileges: privileges,
		Adopts:     adoption,
		Open: func(_ context.Context, settings setting.Settings) (connector.Connector, error) {
			return open(settings, time.Now)
		},
		// Secret ids end with the term by themselves, but a token that was got
		// from one just before lives on for its token_ttl.
		EnforcedBy: connector.EnforcedByApply,
		Unfenced:   true,
	}
}

func settingFields() []setting.Field {
	return []setting.Field{
		{
			Name: settingURL, Type: setting.String, Required: true, Check: vaulthttp.CheckURL,
			Description: "https://HOST:PORT of the active node, or of what leads to it; the port is 443 where none is given. Plain http " +
				"is for loopback addresses alone. Redirects are not followed. VAULT_* environment variables, proxies and token files are not read.",
		},
		{
			Name: settingToken, Type: setting.String, Required: true, Secret: true, Check: vaulthttp.CheckToken,
			Description: "A token that may manage entities, this AppRole mount and tokens: the guide has its policy.",
		},
		{Name: settingNamespace, Type: setting.String, Check: vaulthttp.CheckNamespace, Description: "The namespace, in Vault Enterprise."},
		{
			Name: settingMount, Type: setting.String, Default: "approle", Check: vaulthttp.CheckMount,
			Description: "Where the AppRole auth method is mounted, below auth/.",
		},
		{
			Name: settingCACert, Type: setting.String, Check: nhi.CheckText,
			Description: "A PEM file of the authorities that sign the server's certificate. Without it, the system's own.",
		},
	}
}

func accessFields() []setting.Field {
	return []setting.Field{
		{
			Name: accessPolicies, Type: setting.Strings, Required: true, Privilege: true, Check: checkPolicy, Canonical: canonicalPolicy,
			Description: "The existing ACL policies that tokens get, and no others: default only where it is named. Their text is " +
				"remembered at activation, and the plan warns when it changes. root is refused.",
		},
		{
			Name: accessTokenTTL, Type: setting.Duration, Default: "1h", Check: checkTokenTTL, Canonical: canonicalTTL,
			Description: "How long a token lives at most, renewals included: up to 24h. One that was got just before the term ends lives on for that long, unless an apply revokes it.",
		},
		{
			Name: accessAdopt, Type: setting.String, Late: true, Check: checkRoleName, Canonical: canonicalRoleName,
			Description: "The name of an existing AppRole to take over. Its role id and its secret ids stay as they are; what else it gives and is not approved is taken away at activation.",
		},
		{
			Name: accessOnRevoke, Type: setting.String, Late: true, Check: checkOnRevoke,
			Description: "What becomes of an AppRole that was taken over when the access ends: \"disable\" shuts it and keeps it, \"delete\" removes it. Required with adopt.",
		},
	}
}

func optionFields() []setting.Field {
	return []setting.Field{
		{
			Name: optionForm, Type: setting.String, Default: formSecretID, Check: checkForm,
			Description: "\"secret_id\" (the default) for a machine that logs in by itself, or \"token\" for a token that was logged in already.",
		},
		{
			Name: optionWrapTTL, Type: setting.Duration, Check: checkWrapTTL, Canonical: canonicalTTL,
			Description: "Wraps the secret id in a token that can be unwrapped once, within this time: wrapping_token is set, and secret_id is empty.",
		},
	}
}

func credentialFields() []setting.Field {
	return []setting.Field{
		{Name: fieldURL, Type: setting.String, Description: "Where Vault is."},
		{Name: fieldNamespace, Type: setting.String, Description: "The namespace; empty where there is none."},
		{Name: fieldMount, Type: setting.String, Description: "Where the AppRole auth method is mounted, below auth/."},
		{Name: fieldRoleID, Type: setting.String, Description: "The role id to log in with."},
		{Name: fieldSecretID, Type: setting.String, Secret: true, Description: "The secret id to log in with; empty for a token, and where it is wrapped."},
		{Name: fieldWrapping, Type: setting.String, Secret: true, Description: "The token that unwraps the secret id, once."},
		{Name: fieldToken, Type: setting.String, Secret: true, Description: "The token; empty for a secret id."},
		{Name: fieldAccessor, Type: setting.String, Description: "The accessor of the secret id, or of the token."},
	}
}
