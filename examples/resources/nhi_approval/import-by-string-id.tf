import {
  to = nhi_approval.etl
  id = "production/payments/etl/orders-etl:default"
}
