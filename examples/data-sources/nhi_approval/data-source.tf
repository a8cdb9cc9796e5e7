# What another workspace of the same scope has asked for: the access is given
# here.
data "nhi_approval" "etl" {
  id = "production/payments/etl/orders-etl:default"
}

resource "nhi_grant" "etl" {
  ticket = data.nhi_approval.etl.ticket
}

# What waits for a decision, in all scopes of the payments team.
data "nhi_approval" "waiting" {
  filter = {
    environment = "production"
    scope       = "payments/**"
    status      = "pending"
  }
}

output "waiting" {
  value = { for item in data.nhi_approval.waiting.items : item.id => item.required }
}
