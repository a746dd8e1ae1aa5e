#!/usr/bin/env bash
# The files that are generated from the code, as hack/generated.list names them.
#   hack/generated.sh write   writes them
#   hack/generated.sh check   fails, with the difference, when one is not what the program prints
set -euo pipefail
# shellcheck source=hack/lib.sh
source "$(dirname "$0")/lib.sh"

mode=${1:-}
[[ $mode == write || $mode == check ]] || die "say what to do: write or check"
cd "$root"

draft=$(mktemp -d)
trap 'rm -rf "$draft"' EXIT
stale=()

while read -r file arguments; do
  [[ -z $file || $file == \#* ]] && continue
  read -ra words <<<"$arguments"
  # Printed beside and moved in place: a program that fails half way must not leave half a file.
  cargo run --quiet -- "${words[@]}" </dev/null >"$draft/printed"
  if [[ $mode == write ]]; then
    mkdir -p "$(dirname "$file")"
    cat "$draft/printed" >"$file"
  elif ! diff -u --label "$file in git" --label "hatchway $arguments" "$file" "$draft/printed" >&2; then
    stale+=("$file")
  fi
done <hack/generated.list

((${#stale[@]} == 0)) || die "not what the program prints, run \`make manifests\` and commit: ${stale[*]}"
