nhi policy explain production/payments/etl/orders-etl:default
nhi policy input production/payments/etl/orders-etl:default > input.json
