terraform {
  required_providers {
    nhi = {
      source = "nhi-terraform/nhi"
    }
  }
}

provider "nhi" {
  environment = "production"
  scope       = "payments/etl"
  ledger      = { local = { path = ".nhi" } }
  policy_file = "policy.hcl"
  requester   = { ssh_key_file = "~/.ssh/id_ed25519" }

  systems = {
    bastion = {
      ssh = {
        ca_key_file      = "ca"
        krl_file         = "revoked.krl"
        probe            = ["bastion.internal:22"]
        known_hosts_file = "known_hosts"
      }
    }
  }
}

resource "nhi_identity" "backup" {
  name    = "backup"
  owner   = "ben@example.com"
  purpose = "Fetches the nightly dump"
  kind    = "automation"
  ttl     = "2160h"
}

resource "nhi_approval" "backup" {
  subject       = nhi_identity.backup.subject
  justification = "CHG-1236"
  ttl           = "168h"

  access = {
    box = {
      system = "bastion"
      ssh = {
        principals       = ["backup"]
        public_key       = file("etl.pub")
        force_command    = "/usr/local/bin/send-dump"
        source_addresses = ["10.0.0.0/8"]
        extensions       = [] # no terminal, no forwarding
      }
    }
  }
}

resource "nhi_grant" "backup" {
  ticket = nhi_approval.backup.ticket
}

ephemeral "nhi_credential" "box" {
  lease  = nhi_grant.backup.lease
  target = "box"
  ttl    = "168h" # never longer than the grant
}

# The certificate goes beside the private key, where ssh looks for it.
resource "terraform_data" "certificate" {
  count            = nhi_grant.backup.active ? 1 : 0
  triggers_replace = nhi_grant.backup.lease

  provisioner "local-exec" {
    command     = "printf '%s\\n' \"$CERTIFICATE\" > etl-cert.pub"
    environment = { CERTIFICATE = ephemeral.nhi_credential.box.ssh.certificate }
  }
}
