terraform import nhi_identity.etl production/payments/etl/orders-etl
