terraform {
  required_providers {
    nhi = {
      source = "nhi-terraform/nhi"
    }
  }
}

variable "vault_token" {
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
    secrets = { vault = { url = "https://vault.internal:8200", token = var.vault_token } }
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
    kv = { system = "secrets", vault = { policies = ["orders-read"], token_ttl = "15m" } }
  }
}

resource "nhi_grant" "etl" {
  ticket = nhi_approval.etl.ticket
}

ephemeral "nhi_credential" "kv" {
  lease   = nhi_grant.etl.lease
  target  = "kv"
  ttl     = "15m"
  options = { form = "token" }
}

resource "terraform_data" "export" {
  count            = nhi_grant.etl.active ? 1 : 0
  triggers_replace = nhi_grant.etl.lease

  provisioner "local-exec" {
    command = "vault kv get -format=json secret/orders > orders.json"
    environment = {
      VAULT_ADDR  = ephemeral.nhi_credential.kv.vault.url
      VAULT_TOKEN = ephemeral.nhi_credential.kv.vault.token
    }
  }
}
