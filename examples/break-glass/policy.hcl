ledger          = "6f1c0d5e8a4b4f0c9d2e7b3a1c5f8e60"
version         = 2
expires         = "2031-01-01T00:00:00Z"
activate_within = "168h"

approver "ana@example.com" {
  keys   = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB2rmQbzayMfdzujjNYCKpjBn4A4+9ijsp18Jt8KQzYl"]
  groups = ["security"]
}

approver "ben@example.com" {
  keys   = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFpKRrvINjOZ9v2RFJSyYwFnK/Gd3iQRa3XFBY8b1Xif"]
  groups = ["security"]
}

approver "cyd@example.com" {
  keys   = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL76X1ph42ttCItRqAv3RBt/fte2W4c0hm95EaNeOmRm"]
  groups = ["on_call"]
}

approver "rae@example.com" {
  keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL70s6LOxOaVQxtvRrJhdnqDJtxpLQevQB5Y/e1LHlJa"]
}

environment "production" {
  system "orders" { postgres = "db.internal:5432/orders" }
}

rule "emergencies" {
  environments = ["production"]
  scopes       = ["payments/*"]
  systems      = ["*"]
  max_ttl      = "24h"
  max_renewals = 0
  when         = "request.approval == 'emergency'"
  quorum "on_call" { count = 1 }
  review "security" {
    count  = 1
    within = "4h"
  }
}

rule "production databases" {
  environments = ["production"]
  scopes       = ["payments/*"]
  systems      = ["orders"]
  max_ttl      = "720h"
  quorum "security" { count = 2 }
}
