#!/usr/bin/env bash
# Installs Debian packages, each only when the command, or the file with its full path, that it is wanted for is missing.
#   hack/debian.sh COMMAND-OR-FILE[=PACKAGE]...
# Needs root for what is missing; without root it names the packages and stops.
set -euo pipefail
# shellcheck source=hack/lib.sh
source "$(dirname "$0")/lib.sh"

packages=()
for wanted; do
  have "${wanted%%=*}" || [[ -f ${wanted%%=*} ]] || packages+=("${wanted#*=}")
done
((${#packages[@]})) || exit 0

have apt-get || die "these programs are missing and this is not Debian, install them in your system's way: ${packages[*]}"
[[ $(id -u) == 0 ]] || die "missing packages, run: sudo apt-get install --no-install-recommends ${packages[*]}"

say "installing Debian packages: ${packages[*]}"
export DEBIAN_FRONTEND=noninteractive
# Another apt-get on the machine holds the lock for a moment: wait instead of failing.
apt=(apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "${packages[@]}"; } </dev/null >"$log" 2>&1; then
  cat "$log" >&2
  die "apt-get could not install ${packages[*]}"
fi
