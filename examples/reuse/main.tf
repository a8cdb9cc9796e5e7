# The CI system sets it, such as TF_VAR_run=$GITHUB_RUN_ID.
variable "run" {
  type    = string
  default = null
}

resource "nhi_identity" "deploy" {
  name    = "orders-deploy"
  owner   = "ana@example.com"
  purpose = "Deploys orders from CI"
  kind    = "automation"
  ttl     = "2160h"
}

resource "nhi_approval" "deploy" {
  subject        = nhi_identity.deploy.subject
  justification  = "CHG-1240"
  ttl            = "1h"
  reusable_until = "2030-12-31T00:00:00Z"

  access = {
    db = { system = "orders", postgres = { roles = ["orders_rw"] } }
  }
}

resource "nhi_grant" "deploy" {
  ticket  = nhi_approval.deploy.ticket
  trigger = var.run # each new value: one more hour, and one more line in the record
}
