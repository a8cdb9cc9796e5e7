nhi emergency record
nhi log production/payments/etl/orders-etl
nhi verify
