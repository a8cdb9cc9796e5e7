resource "nhi_identity" "etl" {
  name    = "orders-etl"
  owner   = "ana@example.com"
  purpose = "Nightly export of orders"
  ttl     = "2160h"
}

# The name says that it is an emergency, to the policy and to everybody who reads it.
resource "nhi_approval" "emergency" {
  subject       = nhi_identity.etl.subject
  name          = "emergency"
  justification = "INC-4711: orders are stuck"
  ttl           = "24h"
  access = {
    db = { system = "orders", postgres = { roles = ["orders_ro"] } }
  }
}

resource "nhi_grant" "emergency" {
  ticket = nhi_approval.emergency.ticket
}

output "active" {
  value = nhi_grant.emergency.active
}
