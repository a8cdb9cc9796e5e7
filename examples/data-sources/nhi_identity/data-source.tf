# One identity, which another workspace of the same scope has made: its access
# is asked for here.
data "nhi_identity" "etl" {
  id = "production/payments/etl/orders-etl"
}

resource "nhi_approval" "etl" {
  subject       = data.nhi_identity.etl.subject
  justification = "CHG-1234"
  ttl           = "720h"

  access = {
    aws = { external = { description = "read the export bucket" } }
  }
}

# Everything that one person answers for.
data "nhi_identity" "ana" {
  filter = { owner = "ana@example.com" }
}

output "anas_identities" {
  value = data.nhi_identity.ana.items[*].id
}
