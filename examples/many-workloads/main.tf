terraform {
  required_providers {
    nhi = {
      source = "nhi-terraform/nhi"
    }
  }
}

variable "orders_url" {
  type      = string
  ephemeral = true
}

provider "nhi" {
  environment = "production"
  scope       = "payments/etl"
  ledger      = { local = { path = ".nhi" } }
  policy_file = "policy.hcl"
  requester   = { ssh_key_file = "~/.ssh/id_ed25519" }

  systems = {
    orders = { postgres = { url = var.orders_url } }
  }
}

# One line for each workload. The key is the name of its identity: two of the
# same name cannot be written, and a renamed one is another one.
locals {
  workloads = {
    orders-export  = { owner = "ana@example.com", purpose = "Nightly export of orders", access = local.read_orders }
    orders-report  = { owner = "ben@example.com", purpose = "Weekly report on orders", access = local.read_orders }
    archive-upload = { owner = "cyd@example.com", purpose = "Copies exports to the archive", access = local.archive }
  }

  read_orders = { db = { system = "orders", postgres = { roles = ["orders_ro"] } } }
  archive     = { bucket = { external = { description = "write to the archive bucket" } } }
}

module "workload" {
  source   = "./workload"
  for_each = local.workloads

  name          = each.key
  owner         = each.value.owner
  purpose       = each.value.purpose
  access        = each.value.access
  justification = "CHG-1240"
}

# What still waits, in one place.
output "waiting" {
  value = [for name, workload in module.workload : name if !workload.active]
}
