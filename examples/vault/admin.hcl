# Entities, which carry the mark, and the aliases that tie AppRoles to them.
path "identity/entity" { capabilities = ["create", "update"] }
path "identity/entity/id" { capabilities = ["list"] }
path "identity/entity/id/*" { capabilities = ["read", "update", "delete"] }
path "identity/entity/name/*" { capabilities = ["read"] }
path "identity/entity-alias" { capabilities = ["create", "update"] }
path "identity/entity-alias/id" { capabilities = ["list"] }
path "identity/entity-alias/id/*" { capabilities = ["delete"] }
path "identity/lookup/entity" { capabilities = ["create", "update"] }

# Groups that an entity was put into by hand.
path "identity/group/id/*" { capabilities = ["read", "update"] }

# The AppRole mount.
path "auth/approle/role" { capabilities = ["list"] }
path "auth/approle/role/*" { capabilities = ["create", "read", "update", "delete", "list"] }

# Tokens: Vault lists them all, and only with sudo.
path "auth/token/accessors" { capabilities = ["list", "sudo"] }
path "auth/token/lookup-accessor" { capabilities = ["create", "update"] }
path "auth/token/revoke-accessor" { capabilities = ["create", "update"] }
path "auth/token/renew-accessor" { capabilities = ["create", "update"] }

# The text of the policies that are asked for.
path "sys/policies/acl/*" { capabilities = ["read"] }
