test "one of security approves what the workspace asks for" {
  request {
    environment = "production"
    scope       = "payments/etl"
    ttl         = "720h"
    access "db" { system = "orders" }
  }
  requester = "workspace payments-etl"
  proven_by = "oidc"
  runner {
    issuer = "https://app.terraform.io"
    claims {
      terraform_workspace_id = "ws-mbsd5E3Ktt5Rg2Xm"
    }
  }
  approve = ["ana@example.com"]
  expect  = "approved"
}

test "a workspace of their own gets requesters nothing" {
  request {
    environment = "production"
    scope       = "payments/etl"
    ttl         = "720h"
    access "db" { system = "orders" }
  }
  requester = "rae@example.com"
  runner {
    issuer = "https://app.terraform.io"
    claims {
      terraform_workspace_id = "ws-another"
    }
  }
  approve = ["ana@example.com"]
  expect  = "pending"
  because = ["bound to the runner workspace payments-etl"]
}
