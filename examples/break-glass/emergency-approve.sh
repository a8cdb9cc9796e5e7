nhi approve production/payments/etl/orders-etl:emergency
