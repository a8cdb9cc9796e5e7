#!/usr/bin/env bash
# What a pull request asks for: writes comment.md, and into requests/ one file
# for each request that waits. It changes nothing, and holds nothing that could.
set -euo pipefail

export NHI_READ_ONLY=1 # no credential is issued, whatever the change says
terraform plan -input=false -lock=false -out=plan.tfplan
terraform show -json plan.tfplan >plan.json

code=0
nhi show --plan plan.json --export requests --markdown >comment.md || code=$?
case $code in
  0) echo "nothing waits for a decision" ;;
  7) echo "comment.md says who has to decide" ;;
  *) exit "$code" ;; # 1: something will not be granted as it stands
esac
