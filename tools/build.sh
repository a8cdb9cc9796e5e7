#!/usr/bin/env bash
# Builds pinned tools into .tools/bin: tools/build.sh NAME...
#
# tools/NAME is a Go module. Its go.mod pins the version, its `tool` line names
# the package (without one, the folder itself is the package), and its file
# `buildflags` holds one flag of `go build` per line (@VERSION@ is replaced).
# The binary is called NAME.
#
# Built binaries live in a cache outside the checkout, $NHI_TOOLS_CACHE or
# ~/.cache/nhi-tools, so that every checkout of one machine shares them. The
# file name there holds the version and a checksum of what was built, so a
# tool that is there is never built again and a changed pin is never missed.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
bin=$root/.tools/bin

# cache_dir prints the folder of built tools; it falls back to the checkout.
cache_dir() {
  local dir=${NHI_TOOLS_CACHE:-${HOME:+$HOME/.cache/nhi-tools}}
  if [ -z "$dir" ] || ! mkdir -p "$dir" 2>/dev/null || [ ! -w "$dir" ]; then
    dir=$root/.tools/cache
    mkdir -p "$dir"
  fi
  (cd "$dir" && pwd)
}

# tool_package prints the package that the go.mod in this folder pins.
tool_package() {
  local package
  package=$(awk '$1 == "tool" && $2 != "(" { print $2; exit }' go.mod)
  echo "${package:-.}"
}

# tool_version prints the version of the module that provides package $1:
# the longest required module path that the package path starts with.
tool_version() {
  awk -v package="$1" '
    $1 == "require" && $2 != "(" { $1 = $2; $2 = $3 }
    $2 ~ /^v[0-9]/ && index(package "/", $1 "/") == 1 && length($1) > length(best) {
      best = $1; version = $2
    }
    END { print version == "" ? "v0" : version }' go.mod
}

# content_sum prints a checksum of everything in this folder.
content_sum() {
  find . -type f | LC_ALL=C sort | xargs cat | cksum | tr -d ' \n'
}

build_tool() {
  local name=$1 package version go_version file
  cd "$root/tools/$name"
  package=$(tool_package)
  version=$(tool_version "$package")
  go_version=$(go env GOVERSION | cut -d. -f1,2)
  file=$cache/$name-$version-$go_version-$(go env GOHOSTOS)-$(go env GOHOSTARCH)-$(content_sum)

  if [ ! -x "$file" ]; then
    compile "$name" "$package" "$version" "$file"
  fi
  ln -sfn "$file" "$bin/$name"
}

compile() {
  local name=$1 package=$2 version=$3 file=$4 line flags=()
  local started=$SECONDS
  while IFS= read -r line; do
    [ -z "$line" ] || flags+=("${line//@VERSION@/${version#v}}")
  done < <(cat buildflags 2>/dev/null)

  echo "building $name $version (once, this can take minutes)" >&2
  if ! env -u GOOS -u GOARCH GOFLAGS= GOWORK=off CGO_ENABLED=0 \
    go build -buildvcs=false -trimpath ${flags[@]+"${flags[@]}"} -o "$file.$$" "$package"; then
    rm -f "$file.$$"
    echo "tools: $name $version could not be built" >&2
    return 1
  fi
  mv "$file.$$" "$file"
  echo "built $name $version in $((SECONDS - started))s" >&2
}

if [ $# -eq 0 ]; then
  echo "usage: tools/build.sh NAME..." >&2
  exit 2
fi

cache=$(cache_dir)
mkdir -p "$bin"

# One build at a time: two would share the same cores and finish no sooner.
if command -v flock >/dev/null; then
  exec 9>"$cache/.lock"
  flock 9
fi
for name in "$@"; do
  (build_tool "$name") 9>&-
done
