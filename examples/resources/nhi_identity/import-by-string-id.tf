import {
  to = nhi_identity.etl
  id = "production/payments/etl/orders-etl"
}
