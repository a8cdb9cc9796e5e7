terraform {
  required_version = ">= 1.11"
  required_providers {
    nhi = {
      source = "nhi-terraform/nhi"
    }
  }
}

variable "ledger_url" {
  type      = string
  ephemeral = true # the run of a pull request gets a login that only reads
}

variable "orders_url" {
  type      = string
  ephemeral = true # the run of a pull request gets one without a password
}

provider "nhi" {
  environment   = "production"
  scope         = "payments/etl"
  ledger        = { postgres = { url = var.ledger_url } }
  policy_file   = "policy.hcl"
  decisions_dir = "approvals" # what people signed, one file for each decision
  systems = {
    orders = { postgres = { url = var.orders_url } }
  }
}

resource "nhi_identity" "etl" {
  name    = "orders-etl"
  owner   = "rae@example.com"
  purpose = "Nightly export of orders"
  ttl     = "2160h"
}

resource "nhi_approval" "etl" {
  subject       = nhi_identity.etl.subject
  justification = "CHG-1234"
  ttl           = "720h"
  access = {
    db = { system = "orders", postgres = { roles = ["orders_ro"] } }
  }
}

resource "nhi_grant" "etl" {
  ticket = nhi_approval.etl.ticket
}

output "active" {
  value = nhi_grant.etl.active
}
