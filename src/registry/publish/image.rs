//! Layers made into an image: config and manifest, the same bytes for the same layers.

use bytes::Bytes;
use oci_spec::image::{Descriptor, Digest, MediaType};
use serde_json::json;

use super::pack::Layer;
use crate::registry::manifest::this_arch;
use crate::registry::verify::sha256;

/// An image that is ready to be pushed.
#[derive(Debug)]
pub struct Image {
    pub(super) layer: Layer,
    pub(super) config: Bytes,
    pub(super) config_digest: Digest,
    pub(super) manifest: Bytes,
    /// The digest of its manifest.
    pub digest: Digest,
}

impl Image {
    /// An image of one layer. Its title and version stand in the manifest's annotations.
    pub fn new(
        layer: Layer,
        title: Option<&str>,
        version: Option<&str>,
    ) -> Result<Self, oci_spec::OciSpecError> {
        // No time and no history: they would make two images of the same files differ. Modules hold nothing that
        // depends on an architecture; the config has to name one all the same.
        let config = json!({
            "architecture": this_arch().to_string(),
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id.to_string()]},
        })
        .to_string();
        let config_digest: Digest = sha256(config.as_bytes()).parse()?;
        let mut manifest = json!({
            "schemaVersion": 2,
            "mediaType": MediaType::ImageManifest.to_string(),
            "config": {
                "mediaType": MediaType::ImageConfig.to_string(),
                "digest": config_digest.to_string(),
                "size": config.len(),
            },
            "layers": [{
                "mediaType": MediaType::ImageLayerGzip.to_string(),
                "digest": layer.digest.to_string(),
                "size": layer.size,
            }],
        });
        for (key, value) in [("title", title), ("version", version)] {
            if let Some(value) = value {
                manifest["annotations"][format!("org.opencontainers.image.{key}")] = value.into();
            }
        }
        let manifest = manifest.to_string();
        let digest: Digest = sha256(manifest.as_bytes()).parse()?;
        Ok(Self {
            layer,
            config: Bytes::from(config),
            config_digest,
            manifest: Bytes::from(manifest),
            digest,
        })
    }

    pub(super) fn descriptor(&self) -> Descriptor {
        Descriptor::new(
            MediaType::ImageManifest,
            self.manifest.len() as u64,
            self.digest.clone(),
        )
    }
}
