terraform {
  required_providers {
    nhi = {
      source = "nhi-terraform/nhi"
    }
  }
}

variable "orders_password" {
  type      = string
  ephemeral = true
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
        url = "postgres://nhi_admin:${var.orders_password}@db.internal:5432/orders" # verify-full
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
  ttl           = "168h"

  access = {
    db = { system = "orders", postgres = { roles = ["orders_ro"] } }
  }
}
