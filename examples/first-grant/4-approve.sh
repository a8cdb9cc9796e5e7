nhi requests
nhi show production/payments/etl/orders-etl:default
nhi approve --key keys/ana production/payments/etl/orders-etl:default
nhi approve --key keys/ben production/payments/etl/orders-etl:default
