terraform {
  required_version = ">= 1.11"
  required_providers {
    nhi = {
      source = "nhi-terraform/nhi"
    }
  }
}

# Secrets come in as ephemeral variables: a merely sensitive one would stand in
# clear in the plan's JSON.
variable "orders_url" {
  type      = string
  ephemeral = true
}

provider "nhi" {
  environment   = "production"
  scope         = "payments/etl" # the team and workload that this workspace speaks for
  ledger        = { local = { path = ".nhi" } }
  policy_file   = "policy.hcl"
  decisions_dir = "approvals" # optional: decisions that came by pull request
  requester     = { ssh_key_file = "~/.ssh/id_ed25519" }

  systems = {
    bastion = {
      ssh = {
        ca_key_file      = "ca"
        krl_file         = "revoked.krl"
        probe            = ["bastion.internal:22"]
        known_hosts_file = "known_hosts"
      }
    }
    orders = {
      postgres = {
        url = var.orders_url
      }
    }
  }
}
