resource "nhi_identity" "bi" {
  name    = "bi-service"
  owner   = "ana@example.com"
  purpose = "Reports of our analytics vendor"
  kind    = "third_party"
  ttl     = "2160h"
}

resource "nhi_approval" "bi" {
  subject       = nhi_identity.bi.subject
  justification = "CHG-1234"
  ttl           = "24h"

  access = {
    db = { system = "orders", postgres = { roles = ["orders_ro"] } }
  }
}
