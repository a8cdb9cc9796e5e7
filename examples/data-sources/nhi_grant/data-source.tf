# One grant, whoever made it.
data "nhi_grant" "etl" {
  id = "production/payments/etl/orders-etl:default"
}

output "etl_ends" {
  value = data.nhi_grant.etl.expires_at
}

# A report: all access in force in production, and who answers for it.
data "nhi_grant" "production" {
  filter = {
    environment = "production"
    status      = "active"
  }
}

output "in_force" {
  value = { for item in data.nhi_grant.production.items : item.id => {
    owner      = item.owner
    ends       = item.expires_at
    privileges = { for key, target in item.targets : key => target.privileges }
  } }
}
