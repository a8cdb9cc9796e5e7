import {
  to = nhi_grant.etl
  id = "production/payments/etl/orders-etl:default"
}
