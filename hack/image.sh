#!/usr/bin/env bash
# Writes an OCI image layout that holds one static binary, without a daemon:
#   hack/image.sh [FOLDER]      default: target/image
# The tag is the version in Cargo.toml. Push it with skopeo: skopeo copy oci:target/image:0.1.0 docker://…
# HATCHWAY_IMAGE_PROFILE chooses cargo's profile (default: release). The same commit gives the same digest.
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
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
created=$(date -u -d "@$epoch" +%Y-%m-%dT%H:%M:%SZ)

# The certificate authorities of the world, for registries that have no `ca` of their own.
roots=/etc/ssl/certs/ca-certificates.crt

"$root"/hack/debian.sh musl-gcc=musl-tools umoci "$roots=ca-certificates"
if have rustup; then
  rustup target add "$triple" >&2
fi

# ring, zstd and mimalloc bring C code, which has to be compiled against musl too.
env "CC_${triple//-/_}=musl-gcc" cargo build --locked --profile "$profile" --target "$triple" --bin hatchway
folder=$profile
[[ $profile == dev ]] && folder=debug
binary=${CARGO_TARGET_DIR:-target}/$triple/$folder/hatchway

draft=$(mktemp -d)
trap 'rm -rf "$draft"' EXIT
image=$draft/layout:$version

install -m 755 "$binary" "$draft/hatchway"
install -m 644 "$roots" "$draft/ca-certificates.crt"
touch -d "@$epoch" "$draft/hatchway" "$draft/ca-certificates.crt"

umoci init --layout "$draft/layout"
umoci new --image "$image"
history=(--history.created "$created" --history.created_by hack/image.sh)
umoci insert --rootless --image "$image" "${history[@]}" "$draft/ca-certificates.crt" "$roots"
umoci insert --rootless --image "$image" "${history[@]}" "$draft/hatchway" /usr/bin/hatchway
umoci config --image "$image" "${history[@]}" --created "$created" --os linux --architecture "$architecture" \
  --config.user 65532:65532 --config.workingdir / --config.env PATH=/usr/bin \
  --config.entrypoint /usr/bin/hatchway --config.cmd serve \
  --config.label "org.opencontainers.image.title=hatchway" --config.label "org.opencontainers.image.version=$version" \
  --config.label "org.opencontainers.image.licenses=Apache-2.0"
umoci gc --layout "$draft/layout"

mkdir -p "$(dirname "$layout")"
rm -rf "$layout"
mv "$draft/layout" "$layout"
say "image hatchway:$version ($(du -sh "$layout" | cut -f1)) in $layout"
