nhi emergency new --identity production/payments/etl/orders-etl \
  --owner ana@example.com --purpose "Nightly export of orders" \
  --reason "INC-4711: orders are stuck, and the ledger is down" --for 4h \
  --access db=orders:'{ roles = ["orders_ro"] }' \
  --out incident.emergency
