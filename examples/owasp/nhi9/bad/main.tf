resource "nhi_identity" "etl" {
  name    = "orders-etl"
  owner   = "ana@example.com"
  purpose = "Nightly export of orders"
  ttl     = "2160h"
}

resource "nhi_approval" "etl" {
  subject       = nhi_identity.etl.subject
  justification = "CHG-1234"
  ttl           = "168h"

  access = {
    box = {
      system = "bastion"
      ssh = {
        principals    = ["backup"]
        public_key    = file("etl.pub")
        force_command = "/usr/local/bin/send-dump"
        extensions    = [] # no terminal, no forwarding
      }
    }
  }
}

resource "nhi_identity" "report" {
  name    = "orders-report"
  owner   = "ana@example.com"
  purpose = "Weekly report"
  ttl     = "2160h"
}

resource "nhi_approval" "report" {
  subject       = nhi_identity.report.subject
  justification = "CHG-1234"
  ttl           = "168h"

  access = {
    box = {
      system = "bastion"
      ssh = {
        principals    = ["report"]
        public_key    = file("etl.pub") # the key of the other
        force_command = "/usr/local/bin/send-dump"
        extensions    = [] # no terminal, no forwarding
      }
    }
  }
}
