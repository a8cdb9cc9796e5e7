test "two approve what Rae asks for, in the pipeline" {
  request {
    environment = "production"
    scope       = "payments/etl"
    ttl         = "720h"
    access "db" { system = "orders" }
  }
  requester = "rae@example.com"
  proven_by = "oidc"
  runner {
    issuer = "https://token.actions.githubusercontent.com"
    claims {
      repository_id = "1296269"
      ref           = "refs/heads/main"
    }
  }
  approve = ["ana@example.com", "ben@example.com"]
  expect  = "approved"
}

test "another branch gets nothing" {
  request {
    environment = "production"
    scope       = "payments/etl"
    ttl         = "720h"
    access "db" { system = "orders" }
  }
  requester = "rae@example.com"
  runner {
    issuer = "https://token.actions.githubusercontent.com"
    claims {
      repository_id = "1296269"
      ref           = "refs/heads/mine"
    }
  }
  approve = ["ana@example.com", "ben@example.com"]
  expect  = "pending"
  because = ["bound to the runner payments on GitHub or payments on HCP Terraform"]
}

test "who is not proven needs one more" {
  request {
    environment = "production"
    scope       = "billing/invoices"
    ttl         = "720h"
    access "db" { system = "orders" }
  }
  approve = ["ana@example.com", "ben@example.com"]
  expect  = "pending"
  because = ["needs 3 of security"]
}
