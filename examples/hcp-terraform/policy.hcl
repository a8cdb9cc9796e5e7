ledger          = "6f1c0d5e8a4b4f0c9d2e7b3a1c5f8e60"
version         = 4
expires         = "2031-01-01T00:00:00Z"
activate_within = "168h"

issuer "https://app.terraform.io" {
  audiences = ["nhi-acme"] # TFC_WORKLOAD_IDENTITY_AUDIENCE of the workspace
}

# Ana and Ben approve: by a signature, or by confirming a run. Their accounts
# where code is pushed stand here too, so that nobody approves their own commit.
approver "ana@example.com" {
  keys   = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB2rmQbzayMfdzujjNYCKpjBn4A4+9ijsp18Jt8KQzYl"]
  groups = ["security"]
  account "app.terraform.io" { ids = ["user-V3R563qtJNcExAkN"] }
  account "github.com" { ids = ["ana-example"] }
}
approver "ben@example.com" {
  keys   = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFpKRrvINjOZ9v2RFJSyYwFnK/Gd3iQRa3XFBY8b1Xif"]
  groups = ["security"]
  account "app.terraform.io" { ids = ["user-MA4GL63FmYRpSFxa"] }
  account "github.com" { ids = ["ben-example"] }
}

# Rae pushes and starts runs. She is in no group, and is known, so that a commit
# of hers is no unknown person's.
approver "rae@example.com" {
  keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL76X1ph42ttCItRqAv3RBt/fte2W4c0hm95EaNeOmRm"]
  account "app.terraform.io" { ids = ["user-62goNpx1ThQf689e"] }
  account "github.com" { ids = ["rae-example"] }
}

# What the workspace asks for is proven by the identity token of its runs.
approver "workspace payments-etl" {
  workload "HCP Terraform" {
    issuer = "https://app.terraform.io"
    claim "terraform_workspace_id" { values = ["ws-mbsd5E3Ktt5Rg2Xm"] }
  }
}

environment "production" {
  system "orders" { postgres = "db.internal:5432/orders" }
}

# Nothing is activated elsewhere than in runs of this workspace, and so no run of
# another one can stand for it.
runner "workspace payments-etl" {
  environments = ["production"]
  scopes       = ["payments/**"]
  issuer       = "https://app.terraform.io"
  claim "terraform_workspace_id" { values = ["ws-mbsd5E3Ktt5Rg2Xm"] }
}

rule "production" {
  environments = ["production"]
  scopes       = ["payments/**"]
  systems      = ["*"]
  max_ttl      = "720h"
  quorum "security" {
    count            = 1
    run_confirmation = true # confirming the run counts as one
  }
}
