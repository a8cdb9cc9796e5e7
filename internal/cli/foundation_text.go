package cli

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/nhi-terraform/terraform-provider-nhi/internal/nhi"
	"github.com/nhi-terraform/terraform-provider-nhi/internal/policy"
)

// approverGroup is the group of the first policy's approvers.
const approverGroup = "approvers"

// quoted writes a string as HCL.
func quoted(text string) string {
	return string(bytes.TrimSpace(hclwrite.TokensForValue(cty.StringVal(text)).Bytes()))
}

// firstPolicy is the first policy, around the parts that differ.
const firstPolicy = `# Who may approve what. This file counts with its signatures alone
# (policy.hcl.sig): after a change, raise the version and run
#   nhi policy sign --publish
# Whatever is not in here is denied.

# The one ledger that this policy is for.
ledger = %s

# One more with each change. What the ledger has seen is never taken back.
version = 1

# From then on everything is denied: sign a new version before.
expires = %s

# How long an approval may wait to be used.
activate_within = "168h"

# The people who approve: a name, the public SSH keys that sign for it, groups.
# Persons are counted, not keys. Whoever asks for an access never counts for it.
%s
# The systems of each environment, and the one endpoint that each may have.
%s
# The first rule that matches an access decides it. * stands for every name of
# an environment or a system ("external" is an access on no system), ** in a
# scope for any number of segments ("payments/**").
rule "everything" {
  environments = [%s]
  scopes       = ["**"]
  systems      = ["*"]
  max_ttl      = "720h"

  # One more where the requester is not proven. A rule may have several.
  quorum "approvers" { count = %d }

  # Instead of quorums, and only in these words:
  # approval = "no approval needed"
}
`

func keys(person policy.Approver) string {
	written := make([]string, len(person.Keys))
	for i, key := range person.Keys {
		written[i] = quoted(key)
	}
	return strings.Join(written, ", ")
}

// policy writes the first policy.
func (f foundation) policy(now time.Time) []byte {
	var people, systems strings.Builder
	for _, person := range f.approvers {
		fmt.Fprintf(&people, "approver %s {\n  keys   = [%s]\n  groups = [%s]\n}\n", quoted(person.Name), keys(person), quoted(approverGroup))
	}
	for _, person := range f.requesters {
		fmt.Fprintf(&people, "approver %s { # in no group: asks, and proves it\n  keys = [%s]\n}\n", quoted(person.Name), keys(person))
	}
	fmt.Fprintf(&systems, "environment %s {\n", quoted(f.environment))
	for _, system := range f.systems {
		fmt.Fprintf(&systems, "  system %s { %s = %s }\n", quoted(system.Name), system.Kind, quoted(system.Endpoint))
	}
	if len(f.systems) == 0 {
		systems.WriteString("  # system \"orders\" { postgres = \"db.internal:5432/orders\" }\n")
		systems.WriteString("  # system \"bastion\" { ssh = \"SHA256:…\" }   # ssh-keygen -lf ca.pub\n")
	}
	systems.WriteString("}\n")
	return fmt.Appendf(nil, firstPolicy, quoted(f.ledgerID), quoted(nhi.FormatTime(now.AddDate(1, 0, 0))),
		people.String(), systems.String(), quoted(f.environment), f.quorum())
}

// configuration writes nhi.hcl.
func (f foundation) configuration() []byte {
	scope := "# scope       = \"payments/etl\"\n"
	if f.scope != "" {
		scope = "scope       = " + quoted(f.scope) + "\n"
	}
	return []byte(`# Where nhi finds things: the same settings as the provider block's, with paths
# relative to this file.
environment = ` + quoted(f.environment) + "\n" + scope + `ledger      = ` + f.ledgerSetting() + `
policy_file = ` + quoted(filepath.ToSlash(policyName)) + `

# A folder of decision files, for approvals by pull request.
# decisions_dir = "approvals"

# The key that proves who asks, and that approve and deny sign with.
# requester = { ssh_key_file = "~/.ssh/id_ed25519" }

# Where the systems are, for revoke, sweep, orphans and verify --targets. A
# secret comes from the environment.
# systems = {
#   orders  = { postgres = { url = env("ORDERS_URL") } }
#   bastion = { ssh = { ca_key_file = "ca", krl_file = "revoked.krl" } }
# }
`)
}

// ledgerSetting is what stands behind "ledger =" in nhi.hcl: what the flag says,
// so that env("NAME") stays what it is.
func (f foundation) ledgerSetting() string {
	if f.ledgerText != "" {
		return strings.TrimSpace(f.ledgerText)
	}
	return `{ local = { path = ` + quoted(ledgerName) + ` } }`
}
