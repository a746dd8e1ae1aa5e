#!/usr/bin/env bash
# Prints the path of a program from the crate registry, building it into the cache the first time.
#   hack/cargo-tool.sh cargo-deny VERSION
set -euo pipefail
# shellcheck source=hack/lib.sh
source "$(dirname "$0")/lib.sh"

crate=$1 version=$2

# Optimising a tool that runs for a second costs more than it saves: cargo-deny takes 43 s to build without, 96 s at
# level 1, and longer with its own profile (link-time optimisation over everything).
build() {
  CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=0 \
    CARGO_PROFILE_RELEASE_DEBUG=false CARGO_TARGET_DIR=$1/target \
    nice cargo install --quiet --locked --root "$1" "$crate@$version" >&2
  rm -rf "$1/target"
}

cached "$crate-$version" build
echo "$cache/$crate-$version/bin/$crate"
