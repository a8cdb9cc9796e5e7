terraform apply
ssh-keygen -L -f keys/etl-cert.pub
