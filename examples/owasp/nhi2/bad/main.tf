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
    orders = {
      postgres = {
        url = "postgres://nhi_admin:not-a-secret@db.internal:5432/orders" # for whoever reads the repository
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
  justification = "See https://robot:hunter2@ci.internal/job/7"
  ttl           = "168h"

  access = {
    db = { system = "orders", postgres = { roles = ["orders_ro"] } }
  }
}
