import {
  to = nhi_approval.etl
  identity = {
    id = "production/payments/etl/orders-etl:default"
  }
}
