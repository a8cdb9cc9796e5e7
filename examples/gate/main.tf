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
}

resource "nhi_identity" "export" {
  name    = "bucket-export"
  owner   = "ana@example.com"
  purpose = "Copies the nightly export to the archive"
  ttl     = "2160h"
}

resource "nhi_approval" "export" {
  subject       = nhi_identity.export.subject
  justification = "CHG-1235"
  ttl           = "720h"

  access = {
    bucket = { external = { description = "read the export bucket" } }
  }
}

resource "nhi_grant" "export" {
  ticket = nhi_approval.export.ticket
}

# Any resource of any provider stands in for this one, such as an
# aws_iam_role_policy_attachment. `active` is known in every plan, so that
# approval brings it and expiry takes it away.
resource "terraform_data" "attachment" {
  count = nhi_grant.export.active ? 1 : 0
  input = "bucket-export may read the export bucket"
}
