//! What is inside an image, read while it flows past: names, and the few files that somebody wants. Nothing is unpacked.

mod flow;
mod layer;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::StreamExt;
use oci_spec::image::Digest;
use serde::Serialize;
use tokio::sync::mpsc;

use self::flow::Pipe;
use self::layer::{Layer, read_layer};
use super::blob::PullError;
use super::manifest::Resolved;
use super::repository::Repository;

/// What an image may hold at most. The defaults are those of unpacking.
#[derive(Debug, Clone, Copy)]
pub struct ReadLimits {
    /// Bytes of all layers, unpacked.
    pub unpacked: u64,
    /// Entries of all layers.
    pub entries: usize,
    /// How many times larger a layer may become.
    pub ratio: u64,
    /// Unpacked bytes below which no ratio is too high.
    pub ratio_from: u64,
    /// Bytes of one wanted file.
    pub file: u64,
    /// Bytes of all wanted files.
    pub files: u64,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self {
            unpacked: 1 << 30,
            entries: 100_000,
            ratio: 200,
            ratio_from: 16 << 20,
            file: 4 << 20,
            files: 32 << 20,
        }
    }
}

/// An image's contents, all layers applied.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Contents {
    /// What there is, by path.
    pub entries: BTreeMap<String, Entry>,
    /// The wanted files, by path.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// One entry of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// Bytes of a file, else 0.
    pub size: u64,
    /// Permission bits as the image has them.
    pub mode: u32,
    /// Where a link leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// Kinds of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Directory,
    /// A symbolic or hard link.
    Link,
    /// A device, fifo or the like, which no module may hold.
    Other,
}

/// An image could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A layer did not arrive.
    #[error(transparent)]
    Pull(#[from] PullError),
    /// A layer is no proper archive, or too much of one.
    #[error("layer {layer}: {reason}")]
    Archive {
        /// The layer.
        layer: Digest,
        /// What is wrong.
        reason: String,
    },
}

impl Repository {
    /// Reads an image's layers in order, whiteouts included, and keeps the contents of those regular files that
    /// `wanted` says yes to, by path.
    pub async fn read(
        &self,
        image: &Resolved,
        wanted: impl Fn(&str) -> bool + Clone + Send + 'static,
        limits: ReadLimits,
    ) -> Result<Contents, ReadError> {
        let mut contents = Contents::default();
        let mut left = limits;
        for layer in &image.layers {
            let (sender, receiver) = mpsc::channel::<Bytes>(8);
            let wanted = wanted.clone();
            let mut reading = Some(tokio::task::spawn_blocking(move || {
                read_layer(Pipe::new(receiver), &wanted, left)
            }));
            let archive = |reason| ReadError::Archive {
                layer: layer.digest().clone(),
                reason,
            };
            let mut read = None;
            let mut sender = Some(sender);
            let mut bytes = std::pin::pin!(self.blob(layer));
            while let Some(piece) = bytes.next().await {
                let piece = piece?;
                if let Some(open) = &sender
                    && open.send(piece).await.is_err()
                {
                    // The archive ended before the blob, or is broken: the former is only known at the digest's end.
                    sender = None;
                    if let Some(task) = reading.take() {
                        read = Some(joined(task).await.map_err(archive)?);
                    }
                }
            }
            drop(sender);
            let layer_contents = match (read, reading) {
                (Some(read), _) => read,
                (None, Some(task)) => joined(task).await.map_err(archive)?,
                (None, None) => continue,
            };
            left.unpacked = left.unpacked.saturating_sub(layer_contents.unpacked);
            left.entries = left.entries.saturating_sub(layer_contents.contents.entries.len());
            left.files = left.files.saturating_sub(
                layer_contents
                    .contents
                    .files
                    .values()
                    .map(|f| f.len() as u64)
                    .sum(),
            );
            layer_contents.apply(&mut contents);
        }
        Ok(contents)
    }
}

async fn joined(task: tokio::task::JoinHandle<Result<Layer, String>>) -> Result<Layer, String> {
    match task.await {
        Ok(read) => read,
        Err(error) => Err(format!("reading it failed: {error}")),
    }
}

impl Contents {
    fn remove(&mut self, path: &str) {
        self.entries.remove(path);
        self.files.remove(path);
        self.remove_below(path);
    }

    fn remove_below(&mut self, path: &str) {
        let prefix = if path.is_empty() {
            String::new()
        } else {
            format!("{path}/")
        };
        for map_key in self
            .entries
            .range(prefix.clone()..)
            .map(|(key, _)| key)
            .take_while(|key| key.starts_with(&prefix))
            .cloned()
            .collect::<Vec<_>>()
        {
            self.entries.remove(&map_key);
            self.files.remove(&map_key);
        }
    }
}
