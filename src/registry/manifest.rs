//! Manifests and indexes, OCI's and Docker's: read once, strictly where they decide what is pulled.

use oci_spec::image::{Arch, Descriptor, Digest, ImageIndex, ImageManifest, MediaType, Os};
use serde::Deserialize;

/// What a manifest request accepts, best first.
pub(super) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// The longest manifest that is read, in bytes: what registries themselves accept.
pub(super) const MANIFEST: usize = 4 * 1024 * 1024;
/// Layers that one image may have; Docker stops at 127.
const LAYERS: usize = 256;

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// An image that was asked for, found and checked: what a pull is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// What the reference stands for: the digest of its manifest, or of its index. Compare this one with a HEAD's.
    pub digest: Digest,
    /// The digest of the manifest itself, which for an index is the platform's.
    pub manifest_digest: Digest,
    /// The manifest.
    pub manifest: ImageManifest,
    /// Its layers, the lowest first.
    pub layers: Vec<Descriptor>,
}

/// A document under a tag or a digest.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Document {
    Manifest(Box<ImageManifest>),
    Index(Box<ImageIndex>),
}

/// Reads a document. What it is, its own `mediaType` says, or else the content type; where both speak, they must
/// agree, and no document may be both: whoever checked the one must not have pulled the other.
pub(super) fn read(content_type: Option<&str>, body: &[u8]) -> Result<Document, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Shape {
        schema_version: Option<u64>,
        media_type: Option<String>,
        manifests: Option<serde::de::IgnoredAny>,
        layers: Option<serde::de::IgnoredAny>,
        fs_layers: Option<serde::de::IgnoredAny>,
    }
    let malformed = |error: serde_json::Error| format!("malformed manifest: {error}");
    let shape: Shape = serde_json::from_slice(body).map_err(malformed)?;
    if shape.schema_version == Some(1) || shape.fs_layers.is_some() {
        return Err(
            "the manifest is of Docker's old schema 1, which is not supported: push the image again"
                .to_owned(),
        );
    }
    if shape.manifests.is_some() && shape.layers.is_some() {
        return Err("the manifest is both an image and an index".to_owned());
    }
    let told = content_type.map(|value| value.split(';').next().unwrap_or_default().trim());
    let (by_header, by_body) = (
        told.and_then(is_index),
        shape.media_type.as_deref().and_then(is_index),
    );
    if let (Some(header), Some(body)) = (by_header, by_body)
        && header != body
    {
        return Err(format!(
            "content type \"{}\" does not fit the manifest's mediaType \"{}\"",
            told.unwrap_or_default(),
            shape.media_type.unwrap_or_default()
        ));
    }
    if let (Some(other), None) = (&shape.media_type, by_body) {
        return Err(format!("unsupported manifest type \"{other}\""));
    }
    let index = by_body.or(by_header).unwrap_or(shape.manifests.is_some());
    let document = if index {
        Document::Index(Box::new(serde_json::from_slice(body).map_err(malformed)?))
    } else {
        Document::Manifest(Box::new(serde_json::from_slice(body).map_err(malformed)?))
    };
    check(&document)?;
    Ok(document)
}

/// The manifest of an index for this machine: `linux` and this architecture; an index of one entry without a platform
/// is that entry.
pub(super) fn choose(index: &ImageIndex) -> Result<&Descriptor, String> {
    let arch = this_arch();
    let fits = |descriptor: &&Descriptor| {
        descriptor
            .platform()
            .as_ref()
            .is_some_and(|p| *p.os() == Os::Linux && *p.architecture() == arch)
    };
    // Without a variant first: it runs everywhere.
    let plain = |descriptor: &&Descriptor| {
        descriptor
            .platform()
            .as_ref()
            .is_some_and(|p| p.variant().is_none())
    };
    if let Some(found) = index
        .manifests()
        .iter()
        .filter(fits)
        .find(plain)
        .or_else(|| index.manifests().iter().find(fits))
    {
        return Ok(found);
    }
    if let [only] = index.manifests().as_slice()
        && only.platform().is_none()
    {
        return Ok(only);
    }
    let offered: Vec<_> = index
        .manifests()
        .iter()
        .filter_map(|descriptor| descriptor.platform().as_ref())
        .map(|p| format!("{}/{}", p.os(), p.architecture()))
        .take(16)
        .collect();
    Err(format!(
        "no image for linux/{arch} in the index, it has: {}",
        offered.join(", ")
    ))
}

/// This machine's architecture as images name it.
pub(super) fn this_arch() -> Arch {
    match std::env::consts::ARCH {
        "x86_64" => Arch::Amd64,
        "aarch64" => Arch::ARM64,
        "x86" => Arch::i386,
        "powerpc64" if cfg!(target_endian = "little") => Arch::PowerPC64le,
        "loongarch64" => Arch::Other("loong64".to_owned()),
        other => Arch::from(other),
    }
}

fn is_index(media_type: &str) -> Option<bool> {
    match MediaType::from(media_type) {
        MediaType::ImageIndex => Some(true),
        MediaType::ImageManifest => Some(false),
        _ if media_type == DOCKER_LIST => Some(true),
        _ if media_type == DOCKER_MANIFEST => Some(false),
        _ => None,
    }
}

fn check(document: &Document) -> Result<(), String> {
    match document {
        Document::Manifest(manifest) => {
            if manifest.layers().len() > LAYERS {
                return Err(format!(
                    "the image has {} layers, more than {LAYERS}",
                    manifest.layers().len()
                ));
            }
            manifest.layers().iter().try_for_each(check_layer)
        }
        Document::Index(_) => Ok(()),
    }
}

/// Whether a layer's type is a tar file, plain or packed by gzip or zstd. What the bytes are, they say themselves.
fn check_layer(layer: &Descriptor) -> Result<(), String> {
    let known = match layer.media_type() {
        MediaType::ImageLayer | MediaType::ImageLayerGzip | MediaType::ImageLayerZstd => true,
        MediaType::Other(name) => matches!(
            name.as_str(),
            "application/vnd.docker.image.rootfs.diff.tar"
                | "application/vnd.docker.image.rootfs.diff.tar.gzip"
                | "application/vnd.docker.image.rootfs.diff.tar.zstd"
        ),
        _ => false,
    };
    if known {
        Ok(())
    } else {
        Err(format!(
            "layer {} has the unsupported type \"{}\"",
            layer.digest(),
            layer.media_type()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
    const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

    fn descriptor(media_type: &str) -> String {
        format!(
            r#"{{"mediaType":"{media_type}","digest":"sha256:{}","size":3}}"#,
            "a".repeat(64)
        )
    }

    fn image(media_type: Option<&str>, layer: &str) -> String {
        let own = media_type
            .map(|m| format!(r#""mediaType":"{m}","#))
            .unwrap_or_default();
        format!(
            r#"{{"schemaVersion":2,{own}"config":{},"layers":[{}]}}"#,
            descriptor("application/vnd.oci.image.config.v1+json"),
            descriptor(layer)
        )
    }

    #[test]
    fn reads_images_of_both_families() {
        let gzip = "application/vnd.docker.image.rootfs.diff.tar.gzip";
        for (header, own) in [
            (Some(OCI), Some(OCI)),
            (Some(OCI), None),
            (None, Some(OCI)),
            (None, None),
            (Some("application/json; charset=utf-8"), Some(DOCKER_MANIFEST)),
            (Some(DOCKER_MANIFEST), Some(DOCKER_MANIFEST)),
        ] {
            let read = read(header, image(own, gzip).as_bytes());
            assert!(
                matches!(read, Ok(Document::Manifest(_))),
                "{header:?} {own:?}: {read:?}"
            );
        }
        let index = r#"{"schemaVersion":2,"manifests":[]}"#;
        for header in [Some(OCI_INDEX), Some(DOCKER_LIST), None] {
            assert!(
                matches!(read(header, index.as_bytes()), Ok(Document::Index(_))),
                "{header:?}"
            );
        }
    }

    #[test]
    fn refuses_what_is_not_one_thing() {
        let plain = "application/vnd.oci.image.layer.v1.tar";
        let cases = [
            (Some(OCI_INDEX), image(Some(OCI), plain), "does not fit"),
            (
                None,
                image(None, plain).replacen('{', r#"{"manifests":[],"#, 1),
                "both an image and an index",
            ),
            (
                None,
                r#"{"schemaVersion":1,"fsLayers":[]}"#.to_owned(),
                "schema 1",
            ),
            (
                None,
                image(Some("application/x"), plain),
                "unsupported manifest type \"application/x\"",
            ),
            (
                Some(OCI),
                image(None, "text/html"),
                "unsupported type \"text/html\"",
            ),
            (
                Some(OCI),
                image(None, "application/vnd.oci.image.layer.nondistributable.v1.tar"),
                "unsupported type",
            ),
            (Some("text/html"), "<html>".to_owned(), "malformed manifest"),
            (Some(OCI), "{}".to_owned(), "malformed manifest"),
            (
                Some(OCI),
                image(None, plain).replace("sha256:a", "sha256:A"),
                "malformed manifest",
            ),
            (
                Some(OCI),
                image(None, plain).replace("\"size\":3", "\"size\":-3"),
                "malformed manifest",
            ),
        ];
        for (header, body, expected) in cases {
            let error = read(header, body.as_bytes()).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn chooses_this_machines_image() {
        let entry = |tag: char, platform: &str| {
            format!(
                r#"{{"mediaType":"{OCI}","digest":"sha256:{}","size":1{platform}}}"#,
                String::from(tag).repeat(64)
            )
        };
        let platform = |os: &str, arch: &str, more: &str| {
            format!(r#","platform":{{"os":"{os}","architecture":"{arch}"{more}}}"#)
        };
        let arch = this_arch().to_string();
        let index = |entries: &[String]| -> ImageIndex {
            serde_json::from_str(&format!(
                r#"{{"schemaVersion":2,"manifests":[{}]}}"#,
                entries.join(",")
            ))
            .unwrap()
        };
        let full = index(&[
            entry('a', &platform("windows", &arch, "")),
            entry('b', &platform("linux", &arch, r#","variant":"v3""#)),
            entry('c', &platform("linux", &arch, "")),
            entry('d', &platform("unknown", "unknown", "")),
        ]);
        assert_eq!(choose(&full).unwrap().digest().digest(), "c".repeat(64));
        assert_eq!(
            choose(&index(&[entry('e', "")])).unwrap().digest().digest(),
            "e".repeat(64)
        );
        let other = index(&[entry('a', &platform("linux", "s390x", "")), entry('e', "")]);
        assert_eq!(
            choose(&other).unwrap_err(),
            format!("no image for linux/{arch} in the index, it has: linux/s390x")
        );
    }

    proptest! {
        #[test]
        fn survives_any_bytes(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(None, &body);
        }
    }
}
