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
  lease  = nhi_grant.etl.lease # not known while this run activates the grant: opened once, after that
  target = "db"
  ttl    = "15m"
}

# Runs once for each activation, and not while the grant is not active.
resource "terraform_data" "export" {
  count            = nhi_grant.etl.active ? 1 : 0
  triggers_replace = nhi_grant.etl.lease

  provisioner "local-exec" {
    command = "psql --no-psqlrc --command 'SELECT count(*) FROM orders'"
    environment = {
      PGHOST     = ephemeral.nhi_credential.db.postgres.host
      PGPORT     = ephemeral.nhi_credential.db.postgres.port
      PGDATABASE = ephemeral.nhi_credential.db.postgres.database
      PGUSER     = ephemeral.nhi_credential.db.postgres.username
      PGPASSWORD = ephemeral.nhi_credential.db.postgres.password
    }
  }
}
