# Known in every plan: resources of other providers can be counted on it.
output "active" {
  value = nhi_grant.this.active
}

# For nhi_credential; null unless active.
output "lease" {
  value = nhi_grant.this.lease
}

output "id" {
  value = nhi_grant.this.id
}
