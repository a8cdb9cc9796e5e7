ledger          = "6f1c0d5e8a4b4f0c9d2e7b3a1c5f8e60"
version         = 3
expires         = "2031-01-01T00:00:00Z"
activate_within = "168h"

# Whose tokens are believed, and for which audience they must be made.
issuer "https://token.actions.githubusercontent.com" {
  audiences = ["nhi-acme"]
}
issuer "https://gitlab.com" {
  audiences = ["nhi-acme"]
}
issuer "https://app.terraform.io" {
  audiences = ["nhi-acme"]
}

# A Vault is asked about the token of whoever runs. The port is written out.
issuer "https://vault.internal:8200" {
  vault = true
}

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
  groups = ["security"]
}

# Rae asks by her jobs, and needs no key: a workload proves who asks, and never
# approves. It names the repository too, because whatever job she starts anywhere
# can get a token with her id in it.
approver "rae@example.com" {
  workload "GitHub Actions" {
    issuer = "https://token.actions.githubusercontent.com"
    claim "actor_id" { values = ["583231"] }
    claim "repository_id" { values = ["1296269"] }
  }
  workload "GitLab CI" {
    issuer = "https://gitlab.com"
    claim "user_id" { values = ["4711"] }
    claim "project_id" { values = ["20", "21"] }
  }
  workload "Vault" {
    issuer = "https://vault.internal:8200"
    claim "entity_id" { values = ["7d2e3179-f69b-450c-7179-ac8ee8bd8ca9"] }
  }
}

environment "production" {
  system "orders" { postgres = "db.internal:5432/orders" }
}

# What payments asks for is activated in these runs alone.
runner "payments on GitHub" {
  environments = ["production"]
  scopes       = ["payments/**"]
  issuer       = "https://token.actions.githubusercontent.com"
  claim "repository_id" { values = ["1296269"] }
  claim "ref" { values = ["refs/heads/main"] }
}
runner "payments on HCP Terraform" {
  environments = ["production"]
  scopes       = ["payments/**"]
  issuer       = "https://app.terraform.io"
  claim "terraform_organization_name" { values = ["acme"] }
  claim "terraform_workspace_name" { values = ["payments-production"] }
}

rule "production" {
  environments = ["production"]
  scopes       = ["**"]
  systems      = ["*"]
  max_ttl      = "720h"
  quorum "security" { count = 2 }
}
