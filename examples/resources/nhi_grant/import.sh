terraform import nhi_grant.etl production/payments/etl/orders-etl:default
