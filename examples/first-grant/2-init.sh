nhi init --scope payments/etl --root-key keys/root --pin \
  --approver ana@example.com=keys/ana.pub \
  --approver ben@example.com=keys/ben.pub \
  --requester rae@example.com=keys/rae.pub \
  --system "bastion:ssh=$(ssh-keygen -lf keys/ca.pub | cut -d ' ' -f 2)"
cat policy.hcl
