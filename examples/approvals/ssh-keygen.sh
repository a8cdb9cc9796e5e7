nhi approve --prepare work production/payments/etl/bucket-export:default
ssh-keygen -Y sign -n nhi-decision@v1 -f ~/.ssh/id_ed25519 work/list
nhi approve --finish work
