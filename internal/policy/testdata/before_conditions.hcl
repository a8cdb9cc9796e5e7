# Which ledger this is for, and which edition it is. A higher version replaces
# a lower one for good.
ledger          = "6f1c0d5e8a4b4f0c9d2e7b3a1c5f8e60"
version         = 1
expires         = "2031-01-01T00:00:00Z"
activate_within = "168h" # how long an approval may wait for its use

# Who may sign. A person may have several keys and counts once.
approver "ana@example.com" {
  keys   = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB2rmQbzayMfdzujjNYCKpjBn4A4+9ijsp18Jt8KQzYl"]
  groups = ["security"]
}

approver "ben@example.com" {
  keys   = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFpKRrvINjOZ9v2RFJSyYwFnK/Gd3iQRa3XFBY8b1Xif"]
  groups = ["security", "data"]
}

approver "cyd@example.com" {
  keys   = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL76X1ph42ttCItRqAv3RBt/fte2W4c0hm95EaNeOmRm"]
  groups = ["security"]
}

# Rae is in no group: her key proves who asks, and approves nothing.
approver "rae@example.com" {
  keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL70s6LOxOaVQxtvRrJhdnqDJtxpLQevQB5Y/e1LHlJa"]
}

# What belongs to an environment, and the one place that each name leads to.
environment "production" {
  system "orders" {
    postgres = "db.internal:5432/orders"
  }
  system "bastion" {
    ssh = "SHA256:ojS/w9mIGX1T2KmcMmNaLkiY0DbM3Zj6WjOi0FRJnO0"
  }
  system "secrets" {
    vault = "https://vault.internal:8200/auth/approle"
  }
}

environment "sandbox" {
  system "orders" {
    postgres = "sandbox.internal:5432/orders"
  }
}

# For each access the first rule that matches decides. No rule: denied.
rule "production databases" {
  environments = ["production"]
  scopes       = ["payments/*"]
  systems      = ["orders"]
  max_ttl      = "720h"
  quorum "security" {
    count = 2
  }
}

rule "production secrets" {
  environments = ["production"]
  scopes       = ["payments/*"]
  systems      = ["secrets"]
  max_ttl      = "720h"
  quorum "security" {
    count = 1
  }
}

rule "production machines, and what is elsewhere" {
  environments = ["production"]
  scopes       = ["**"]
  systems      = ["bastion", "external"]
  max_ttl      = "720h"
  quorum "security" {
    count = 1
  }
}

rule "sandbox" {
  environments = ["sandbox"]
  scopes       = ["**"]
  systems      = ["*"]
  max_ttl      = "24h"
  approval     = "no approval needed"
}
