#!/usr/bin/env bash
# Builds the server, the benchmarks and the peer in Go, and measures them in one run.
#   hack/bench.sh [WORD...]   only what has one of the words in its name
set -euo pipefail
# shellcheck source=hack/lib.sh
source "$(dirname "$0")/lib.sh"
cd "$root"

peer=benches/peers/controller-runtime
peer_entry=bench-controller-runtime-$(checksum "$peer"/go.{mod,sum} "$peer"/*.go)

peer() { "$root"/hack/go-tool.sh "../../$peer" . "" "$1/webhook"; }

target=${CARGO_TARGET_DIR:-$root/target}
cargo build --locked --release --package hatchway --bin hatchway
cargo build --locked --release --package hatchway-benches
if [[ ! ${HATCHWAY_BENCH_CONTROLLER_RUNTIME:-} ]]; then
  if have go; then
    cached "$peer_entry" peer
    export HATCHWAY_BENCH_CONTROLLER_RUNTIME=$cache/$peer_entry/webhook
  else
    say "without the webhook in Go: there is no go"
  fi
fi
export HATCHWAY_BENCH_BINARY=${HATCHWAY_BENCH_BINARY:-$target/release/hatchway}
exec "$target/release/admission" "$@"
