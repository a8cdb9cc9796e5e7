ledger        = { postgres = { url = env("TF_VAR_ledger_url") } }
policy_file   = "policy.hcl"
decisions_dir = "approvals"
