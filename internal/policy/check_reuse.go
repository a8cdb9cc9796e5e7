package policy

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
)

// reuse finds identities that serve more than one workload: their approvals have
// names that the policy does not want.
func (i *inspection) reuse() {
	name := i.request.Approval.Name()
	if len(i.Approvals) > 0 && !slices.Contains(i.Approvals, name) {
		i.find("", FieldName, "approval %q of %s is none of %s: another workload needs an identity of its own",
			name, i.request.Identity(), strings.Join(i.Approvals, ", "))
	}
}

// Reuse remembers, for the length of one run, which identity authenticates with
// what. It knows nothing of other runs. The zero Reuse is ready to use, by many
// at once.
type Reuse struct {
	mu    sync.Mutex
	users map[string]user
}

// user is who authenticates with something, and whether that is new or changed in
// this run.
type user struct {
	identity nhi.IdentityID
	fresh    bool
}

// Find returns a finding for each key and account that another identity of this
// run uses, and remembers those of the request. Fresh says whether the request is
// new or changed; one says whether it is, or the other is: a run looks at them in
// any order.
func (r *Reuse) Find(request nhi.Request, fresh bool) (found []Finding, one bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.users == nil {
		r.users = map[string]user{}
	}
	i := &inspection{RiskCheck: RiskCheck{Risk: nhi.RiskReuse}}
	for _, key := range request.Access.Keys() {
		for setting, what := range credentials(request.Access[key]) {
			switch other, used := r.users[what]; {
			case !used, other.identity == request.Identity():
				r.users[what] = user{request.Identity(), fresh || other.fresh}
			default:
				one = one || fresh || other.fresh
				i.find(key, setting, "%s is used by %s too: whoever has the one has the other", what, other.identity)
			}
		}
	}
	return i.found, one
}

// credentials are what an access authenticates with that could be another's
// too, in words, by setting.
func credentials(access nhi.Access) map[string]string {
	what := map[string]string{}
	if key := publicKey(access); key != nil {
		what[settingPublicKey] = "the key " + ssh.FingerprintSHA256(key)
	}
	if account := access.Settings.Text(settingAdopt); account != "" {
		what[settingAdopt] = fmt.Sprintf("the account %s on %s", account, access.Endpoint)
	}
	return what
}
