ledger          = "6f1c0d5e8a4b4f0c9d2e7b3a1c5f8e60"
version         = 7
expires         = "2031-01-01T00:00:00Z"
activate_within = "168h"

# Ana and ben also have a hardware key.
approver "ana@example.com" {
  keys = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB2rmQbzayMfdzujjNYCKpjBn4A4+9ijsp18Jt8KQzYl",
    "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIOAIkZWjSaE+oS8oMAT6cJ4z4BTDgX04O3TC9soMQWJAAAAABHNzaDo=",
  ]
  groups = ["security"]
}

approver "ben@example.com" {
  keys = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFpKRrvINjOZ9v2RFJSyYwFnK/Gd3iQRa3XFBY8b1Xif",
    "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIMhPoR8PLOvwjcMGEFUPKOBWNMcXlBbtiUphRBRmoG3TAAAABHNzaDo=",
  ]
  groups = ["security", "data"]
}

approver "cyd@example.com" {
  keys   = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL76X1ph42ttCItRqAv3RBt/fte2W4c0hm95EaNeOmRm"]
  groups = ["security", "on_call"]
}

approver "dan@example.com" {
  keys   = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICGOioo8KJJtZBQa+EpWCgxb1Z23W0qPe8UHMFtbw0Du"]
  groups = ["data"]
}

approver "lea@example.com" {
  keys   = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL7/rf4Wbc4x/fcqiDab8OPKuzh/zYw8Le8zBEtKFDjC"]
  groups = ["payments_leads"]
}

approver "rae@example.com" {
  keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL70s6LOxOaVQxtvRrJhdnqDJtxpLQevQB5Y/e1LHlJa"]
}

environment "production" {
  system "orders" { postgres = "db.internal:5432/orders" }
  system "reports" { postgres = "db.internal:5432/reports" }
  system "bastion" { ssh = "SHA256:ojS/w9mIGX1T2KmcMmNaLkiY0DbM3Zj6WjOi0FRJnO0" }
}

# What no grant may touch, whoever approves.
protected "superusers" {
  kinds = ["postgres"]
  names = ["postgres", "rds_*", "pg_*"]
}

protected "root logins" {
  kinds     = ["ssh"]
  endpoints = ["*"]
  names     = ["root"]
}

# What billing asks for is activated by its own pipeline alone.
issuer "https://token.actions.githubusercontent.com" {
  audiences = ["nhi-acme"]
}
runner "billing pipeline" {
  environments = ["production"]
  scopes       = ["billing/**"]
  issuer       = "https://token.actions.githubusercontent.com"
  claim "repository" { values = ["acme/billing"] }
  claim "ref" { values = ["refs/heads/main"] }
}

# Rules: the first that matches an access decides it.
rule "emergencies" {
  environments = ["production"]
  scopes       = ["**"]
  systems      = ["*"]
  max_ttl      = "4h"
  max_renewals = 0
  when         = "request.approval == 'emergency'"
  quorum "on_call" { count = 1 }
  review "security" {
    count  = 1
    within = "24h"
  }
}

rule "agents" {
  environments = ["production"]
  scopes       = ["**"]
  systems      = ["*"]
  max_ttl      = "720h"
  when         = "identity.kind == 'agent'"
  quorum "security" { count = 1 }
  condition "an agent has a day at most" {
    expression = "request.ttl <= duration('24h')"
  }
  condition "an agent only reads" {
    expression = "access.kind != 'postgres' || access.settings.roles.all(role, role.endsWith('_ro'))"
  }
}

rule "orders" {
  environments     = ["production"]
  scopes           = ["payments/**", "billing/**"]
  systems          = ["orders"]
  max_ttl          = "720h"
  max_renewals     = 11
  distinct_persons = true
  hardware_keys    = true
  quorum "security" { count = 1 }
  quorum "data" { count = 1 }
  condition "owners do not ask for themselves" {
    expression = "requester.name != identity.owner"
  }
}

rule "machines" {
  environments = ["production"]
  scopes       = ["**"]
  systems      = ["bastion"]
  max_ttl      = "24h"
  quorum "security" { count = 1 }
  window "office hours" {
    days  = ["mon", "tue", "wed", "thu", "fri"]
    from  = "08:00"
    until = "18:00"
    zone  = "Europe/Berlin"
  }
}

# The leads of payments decide for their own scopes, within these limits.
delegate "payments" {
  environments = ["production"]
  scopes       = ["payments/**"]
  systems      = ["reports"]
  groups       = ["payments_leads"]
  max_ttl      = "168h"
  max_renewals = 3

  rule "payments read their reports" {
    max_ttl = "168h"
    quorum "payments_leads" { count = 1 }
  }
}
