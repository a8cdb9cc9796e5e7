#!/usr/bin/env bash
# The long campaign of case 1: tools/killtest.sh ROUNDS. Terraform is killed in
# the middle of creating 300 accesses, ROUNDS times, and the next apply must adopt
# all of them. The last line is `kills N, orphans 0, duplicates 0, lost 0`.
set -euo pipefail
cd "$(dirname "$0")/.."

out=$(mktemp)
trap 'rm -f "$out"' EXIT

status=0
# TESTARGS is a list of flags, so it is split on purpose.
# shellcheck disable=SC2086
NHI_REQUIRE_SERVERS=1 NHI_KILL_ROUNDS=$1 tools/testenv.sh go test -count=1 -timeout 6h -v -run '^TestCase01' \
  ${TESTARGS:-} ./internal/provider | tee "$out" || status=$?
grep '^kills ' "$out" | tail -n 1
exit $status
