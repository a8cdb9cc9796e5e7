package policy

import (
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// The kinds and settings of access that checks know by name.
const (
	kindSSH      = "ssh"
	kindPostgres = "postgres"

	settingPrincipals = "principals"
	settingPublicKey  = "public_key"
	settingCommand    = "force_command"
	settingExtensions = "extensions"
	settingRoles      = "roles"
	settingPolicies   = "policies"
	settingAdopt      = "adopt"
	settingTokenTTL   = "token_ttl"

	extensionTerminal = "permit-pty"
)

// powerful are privileges that are too much for any one workload.
var powerful = []struct{ kind, setting, name, why string }{
	{kindSSH, settingPrincipals, "root", "it may do everything on the host"},
	{kindPostgres, settingRoles, "pg_write_all_data", "it may change every table of the cluster"},
}

// privileges are the settings that hold them.
var privileges = []string{settingPrincipals, settingRoles, settingPolicies}

// each looks at every item of some settings of every access.
func (i *inspection) each(settings []string, look func(key, setting, item string)) {
	for _, key := range i.request.Access.Keys() {
		values := i.request.Access[key].Settings
		for _, setting := range settings {
			if value, set := values[setting]; set {
				for _, item := range itemsOf(value) {
					look(key, setting, item)
				}
			}
		}
	}
}

// publicKey is the public key of an access; nil where it has none.
func publicKey(access nhi.Access) ssh.PublicKey {
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(access.Settings.Text(settingPublicKey)))
	if err != nil {
		return nil
	}
	return key
}

// authentication finds public keys of types that the policy does not want.
func (i *inspection) authentication() {
	if len(i.KeyTypes) == 0 {
		return
	}
	for _, key := range i.request.Access.Keys() {
		if public := publicKey(i.request.Access[key]); public != nil && !slices.Contains(i.KeyTypes, public.Type()) {
			i.find(key, settingPublicKey, "a key of type %s is none of %s", public.Type(), strings.Join(i.KeyTypes, ", "))
		}
	}
}

// overprivileged finds privileges that are too much: for anybody, and by the
// patterns of the policy.
func (i *inspection) overprivileged() {
	i.each(privileges, func(key, setting, item string) {
		for _, one := range powerful {
			if one.kind == i.request.Access[key].Kind && one.setting == setting && one.name == item {
				i.find(key, setting, "%q is more than a workload needs: %s", item, one.why)
				return
			}
		}
		for _, pattern := range i.Privileges {
			if glob(pattern, item) {
				i.find(key, setting, "%q is more than the policy lets a workload have (%s)", item, pattern)
				return
			}
		}
	})
}

// humanUse finds the accounts and keys of people, and access that only a person
// has a use for.
func (i *inspection) humanUse() {
	i.each([]string{settingPrincipals, settingRoles, settingAdopt}, func(key, setting, item string) {
		if person, is := i.document.login(item); is {
			i.find(key, setting, "%q is the login of %s, a person", item, person)
		}
	})
	for _, key := range i.request.Access.Keys() {
		access := i.request.Access[key]
		if person, is := i.document.Person(publicKey(access)); is {
			i.find(key, settingPublicKey, "this is a key of %s, a person", person.Name)
		}
		if i.NoTerminal && access.Kind == kindSSH {
			i.terminal(key, access)
		}
	}
}

// terminal finds SSH access that lets somebody type.
func (i *inspection) terminal(key string, access nhi.Access) {
	switch {
	case access.Settings.Text(settingCommand) == "":
		i.find(key, settingCommand, "without a force_command, somebody can work with it by hand")
	case slices.Contains(access.Settings.Items(settingExtensions), extensionTerminal):
		i.find(key, settingExtensions, "%s gives a terminal, and a workload has no use for one", extensionTerminal)
	}
}

// login says whose login a name is: a person's name, or what stands before its @.
func (d *Document) login(name string) (string, bool) {
	for _, approver := range d.Approvers {
		local, _, _ := strings.Cut(approver.Name, "@")
		if strings.EqualFold(name, approver.Name) || strings.EqualFold(name, local) {
			return approver.Name, true
		}
	}
	return "", false
}
