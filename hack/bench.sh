#!/usr/bin/env bash
# Builds the program, the benchmarks and their peers, and measures them in one run: reviews, a cluster, pulls.
#   hack/bench.sh [SUITE] [WORD...]   only that suite (admission, cluster, pulls); only what has one of the words in its name
set -euo pipefail
# shellcheck source=hack/lib.sh
source "$(dirname "$0")/lib.sh"
cd "$root"

suites=(admission cluster pulls)
case ${1:-} in
admission | cluster | pulls)
  suites=("$1")
  shift
  ;;
esac

target=${CARGO_TARGET_DIR:-$root/target}
cargo build --locked --release --package hatchway --bin hatchway
cargo build --locked --release --package hatchway-benches
export HATCHWAY_BENCH_BINARY=${HATCHWAY_BENCH_BINARY:-$target/release/hatchway}

peer=benches/peers/controller-runtime
peer_entry=bench-controller-runtime-$(checksum "$peer"/go.{mod,sum} "$peer"/*.go)

peer() { "$root"/hack/go-tool.sh "../../$peer" . "" "$1/webhook"; }

admission() {
  if [[ ! ${HATCHWAY_BENCH_CONTROLLER_RUNTIME:-} ]]; then
    if have go; then
      cached "$peer_entry" peer
      export HATCHWAY_BENCH_CONTROLLER_RUNTIME=$cache/$peer_entry/webhook
    else
      say "without the webhook in Go: there is no go"
    fi
  fi
  "$target/release/admission" "$@"
}

# The control plane is that of the tests.
cluster() {
  hack/parts.sh install assets
  local part
  while IFS= read -r part; do
    case $part in
    KUBEBUILDER_ASSETS=*) export KUBEBUILDER_ASSETS=${part#*=} ;;
    esac
  done < <(hack/parts.sh paths)
  "$target/release/cluster" "$@"
}

# The registry and crane are those of the tests; the pipe needs the rest.
pulls() {
  hack/debian.sh curl pigz skopeo zstd
  hack/parts.sh install registry crane
  local part
  while IFS= read -r part; do
    case $part in
    HATCHWAY_TEST_REGISTRY=* | HATCHWAY_TEST_CRANE=*) export "${part/_TEST_/_BENCH_}" ;;
    esac
  done < <(hack/parts.sh paths)
  "$target/release/pulls" "$@"
}

for suite in "${suites[@]}"; do "$suite" "$@"; done
