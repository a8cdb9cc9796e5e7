terraform import nhi_approval.etl production/payments/etl/orders-etl:default
