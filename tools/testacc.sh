#!/usr/bin/env bash
# Runs every test against real servers: tools/testacc.sh [CLI]
#
#   terraform        the whole suite with the Terraform on PATH
#   terraform-next   the provider's tests with the pinned newer Terraform
#   tofu             the provider's tests with the pinned OpenTofu
#   all              all of these (default); without a Terraform on PATH, the
#                    whole suite with OpenTofu
#
# A server that is missing is a failure here, never a skip.
set -euo pipefail
cd "$(dirname "$0")/.."

export NHI_REQUIRE_SERVERS=1
timeout=${TEST_TIMEOUT:-30m}
# How many workloads one plan holds in the test of scale, once.
workloads=200
# What is about the provider and its targets, and not about what a CLI makes of a
# plan, takes its time and runs with one CLI.
once=(-skip "^Test(Case|Threat|PullRequest|RemovalNeverWaits|Rebuild|ForgedPrivateState|LedgerStores|BreakGlass|KeysChange|PolicyClasses|Planted|Victims|Takeover|Vault|Promise(05|06|07|09|10|12|13))")
# Failpoints are in every test binary; the provider that tests start has them too.
tags=(-tags nhi_failpoints)

# suite CLI PACKAGES...
suite() {
  local cli=$1
  shift
  echo "--- testacc with $(tools/testenv.sh "--$cli" sh -c '"$TF_ACC_TERRAFORM_PATH" version' | head -n 1): $*"
  # TESTARGS is a list of flags, so it is split on purpose.
  # shellcheck disable=SC2086
  tools/testenv.sh "--$cli" go test "${tags[@]}" -count=1 -timeout "$timeout" ${TESTARGS:-} "$@"
}

case ${1:-all} in
  terraform) NHI_TEST_WORKLOADS=$workloads suite terraform ./... ;;
  terraform-next | tofu) suite "$1" "${once[@]}" ./internal/provider/... ;;
  all)
    if tools/testenv.sh --terraform true; then
      NHI_TEST_WORKLOADS=$workloads suite terraform ./...
      suite tofu "${once[@]}" ./internal/provider/...
    else
      echo "--- testacc: NOT RUN with a Terraform on PATH, because there is none: the whole suite runs with OpenTofu"
      NHI_TEST_WORKLOADS=$workloads suite tofu ./...
    fi
    suite terraform-next "${once[@]}" ./internal/provider/...
    ;;
  *)
    echo "usage: tools/testacc.sh [all|terraform|terraform-next|tofu]" >&2
    exit 2
    ;;
esac
