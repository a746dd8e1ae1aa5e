#!/usr/bin/env bash
# Writes an OCI image layout that holds one static binary, without a daemon:
#   hack/image.sh [FOLDER]      default: target/image
# The tag is the version in Cargo.toml. Push it with skopeo: skopeo copy oci:target/image:0.1.0 docker://…
# HATCHWAY_IMAGE_PROFILE chooses cargo's profile (default: release). The same commit gives the same digest.
# HATCHWAY_IMAGE_BINARY names a program to pack instead of building one.
set -euo pipefail
# shellcheck source=hack/lib.sh
source "$(dirname "$0")/lib.sh"
cd "$root"

layout=${1:-target/image}
profile=${HATCHWAY_IMAGE_PROFILE:-release}
processor=$(uname -m)
triple=$processor-unknown-linux-musl
case $processor in
x86_64) architecture=amd64 ;;
aarch64) architecture=arm64 ;;
*) die "no static target for $processor, only for x86_64 and aarch64" ;;
esac
said() { sed -n "s/^$1 = \"\(.*\)\"/\1/p" Cargo.toml | head -1; }
version=$(said version)
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
created=$(date -u -d "@$epoch" +%Y-%m-%dT%H:%M:%SZ)

# The certificate authorities of the world, for registries that have no `ca` of their own.
roots=/etc/ssl/certs/ca-certificates.crt

wanted=(umoci "$roots=ca-certificates")
[[ ${HATCHWAY_IMAGE_BINARY:-} ]] || wanted+=(musl-gcc=musl-tools)
"$root"/hack/debian.sh "${wanted[@]}"

if [[ ! ${HATCHWAY_IMAGE_BINARY:-} ]]; then
  if have rustup; then
    rustup target add "$triple" >&2
  fi
  # ring, zstd and mimalloc bring C code, which has to be compiled against musl too.
  env "CC_${triple//-/_}=musl-gcc" cargo build --locked --profile "$profile" --target "$triple" --bin hatchway
  folder=$profile
  [[ $profile == dev ]] && folder=debug
fi
binary=${HATCHWAY_IMAGE_BINARY:-${CARGO_TARGET_DIR:-target}/$triple/${folder:-}/hatchway}

draft=$(mktemp -d)
trap 'rm -rf "$draft"' EXIT
image=$draft/layout:$version
history=(--history.created "$created" --history.created_by hack/image.sh)

umoci init --layout "$draft/layout"
umoci new --image "$image"

# layer NAME UID PATH... : the paths in $draft/NAME as a layer. umoci's own `insert` leaves out the padding and the end
# of the archive, which not everybody forgives.
layer() {
  local name=$1 owner=$2
  shift 2
  tar --create --file "$draft/$name.tar" --directory "$draft/$name" --format gnu --sort name --no-recursion \
    --owner "$owner" --group "$owner" --numeric-owner --mtime "@$epoch" "$@"
  umoci raw add-layer --image "$image" "${history[@]}" "$draft/$name.tar"
}

install -D -m 644 "$roots" "$draft/roots$roots"
layer roots 0 "$(dirname "${roots#/}")" "${roots#/}"
# Where modules go, unless a volume is mounted there.
install -d "$draft/modules/var/lib/hatchway"
layer modules 65532 var/lib/hatchway
install -D -m 755 "$binary" "$draft/program/usr/bin/hatchway"
layer program 0 usr/bin usr/bin/hatchway

umoci config --image "$image" "${history[@]}" --created "$created" --os linux --architecture "$architecture" \
  --config.user 65532:65532 --config.workingdir / --config.env PATH=/usr/bin \
  --config.entrypoint /usr/bin/hatchway --config.cmd serve \
  --config.label "org.opencontainers.image.title=hatchway" --config.label "org.opencontainers.image.version=$version" \
  --config.label "org.opencontainers.image.description=$(said description)" \
  --config.label "org.opencontainers.image.licenses=$(said license)"
umoci gc --layout "$draft/layout"

mkdir -p "$(dirname "$layout")"
rm -rf "$layout"
mv "$draft/layout" "$layout"
say "image hatchway:$version ($(du -sh "$layout" | cut -f1)) in $layout"
