terraform apply -input=false -auto-approve
