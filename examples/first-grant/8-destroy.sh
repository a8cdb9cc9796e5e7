terraform destroy
nhi verify
