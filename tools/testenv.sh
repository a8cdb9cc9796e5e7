#!/usr/bin/env bash
# Runs a command with the environment that the tests and the demo expect:
#
#   tools/testenv.sh [--terraform | --terraform-next | --tofu] COMMAND...
#
# Without a flag: the Terraform on PATH, else the OpenTofu on PATH, else the
# pinned OpenTofu, which is built when it is missing, so Go is enough.
# With --terraform: Terraform only (exit 3 when there is none).
# With --terraform-next: the pinned newer Terraform only, which no other flag
# takes: what is on PATH is what people have.
# With --tofu: the pinned OpenTofu only.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)

# Ephemeral resources and write-only arguments need these.
min_terraform=1.11.0
min_tofu=1.11.0

# A person's own settings must not change what a test sees.
unset TF_WORKSPACE TF_DATA_DIR TF_PLUGIN_CACHE_DIR TF_CLI_ARGS TF_CLI_ARGS_plan TF_CLI_ARGS_apply TF_REATTACH_PROVIDERS
unset TF_ACC_TERRAFORM_VERSION TF_ACC_PROVIDER_HOST
export CHECKPOINT_DISABLE=1 TF_CLI_CONFIG_FILE=/dev/null

# usable FILE MINIMUM: is it a CLI of at least that version?
usable() {
  local found
  [ -x "$1" ] || return 1
  found=$("$1" version 2>/dev/null | sed -n '1s/^[A-Za-z]* v//p')
  [ -n "$found" ] || return 1
  if [ "$(printf '%s\n%s\n' "$2" "$found" | sort -V | head -n 1)" != "$2" ]; then
    echo "testenv: $1 is version $found, at least $2 is needed: not used" >&2
    return 1
  fi
}

# find_terraform prints the first usable Terraform.
find_terraform() {
  local file
  for file in "$(command -v terraform || true)" "$root/.tools/bin/terraform"; do
    if usable "$file" "$min_terraform"; then
      echo "$file"
      return
    fi
  done
  return 1
}

# pinned prints the pinned tool $1, which it builds when it is missing.
pinned() {
  "$root/tools/build.sh" "$1" >&2 && echo "$root/.tools/bin/$1"
}

find_tofu() {
  local file
  file=$(command -v tofu || true)
  if usable "$file" "$min_tofu"; then
    echo "$file"
  else
    pinned tofu
  fi
}

kind=any
case ${1:-} in
  --terraform) kind=terraform && shift ;;
  --terraform-next) kind=terraform-next && shift ;;
  --tofu) kind=tofu && shift ;;
esac
if [ $# -eq 0 ]; then
  echo "usage: tools/testenv.sh [--terraform | --terraform-next | --tofu] COMMAND..." >&2
  exit 2
fi

case $kind in
  any) cli=$(find_terraform) || { kind=tofu && cli=$(find_tofu); } ;;
  terraform) cli=$(find_terraform) || exit 3 ;;
  terraform-next | tofu) cli=$(pinned "$kind") ;;
esac

# terraform-plugin-testing wants the host for OpenTofu, and fails with
# Terraform when it is set.
if [ "$kind" = tofu ]; then
  export TF_ACC_PROVIDER_HOST=registry.opentofu.org
fi
export TF_ACC=1 TF_ACC_TERRAFORM_PATH=$cli NHI_DEMO_TERRAFORM=$cli

# Debian keeps sshd and PostgreSQL's server programs away from PATH.
PATH=$PATH:/usr/local/sbin:/usr/sbin
for dir in /usr/lib/postgresql/*/bin; do
  [ ! -d "$dir" ] || PATH=$PATH:$dir
done
export PATH

exec "$@"
