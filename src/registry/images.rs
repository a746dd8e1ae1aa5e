//! An image as `archive` reads it: who it is, and its layers as streams that open when their turn comes.

use std::collections::BTreeMap;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;

use super::blob::{self, PullError};
use super::manifest::Resolved;
use super::repository::{Name, Repository};
use crate::archive::{Image, Layer, Limits, Listed, ReadError, extract_files, list_entries};

/// Bytes of one file that is read out of an image.
const FILE: u64 = 4 << 20;

/// A layer's bytes on their way.
pub type LayerStream = Pin<Box<dyn Stream<Item = Result<Bytes, PullError>> + Send>>;

impl Repository {
    /// What messages call the image, and its digest.
    pub fn image(&self, name: &Name, resolved: &Resolved) -> Image {
        Image {
            reference: self.reference(name),
            digest: resolved.digest.to_string(),
        }
    }

    /// The image's layers, the lowest first. Each is taken up again where it breaks; whether it is what its digest says
    /// is left to `archive`, which looks at every byte anyway.
    pub fn layers(&self, resolved: &Resolved) -> Vec<Layer<LayerStream>> {
        let layers = resolved.layers.iter();
        layers
            .map(|descriptor| Layer {
                media_type: descriptor.media_type().to_string(),
                digest: descriptor.digest().to_string(),
                size: descriptor.size(),
                stream: Box::pin(blob::stream_unchecked(self.clone(), descriptor)) as LayerStream,
            })
            .collect()
    }

    /// The files of an image, all layers applied, in the order of their paths.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn list(&self, name: &Name, resolved: &Resolved) -> Result<Vec<Listed>, ReadError> {
        let image = self.image(name, resolved);
        list_entries(Limits::default(), &image, self.layers(resolved)).await
    }

    /// The named files of an image, those that it has. No more layers are pulled than it takes to know.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn extract(
        &self,
        name: &Name,
        resolved: &Resolved,
        files: &[&str],
    ) -> Result<BTreeMap<String, Vec<u8>>, ReadError> {
        let image = self.image(name, resolved);
        extract_files(Limits::default(), FILE, &image, self.layers(resolved), files).await
    }
}
