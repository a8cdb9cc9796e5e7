# Checks for the OWASP Non-Human Identities Top 10, to be added to a policy.
# "warn" tells people in every plan, "deny" refuses whoever signs, "off" is silent.

# Who owns a machine identity is in the policy, or is a team that is looked after.
check "NHI1" {
  level  = "deny"
  owners = ["*@teams.example.com"]
}

# No secret in texts that everybody reads and the ledger keeps.
check "NHI2" {
  level = "deny"
}

# Third parties get access for a short time, and two people look at it.
check "NHI3" {
  level     = "deny"
  max_ttl   = "72h"
  approvals = 2
}

# Logins that nobody can read or forge.
check "NHI4" {
  level     = "deny"
  key_types = ["ssh-ed25519", "sk-ssh-ed25519@openssh.com"]
}

# Besides what is too much for anybody.
check "NHI5" {
  level      = "deny"
  privileges = ["*admin*", "*superuser*", "pg_read_all_data"]
}

# Production is applied from a runner that proves what it is.
check "NHI6" {
  level        = "deny"
  environments = ["production"]
  claims       = ["sub"]
}

issuer "https://token.actions.githubusercontent.com" {
  audiences = ["nhi-acme"]
}

runner "CI of the payments team" {
  environments = ["production"]
  scopes       = ["payments/etl"]
  issuer       = "https://token.actions.githubusercontent.com"
  claim "sub" {
    values = ["repo:example/payments:environment:production"]
  }
}

# A week at most, and tokens for an hour.
check "NHI7" {
  level         = "deny"
  max_ttl       = "168h"
  max_token_ttl = "1h"
}

# No system belongs to two environments.
check "NHI8" {
  level = "deny"
}

# One identity for one workload: it has one approval.
check "NHI9" {
  level     = "deny"
  approvals = ["default"]
}

# No person's login, no person's key, and nothing to type at.
check "NHI10" {
  level       = "deny"
  no_terminal = true
}
