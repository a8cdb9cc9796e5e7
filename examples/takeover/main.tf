resource "nhi_identity" "orders" {
  name    = "orders-service"
  owner   = "ana@example.com"
  purpose = "Serves the orders API"
  ttl     = "8760h"
}

resource "nhi_approval" "orders" {
  subject       = nhi_identity.orders.subject
  justification = "CHG-1300: svc_orders has an owner and an end from now on"
  ttl           = "720h"
  renew_before  = "168h"

  access = {
    db = {
      system = "orders"
      postgres = {
        roles     = ["orders_rw"] # all that stays; what else it holds is stripped
        adopt     = "svc_orders"  # its name and its password stay
        on_revoke = "disable"     # or "delete"
      }
    }
  }
}

resource "nhi_grant" "orders" {
  ticket = nhi_approval.orders.ticket
}
