resource "nhi_identity" "etl" {
  name    = "orders-etl"
  owner   = "ana@example.com"
  purpose = "Nightly export of orders"
  ttl     = "8760h"
}

resource "nhi_approval" "etl" {
  subject       = nhi_identity.etl.subject
  justification = "CHG-1234"
  ttl           = "720h"
  renew_before  = "168h" # asks for the next term a week before this one ends
  # renewal     = 1      # asks for another term now; raise it each time

  access = {
    db = { system = "orders", postgres = { roles = ["orders_ro"] } }
  }
}

resource "nhi_grant" "etl" {
  ticket = nhi_approval.etl.ticket
}
