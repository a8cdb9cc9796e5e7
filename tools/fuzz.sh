#!/usr/bin/env bash
# Runs every fuzz target of the module one after another, FUZZTIME each.
set -euo pipefail
cd "$(dirname "$0")/.."

# `go test -list` prints the names of a package, then the line "ok PACKAGE".
targets=$(go test -list '^Fuzz' ./... | awk '
  /^Fuzz/ { names[++n] = $1 }
  $1 == "ok" { for (i = 1; i <= n; i++) print $2, names[i]; n = 0 }')

if [ -z "$targets" ]; then
  echo "fuzz: no fuzz targets"
  exit 0
fi

status=0
while read -r package name; do
  echo "--- $name in $package"
  go test -run '^$' -fuzz "^$name\$" -fuzztime "${FUZZTIME:-30s}" "$package" </dev/null || status=1
done <<<"$targets"
exit $status
