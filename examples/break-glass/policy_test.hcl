test "one on call opens an emergency" {
  request {
    environment = "production"
    scope       = "payments/etl"
    approval    = "emergency"
    ttl         = "24h"
    access "db" { system = "orders" }
  }
  requester  = "rae@example.com"
  approve    = ["cyd@example.com"]
  expect     = "approved"
  because    = ["a review by 1 of security within 4h"]
  decided_by = ["emergencies"]
}

test "and nothing else" {
  request {
    environment = "production"
    scope       = "payments/etl"
    ttl         = "24h"
    access "db" { system = "orders" }
  }
  requester  = "rae@example.com"
  approve    = ["cyd@example.com"]
  expect     = "pending"
  decided_by = ["production databases"]
}

test "an emergency of a week is none" {
  request {
    environment = "production"
    scope       = "payments/etl"
    approval    = "emergency"
    ttl         = "168h"
    access "db" { system = "orders" }
  }
  requester = "rae@example.com"
  approve   = ["cyd@example.com"]
  expect    = "denied"
}
