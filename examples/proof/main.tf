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

  requester = { github_actions = true } # who asks
  runner    = { github_actions = true } # where it runs
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
  ttl           = "720h"
  access = {
    bucket = { external = { description = "read the export bucket" } }
  }
}

resource "nhi_grant" "etl" {
  ticket = nhi_approval.etl.ticket
}
