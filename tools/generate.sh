#!/usr/bin/env bash
# Writes docs/ from the provider's schema, templates/ and examples/, and formats
# the examples. Nothing is downloaded: the schema comes from the provider built
# from this checkout, through the pinned Terraform.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

go build -buildvcs=false -o "$work/terraform-provider-nhi" .

# tfplugindocs looks for the schema under this address only. The provider does
# not care which address it is started for, so that is what it is called here.
address=registry.terraform.io/hashicorp/nhi

cat >"$work/cli.tfrc" <<EOF
provider_installation {
  dev_overrides {
    "$address" = "$work"
  }
}
EOF
mkdir "$work/config"
cat >"$work/config/main.tf" <<EOF
terraform {
  required_providers {
    nhi = { source = "$address" }
  }
}
EOF

# Resource identities and actions are in the schema from Terraform 1.14 on.
tools/testenv.sh --terraform-next sh -c '
  cd "$1/config"
  TF_CLI_CONFIG_FILE=$1/cli.tfrc "$TF_ACC_TERRAFORM_PATH" providers schema -json >"$1/schema.json"
' sh "$work"

if [ -d examples ]; then
  tools/testenv.sh sh -c '"$TF_ACC_TERRAFORM_PATH" fmt -recursive examples'
fi

"$root/.tools/bin/tfplugindocs" generate --provider-name nhi --providers-schema "$work/schema.json"
