#!/usr/bin/env bash
# The real parts that the tests run against: an API server with its etcd and kubectl, registries, a registry client.
#   hack/parts.sh install [PART...]   makes or installs what is missing: all, or assets, registry, crane, debian_registry
#   hack/parts.sh paths               prints NAME=PATH lines, makes nothing; a variable of that name, when set, wins
set -euo pipefail
# shellcheck source=hack/lib.sh
source "$(dirname "$0")/lib.sh"

tools=$root/tests/tools

# The versions are those of the modules' go.mod; the programs only learn theirs from the linker.
module_version() { awk -v module="$2" '$1 == module { print $2; exit } $2 == module { print $3; exit }' "$tools/$1/go.mod"; }

kubernetes=$(module_version kube-apiserver k8s.io/kubernetes)
distribution=$(module_version registry github.com/distribution/distribution/v3)
crane=$(module_version crane github.com/google/go-containerregistry)
minor=${kubernetes#v*.}
minor=${minor%%.*}

version=k8s.io/component-base/version
kubernetes_flags="-X $version.gitVersion=$kubernetes -X $version.gitMajor=1 -X $version.gitMinor=$minor -X $version.gitTreeState=clean"
distribution_flags="-X github.com/distribution/distribution/v3/version.version=$distribution"
crane_flags="-X github.com/google/go-containerregistry/cmd/crane/cmd.Version=$crane"

sums() { checksum "$tools/$1/go.mod" "$tools/$1/go.sum" "${@:2}"; }

assets_entry=assets-$(checksum "$tools"/{kube-apiserver,etcd}/go.{mod,sum} "$kubernetes_flags")
registry_entry=registry-$(sums registry "$distribution_flags")
crane_entry=crane-$(sums crane "$crane_flags")
debian_registry_entry=docker-registry-debian-$(uname -m)

# The three programs in one folder, as KUBEBUILDER_ASSETS has them. kubectl comes out of the same module: Debian's is
# six years old and has no `create token`, and with the server's packages built it takes 25 seconds.
assets() {
  "$root"/hack/go-tool.sh kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver "$kubernetes_flags" "$1/kube-apiserver"
  "$root"/hack/go-tool.sh kube-apiserver k8s.io/kubernetes/cmd/kubectl "$kubernetes_flags" "$1/kubectl"
  "$root"/hack/go-tool.sh etcd go.etcd.io/etcd/server/v3 "" "$1/etcd"
}

registry() {
  "$root"/hack/go-tool.sh registry github.com/distribution/distribution/v3/cmd/registry "$distribution_flags" "$1/registry"
}

crane() {
  "$root"/hack/go-tool.sh crane github.com/google/go-containerregistry/cmd/crane "$crane_flags" "$1/crane"
}

# Unpacked, not installed: the package starts a registry on port 5000 as a service of the machine.
debian_registry() {
  local into=$1
  have apt-get || die "docker-registry is missing and this is not Debian: install it, version 2.8"
  (
    cd "$into"
    if ! apt-get -qq download docker-registry 2>/dev/null; then
      [[ $(id -u) == 0 ]] || die "the package lists are old, run: sudo apt-get update"
      apt-get -qq -o DPkg::Lock::Timeout=300 update
      apt-get -qq download docker-registry
    fi
    dpkg-deb -x docker-registry_*.deb package
    mv package/usr/bin/docker-registry .
    rm -r package docker-registry_*.deb
  ) >&2
}

case ${1:-} in
install)
  parts=("${@:2}")
  wanted() { ((${#parts[@]} == 0)) || [[ " ${parts[*]} " == *" $1 "* ]]; }
  "$root"/hack/debian.sh skopeo umoci pigz zstd
  [[ ${KUBEBUILDER_ASSETS:-} ]] || ! wanted assets || cached "$assets_entry" assets
  [[ ${HATCHWAY_TEST_REGISTRY:-} ]] || ! wanted registry || cached "$registry_entry" registry
  [[ ${HATCHWAY_TEST_CRANE:-} ]] || ! wanted crane || cached "$crane_entry" crane
  [[ ${HATCHWAY_TEST_DOCKER_REGISTRY:-} ]] || have docker-registry || ! wanted debian_registry ||
    cached "$debian_registry_entry" debian_registry
  ;;
paths)
  echo "KUBEBUILDER_ASSETS=${KUBEBUILDER_ASSETS:-$cache/$assets_entry}"
  echo "HATCHWAY_TEST_REGISTRY=${HATCHWAY_TEST_REGISTRY:-$cache/$registry_entry/registry}"
  echo "HATCHWAY_TEST_CRANE=${HATCHWAY_TEST_CRANE:-$cache/$crane_entry/crane}"
  echo "HATCHWAY_TEST_DOCKER_REGISTRY=${HATCHWAY_TEST_DOCKER_REGISTRY:-$(command -v docker-registry || echo "$cache/$debian_registry_entry/docker-registry")}"
  ;;
*) die "say what to do: install or paths" ;;
esac
