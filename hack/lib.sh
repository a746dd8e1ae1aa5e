# What the scripts of this folder share. Sourced, not run.
# shellcheck shell=bash

# shellcheck disable=SC2034 # for those that source this
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Everything that takes long to make and is the same for every clone of the same commit. Not under target/, so that
# `cargo clean` and a fresh clone keep it. Each entry carries a checksum or a version in its name: entries are made
# once and never changed, and any of them may be deleted at any time.
cache=${HATCHWAY_CACHE:-${XDG_CACHE_HOME:-${HOME:?HOME is not set; set HATCHWAY_CACHE to a folder to build the test tools in}/.cache}/hatchway}

say() { printf '%s\n' "$*" >&2; }

die() {
  say "${0##*/}: $*"
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# checksum FILE|TEXT... : twelve characters that change when any of the files or texts does, and with the processor.
checksum() {
  local item
  {
    uname -m
    for item; do
      if [[ -f $item ]]; then cat "$item"; else printf '%s\n' "$item"; fi
    done
  } | sha256sum | cut -c1-12
}

# cached ENTRY COMMAND... : makes <cache>/ENTRY unless it is there, by running COMMAND with a folder to fill as its
# last argument. The folder gets its name only when it is complete, and one process at a time makes it: a second one,
# in another clone say, waits and finds it made.
cached() {
  local entry=$1 began=$SECONDS draft
  shift
  [[ -d $cache/$entry ]] && return 0
  mkdir -p "$cache"
  (
    if ! flock -n 9; then
      say "waiting for $entry, which another process is making"
      flock 9
    fi
    [[ -d $cache/$entry ]] && exit 0
    # What a maker that was killed left behind; nobody else drafts while the lock is ours.
    rm -rf "$cache/$entry".??????
    draft=$(mktemp -d "$cache/$entry.XXXXXX")
    trap 'rm -rf "$draft"' EXIT
    say "making $entry"
    "$@" "$draft"
    chmod 755 "$draft"
    mv -T "$draft" "$cache/$entry"
    trap - EXIT
    say "made $entry in $((SECONDS - began)) s"
  ) 9>"$cache/$entry.lock"
}
