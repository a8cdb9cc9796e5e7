# terraform apply -invoke=action.nhi_revoke.etl
action "nhi_revoke" "etl" {
  config {
    identity = "production/payments/etl/orders-etl"
    reason   = "its key was in a chat"
  }
}
