#!/usr/bin/env bash
# Checks format, go vet, a tidy go.mod and .golangci.yml.
set -euo pipefail
cd "$(dirname "$0")/.."

unformatted=$(gofmt -l .)
if [ -n "$unformatted" ]; then
  echo "lint: not formatted with gofmt:" >&2
  echo "$unformatted" >&2
  exit 1
fi
go mod tidy -diff
go vet ./...
.tools/bin/golangci-lint run
