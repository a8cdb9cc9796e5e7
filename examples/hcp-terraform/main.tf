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
  ledger      = { local = { path = ".nhi" } } # s3, postgres or vault, unless your agents keep this folder
  policy_file = "policy.hcl"

  requester = { token_env = "TFC_WORKLOAD_IDENTITY_TOKEN" } # who asks: this workspace
  runner    = { token_env = "TFC_WORKLOAD_IDENTITY_TOKEN" } # where it runs
  approvals = { hcp_terraform = { audience = "nhi-acme" } } # whoever confirms the run says yes
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
