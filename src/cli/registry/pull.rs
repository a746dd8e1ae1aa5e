//! `hatchway registry pull`: an image into a folder, complete or not at all.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::ValueHint;
use futures_util::TryStreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::at::Way;
use super::listing::Format;
use super::wrong;
use crate::archive::{Layer, Limits};
use crate::depot::{Fill, unpack_into};
use crate::registry::{ImageReference, LayerStream, words};

/// Unpack an image into a folder, complete or not at all
///
/// The folder is new or empty, or replaced in one step. Until then everything is in a hidden folder beside it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hatchway registry pull registry.example.com/modules/echo:v1.0.0 ./echo
  hatchway registry pull registry.example.com/modules/echo:main ./echo --replace

Exit codes: 0 fine, 1 the image is refused or the folder is not empty, 2 could not pull.")]
pub(super) struct Args {
    /// The image: HOST/PATH:TAG or HOST/PATH@DIGEST
    #[arg(value_name = "REF")]
    reference: ImageReference,
    /// The folder to fill
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    dir: PathBuf,
    /// Replace the folder, whatever is in it
    #[arg(long, env = "HATCHWAY_REPLACE")]
    replace: bool,
    #[command(flatten)]
    limits: LimitFlags,
    #[command(flatten)]
    way: Way,
    #[command(flatten)]
    format: Format,
}

/// What an image may be at most (rule REG-6).
#[derive(Debug, clap::Args)]
struct LimitFlags {
    /// Bytes of all files together
    #[arg(long = "max-unpacked", env = "HATCHWAY_MAX_UNPACKED", value_name = "BYTES", default_value_t = Limits::default().unpacked)]
    unpacked: u64,
    /// Entries of all layers together
    #[arg(long = "max-entries", env = "HATCHWAY_MAX_ENTRIES", value_name = "N", default_value_t = Limits::default().entries)]
    entries: u64,
    /// How many bytes one compressed byte may become, from 16 MiB on
    #[arg(long = "max-ratio", env = "HATCHWAY_MAX_RATIO", value_name = "N", default_value_t = Limits::default().ratio)]
    ratio: u64,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Pulled {
        reference: String,
        digest: String,
        path: PathBuf,
        entries: usize,
        bytes: u64,
    }
    let Args {
        reference,
        dir,
        replace,
        limits,
        way,
        format,
    } = args;
    let LimitFlags {
        unpacked,
        entries,
        ratio,
    } = limits;
    let limits = Limits {
        unpacked,
        entries,
        ratio,
        ..Limits::default()
    };
    let repository = way.client(&reference.host, "")?.repository(reference.path);
    let resolved = repository.resolve(&reference.name).await;
    let resolved = resolved.map_err(|error| anyhow!("fetch image error: {}", words(&error)))?;
    let image = repository.image(&reference.name, &resolved);
    let (layers, bar) = watched(repository.layers(&resolved));
    let fill = if replace { Fill::Replace } else { Fill::Empty };
    let unpacked = unpack_into(&dir, fill, limits, &image, layers).await;
    bar.finish_and_clear();
    let unpacked = unpacked.map_err(|error| wrong::unpacking(&error))?;
    let pulled = Pulled {
        reference: image.reference,
        digest: image.digest,
        path: unpacked.path,
        entries: unpacked.entries,
        bytes: unpacked.bytes,
    };
    format.print(&pulled, |pulled| {
        format!(
            "{} ({}) is in \"{}\": {} entries, {} bytes\n",
            pulled.reference,
            pulled.digest,
            pulled.path.display(),
            pulled.entries,
            pulled.bytes
        )
    })
}

/// The layers, and a bar that follows their bytes; it shows itself on a terminal only.
fn watched(layers: Vec<Layer<LayerStream>>) -> (Vec<Layer<LayerStream>>, ProgressBar) {
    let bar = byte_bar(layers.iter().map(|layer| layer.size).sum());
    let layers = layers.into_iter().map(|layer| {
        let bar = bar.clone();
        let stream = layer.stream.inspect_ok(move |bytes| bar.inc(bytes.len() as u64));
        Layer {
            stream: Box::pin(stream) as LayerStream,
            ..layer
        }
    });
    (layers.collect(), bar)
}

/// A bar over bytes on standard error.
pub(super) fn byte_bar(size: u64) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{msg} [{wide_bar}] {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(size).with_style(style)
}
