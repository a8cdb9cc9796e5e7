mkdir first-grant && cd first-grant
cat > dev.tfrc <<EOF
provider_installation {
  dev_overrides { "nhi-terraform/nhi" = "$(go env GOPATH)/bin" }
  direct {}
}
EOF
export TF_CLI_CONFIG_FILE=$PWD/dev.tfrc

mkdir keys
for name in root ana ben rae ca etl; do
  ssh-keygen -q -t ed25519 -N '' -C "$name" -f "keys/$name"
done
