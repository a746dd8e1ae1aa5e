//! Who takes part: each brings an image into a new folder, durably.

use crate::images::Image;
use crate::registry::{Pushed, REPOSITORY, Registry, tool};
use std::env;
use std::path::Path;

pub const OURS: &str = "hatchway";
pub const PIPE: &str = "pipe";
pub const CRANE: &str = "crane";
pub const SKOPEO: &str = "skopeo";

/// The pipe that does the same work: the digest is computed on the way and compared, and all is on disk in the end.
/// It is told the layers' digests, so it need not ask for the manifest. `wait` sees to it that the CPU of what computes
/// the digest is counted.
const PIPE_SCRIPT: &str = r#"
for digest; do
  exec {sum}> >(sha256sum >"$into.sum")
  hasher=$!
  curl -fsS "http://$host/v2/$repository/blobs/$digest" | tee "/dev/fd/$sum" | $decompress -dc | tar x -C "$into"
  exec {sum}>&-
  wait "$hasher"
  read -r found _ <"$into.sum"
  [[ sha256:$found == "$digest" ]]
  apply_whiteouts "$@"
done
"#;

/// Layers, whiteouts and all, are crane's business.
const CRANE_SCRIPT: &str = r#"
"$crane" export "$reference" - | tar x -C "$into"
"#;

/// skopeo checks digests and writes compressed layers, which then are unpacked.
const SKOPEO_SCRIPT: &str = r#"
skopeo --insecure-policy copy --quiet --src-tls-verify=false "docker://$reference" "oci:$into.layout:image"
for digest; do
  $decompress -dc <"$into.layout/blobs/sha256/${digest#sha256:}" | tar x -C "$into"
  apply_whiteouts "$@"
done
rm -r "$into.layout"
"#;

/// Whiteouts as simple as can be, right for these images: what is hidden does not come again in the same layer.
const BEFORE: &str = r#"
set -euo pipefail
into=$1 host=$2 repository=$3 reference=$4 decompress=$5 crane=$6
shift 6
apply_whiteouts() {
  (($# > 1)) || return 0
  find "$into" -name '.wh.*' -print0 | sed -z 'p; s|/\.wh\.\([^/]*\)$|/\1|' | xargs -0r rm -rf
}
mkdir "$into"
"#;

const AFTER: &str = r#"
sync -f "$into"
"#;

/// The ways of this run: our program, another build of it where `HATCHWAY_BENCH_OTHER` names one, and the others.
pub fn all() -> Vec<&'static str> {
    let mut ways = vec![OURS];
    if env::var_os("HATCHWAY_BENCH_OTHER").is_some() {
        ways.push("other");
    }
    ways.extend([PIPE, CRANE, SKOPEO]);
    ways
}

/// The command that brings the image into `target`, which is not there yet.
pub fn command(
    way: &str,
    registry: &Registry,
    image: &Image,
    pushed: &Pushed,
    target: &Path,
) -> anyhow::Result<Vec<String>> {
    let target = target.display().to_string();
    let reference = registry.reference(image);
    let program = |variable: &str| anyhow::Ok(tool(variable)?.display().to_string());
    let script = match way {
        PIPE => PIPE_SCRIPT,
        CRANE => CRANE_SCRIPT,
        SKOPEO => SKOPEO_SCRIPT,
        build => {
            let variable = if build == OURS {
                "HATCHWAY_BENCH_BINARY"
            } else {
                "HATCHWAY_BENCH_OTHER"
            };
            let words = ["registry", "pull", &reference, &target];
            return Ok([program(variable)?]
                .into_iter()
                .chain(words.map(str::to_owned))
                .collect());
        }
    };
    let decompress = if image.name.ends_with("zstd") {
        "zstd"
    } else {
        "pigz"
    };
    let fixed = [
        "bash".to_owned(),
        "-c".to_owned(),
        format!("{BEFORE}{script}{AFTER}"),
        way.to_owned(),
        target,
        registry.host.clone(),
        REPOSITORY.to_owned(),
        reference,
        decompress.to_owned(),
        program("HATCHWAY_BENCH_CRANE")?,
    ];
    Ok(fixed.into_iter().chain(pushed.layers.iter().cloned()).collect())
}
