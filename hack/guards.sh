#!/usr/bin/env bash
# What the tree of dependencies must never hold, feature by feature; deny.toml looks at all features at once and cannot.
set -euo pipefail
# shellcheck source=hack/lib.sh
source "$(dirname "$0")/lib.sh"
cd "$root"

# forbid NAME... -- FLAGS OF cargo tree... : fails when one of the crates is in that tree, and shows who brings it.
forbid() {
  local names=() name tree
  while [[ $1 != -- ]]; do
    names+=("$1")
    shift
  done
  shift
  tree=$(cargo tree --locked -e normal,build --prefix none --format '{p}' "$@")
  for name in "${names[@]}"; do
    if grep -q "^$name v" <<<"$tree"; then
      cargo tree --locked -e normal,build -i "$name" "$@" >&2
      die "$name is in the tree of \`cargo build $*\`; see deny.toml for what to use instead"
    fi
  done
}

# One crypto provider per build: with two, rustls picks none and panics at the first handshake.
forbid openssl-sys native-tls aws-lc-sys -- --target all
forbid openssl-sys native-tls -- --target all --all-features
forbid ring -- --target all --no-default-features --features aws-lc-rs

cargo check --locked --quiet --no-default-features --features aws-lc-rs
