package policy

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// maxAccountHosts bounds on how many services one person has accounts.
const maxAccountHosts = 20

// Account is an account of a person on a service: app.terraform.io, and
// user-V3R563qtJNcExAkN. Its id is what that service never gives to anybody
// else; a name can change hands.
type Account struct {
	Host string
	ID   string
}

// alike says whether two accounts may be the same. Letters of either case are
// the same here: it is for what must not be the same.
func (a Account) alike(other Account) bool {
	return strings.EqualFold(a.Host, other.Host) && strings.EqualFold(a.ID, other.ID)
}

// Holder returns the approver whose account it is, to the letter.
func (d *Document) Holder(account Account) (Approver, bool) {
	return d.holding(func(held Account) bool { return held == account })
}

// mayHold returns the approver whose account it may be.
func (d *Document) mayHold(account Account) (Approver, bool) {
	return d.holding(account.alike)
}

func (d *Document) holding(is func(Account) bool) (Approver, bool) {
	for _, approver := range d.Approvers {
		if slices.ContainsFunc(approver.Accounts, is) {
			return approver, true
		}
	}
	return Approver{}, false
}

// on says whether the person has an account on one of these hosts.
func (a Approver) on(hosts []string) bool {
	return slices.ContainsFunc(a.Accounts, func(account Account) bool { return slices.Contains(hosts, account.Host) })
}

// accounts reads the accounts of one person; owners are the persons of all
// accounts so far. No account is two persons', in capitals or not.
func (r *reader) accounts(body *hclsyntax.Body, person string, owners map[string]string) []Account {
	var accounts []Account
	hosts := map[string]bool{}
	for _, block := range r.blocks(body, "account", maxAccountHosts) {
		host, at := block.Labels[0], block.TypeRange
		r.check(at, "account", checkHost(host))
		r.once(hosts, at, "account", host)
		r.shape(block.Body, []string{"ids"}, nil)
		ids, at := r.list(block.Body, "ids", true)
		for _, id := range ids {
			r.check(at, "ids", nhi.CheckText(id))
			folded := host + "\n" + strings.ToLower(id)
			if owner, taken := owners[folded]; taken {
				r.fail(at, "account %.60q of %q on %s is also an account of %q", id, person, host, owner)
			}
			owners[folded] = person
			accounts = append(accounts, Account{Host: host, ID: id})
		}
	}
	return accounts
}

// checkHost holds for the name of a host, with a port or without, written in
// the one way that is compared: small letters, nothing else.
func checkHost(host string) error {
	if err := nhi.CheckText(host); err != nil {
		return err
	}
	if strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789.-:") != "" {
		return errHost
	}
	return nil
}
