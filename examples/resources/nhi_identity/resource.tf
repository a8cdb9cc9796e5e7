resource "nhi_identity" "etl" {
  name    = "orders-etl"
  owner   = "ana@example.com"
  purpose = "Nightly export of orders"
  ttl     = "2160h"
}

# An agent that ends on a day, and is switched off for now: its grants are
# revoked in the same plan.
resource "nhi_identity" "agent" {
  name       = "invoice-agent"
  owner      = "ben@example.com"
  purpose    = "Reads invoices and answers questions about them"
  kind       = "agent"
  expires_at = "2031-01-01T00:00:00Z"
  enabled    = false
}
