import {
  to = nhi_identity.etl
  identity = {
    id = "production/payments/etl/orders-etl"
  }
}
