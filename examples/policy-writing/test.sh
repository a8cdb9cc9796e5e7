nhi policy test --file policy.hcl
