package main

import (
	"fmt"
	"strings"
	"time"
)

// configuration is the Terraform that Rae writes. The job's access is for a
// short term, so that its end can be watched; the other one is for an hour, so
// that it can be seen to be taken away before its end.
func configuration(server string, term time.Duration) string {
	return fmt.Sprintf(head, server) +
		access("etl", "default", "CHG-1234: the nightly export", term.String(), users["etl"]) +
		access("repair", "repair", "CHG-1235: repair what it broke", "1h", users["repair"])
}

const head = `terraform {
  required_providers {
    nhi = { source = "nhi-terraform/nhi" }
  }
}

provider "nhi" {
  environment = "production"
  scope       = "payments/etl"
  ledger      = { local = { path = ".nhi" } }
  policy_file = "policy.hcl"
  requester   = { ssh_key_file = "keys/rae" }
  systems = {
    bastion = {
      ssh = {
        ca_key_file      = "keys/ca"
        krl_file         = "revoked.krl"
        probe            = [%q]
        known_hosts_file = "known_hosts"
      }
    }
  }
}

resource "nhi_identity" "etl" {
  name    = "orders-etl"
  owner   = "ana@example.com"
  purpose = "Nightly export of orders"
  ttl     = "2160h"
}
`

// access is one access: the request, the grant, and a user who keeps the
// certificate beside the key, where ssh looks for it.
func access(label, name, why, ttl, user string) string {
	return fmt.Sprintf(`
resource "nhi_approval" %[1]q {
  subject       = nhi_identity.etl.subject
  name          = %[2]q
  justification = %[3]q
  ttl           = %[4]q
  access = {
    box = {
      system = "bastion"
      ssh    = { principals = [%[5]q], extensions = [], public_key = file("keys/%[1]s.pub") }
    }
  }
}

resource "nhi_grant" %[1]q {
  ticket = nhi_approval.%[1]s.ticket
}

ephemeral "nhi_credential" %[1]q {
  lease  = nhi_grant.%[1]s.lease
  target = "box"
}

resource "terraform_data" %[1]q {
  count            = nhi_grant.%[1]s.active ? 1 : 0
  triggers_replace = nhi_grant.%[1]s.lease

  provisioner "local-exec" {
    quiet       = true
    command     = "printf '%%s\\n' \"$CERTIFICATE\" > keys/%[1]s-cert.pub"
    environment = { CERTIFICATE = ephemeral.nhi_credential.%[1]s.ssh.certificate }
  }
}
`, label, name, why, ttl, user)
}

// resources returns the blocks of a configuration with these labels.
func resources(text string, labels ...string) []string {
	var found []string
	for _, label := range labels {
		begin := strings.Index(text, "resource "+label)
		block, _, _ := strings.Cut(text[begin:], "\n}\n")
		found = append(found, strings.Split(block+"\n}", "\n")...)
	}
	return found
}
