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

resource "nhi_identity" "etl" {
  name    = "orders-etl"
  owner   = "ana@example.com"
  purpose = "Nightly export of orders"
  ttl     = "2160h"
}

resource "nhi_approval" "etl" {
  subject       = nhi_identity.etl.subject
  justification = "CHG-1234"
  ttl           = "720h"

  access = {
    db = { system = "orders", postgres = { roles = ["orders_ro"] } }
  }
}

resource "nhi_grant" "etl" {
  ticket = nhi_approval.etl.ticket
}

ephemeral "nhi_credential" "db" {
  lease  = nhi_grant.etl.lease
  target = "db"
  ttl    = "15m"
}

resource "terraform_data" "export" {
  count            = nhi_grant.etl.active ? 1 : 0
  triggers_replace = nhi_grant.etl.lease

  provisioner "local-exec" {
    command = "psql --no-psqlrc --csv --output orders.csv --command 'TABLE orders'"
    environment = {
      PGHOST     = ephemeral.nhi_credential.db.postgres.host
      PGPORT     = ephemeral.nhi_credential.db.postgres.port
      PGDATABASE = ephemeral.nhi_credential.db.postgres.database
      PGUSER     = ephemeral.nhi_credential.db.postgres.username
      PGPASSWORD = ephemeral.nhi_credential.db.postgres.password
    }
  }
}
