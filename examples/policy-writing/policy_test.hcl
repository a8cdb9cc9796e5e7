test "the orders database takes security and a data owner" {
  request {
    environment = "production"
    scope       = "payments/etl"
    ttl         = "720h"
    access "db" {
      system = "orders"
      settings {
        roles = ["orders_ro"]
      }
    }
  }
  requester                 = "rae@example.com"
  approve                   = ["dan@example.com"]
  approve_with_hardware_key = ["ana@example.com"]
  expect                    = "pending"
  because                   = ["dan@example.com approved without a hardware key", "needs 1 of data with hardware keys, has 0"]
  decided_by                = ["orders"]
}

test "ben is of security or of data, and not of both" {
  request {
    environment = "production"
    scope       = "payments/etl"
    ttl         = "720h"
    access "db" { system = "orders" }
  }
  requester                 = "rae@example.com"
  approve_with_hardware_key = ["ben@example.com"]
  expect                    = "pending"
}

test "ana and ben are enough" {
  request {
    environment = "production"
    scope       = "payments/etl"
    ttl         = "720h"
    access "db" { system = "orders" }
  }
  requester                 = "rae@example.com"
  approve_with_hardware_key = ["ana@example.com", "ben@example.com"]
  expect                    = "approved"
}

test "nobody gets the superuser" {
  request {
    environment = "production"
    scope       = "payments/etl"
    ttl         = "1h"
    access "db" {
      system = "orders"
      settings {
        roles = ["postgres"]
      }
    }
  }
  requester                 = "rae@example.com"
  approve_with_hardware_key = ["ana@example.com", "ben@example.com"]
  expect                    = "denied"
  because                   = ["protected by \"superusers\""]
}

test "an agent gets no week" {
  request {
    environment = "production"
    scope       = "payments/etl"
    kind        = "agent"
    ttl         = "168h"
    access "db" {
      system = "orders"
      settings {
        roles = ["orders_ro"]
      }
    }
  }
  requester = "rae@example.com"
  approve   = ["ana@example.com"]
  expect    = "denied"
  because   = ["an agent has a day at most"]
}

test "an agent writes nothing" {
  request {
    environment = "production"
    scope       = "payments/etl"
    kind        = "agent"
    ttl         = "24h"
    access "db" {
      system = "orders"
      settings {
        roles = ["orders_rw"]
      }
    }
  }
  requester = "rae@example.com"
  approve   = ["ana@example.com"]
  expect    = "denied"
  because   = ["an agent only reads"]
}

test "machines on Saturday wait for Monday" {
  request {
    environment = "production"
    scope       = "payments/etl"
    ttl         = "8h"
    access "box" { system = "bastion" }
  }
  requester = "rae@example.com"
  approve   = ["ana@example.com"]
  at        = "2030-01-12T12:00:00Z"
  expect    = "pending"
  because   = ["lets it be activated only in \"office hours\""]
}

test "payments decide on their reports" {
  request {
    environment = "production"
    scope       = "payments/etl"
    ttl         = "168h"
    term        = 4
    access "db" { system = "reports" }
  }
  requester  = "rae@example.com"
  approve    = ["lea@example.com"]
  expect     = "approved"
  decided_by = ["payments read their reports"]
}

test "and on nothing else" {
  request {
    environment = "production"
    scope       = "billing/etl"
    ttl         = "168h"
    access "db" { system = "reports" }
  }
  requester = "rae@example.com"
  approve   = ["lea@example.com"]
  expect    = "denied"
  because   = ["no rule of the policy matches"]
}

test "billing is activated by its pipeline" {
  request {
    environment = "production"
    scope       = "billing/etl"
    ttl         = "24h"
    access "db" { system = "orders" }
  }
  requester                 = "rae@example.com"
  approve_with_hardware_key = ["ana@example.com", "ben@example.com"]
  runner {
    issuer = "https://token.actions.githubusercontent.com"
    claims {
      repository = "acme/billing"
      ref        = "refs/heads/main"
    }
  }
  expect = "approved"
}

test "and from nowhere else" {
  request {
    environment = "production"
    scope       = "billing/etl"
    ttl         = "24h"
    access "db" { system = "orders" }
  }
  requester                 = "rae@example.com"
  approve_with_hardware_key = ["ana@example.com", "ben@example.com"]
  expect                    = "pending"
  because                   = ["bound to the runner billing pipeline"]
}

test "one on call opens an emergency, and it is reviewed" {
  request {
    environment = "production"
    scope       = "payments/etl"
    approval    = "emergency"
    ttl         = "4h"
    access "db" { system = "orders" }
  }
  requester  = "rae@example.com"
  approve    = ["cyd@example.com"]
  expect     = "approved"
  because    = ["a review by 1 of security within 24h"]
  decided_by = ["emergencies"]
}
