import {
  to = nhi_grant.etl
  identity = {
    id = "production/payments/etl/orders-etl:default"
  }
}
