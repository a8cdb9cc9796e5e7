# One workload: a machine identity, what it asks for, and the access itself.
terraform {
  required_providers {
    nhi = {
      source = "nhi-terraform/nhi"
    }
  }
}

resource "nhi_identity" "this" {
  name    = var.name
  owner   = var.owner
  purpose = var.purpose
  kind    = var.kind
  ttl     = var.lifetime
}

resource "nhi_approval" "this" {
  subject       = nhi_identity.this.subject
  justification = var.justification
  ttl           = var.ttl
  renewal       = var.renewal
  renew_before  = var.renew_before
  access        = var.access
}

resource "nhi_grant" "this" {
  ticket = nhi_approval.this.ticket
}
