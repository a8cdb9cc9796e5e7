ssh-keygen -Y sign -n nhi-policy@v1 -f root-key policy.hcl
