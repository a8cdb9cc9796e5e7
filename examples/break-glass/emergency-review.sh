nhi review production/payments/etl/orders-etl:emergency --reason "INC-4711, looked at the statements"
