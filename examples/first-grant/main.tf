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
  requester   = { ssh_key_file = "keys/rae" }

  systems = {
    bastion = {
      ssh = {
        ca_key_file = "keys/ca"
        krl_file    = "revoked.krl"
        confirm     = "krl" # no host to probe in this walk
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

resource "nhi_approval" "etl" {
  subject       = nhi_identity.etl.subject
  justification = "CHG-1234"
  ttl           = "1h"

  access = {
    box = {
      system = "bastion"
      ssh = {
        principals = ["deploy"]
        public_key = file("keys/etl.pub")
      }
    }
  }
}

resource "nhi_grant" "etl" {
  ticket = nhi_approval.etl.ticket
}

output "active" {
  value = nhi_grant.etl.active
}
