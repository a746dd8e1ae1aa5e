//! The images, made in a process of their own: what measures stays small.

use crate::content::{Content, Numbers};
use anyhow::{Context, bail};
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// First argument of this program when it makes an image.
pub const ROLE: &str = "image";

/// An image that is pulled, and what the pull may cost beside the pipe.
pub struct Image {
    /// How it is called: shape and compression.
    pub name: &'static str,
    /// Wall clock and CPU at most, as ratios to the pipe's; none is asked of some.
    pub goal: Option<(f64, f64)>,
}

/// All of them.
pub const ALL: [Image; 10] = [
    image("small gzip", Some((0.7, 0.6))),
    image("small zstd", Some((0.7, 0.6))),
    image("medium gzip", Some((0.8, 0.7))),
    image("medium zstd", None),
    image("large gzip", Some((0.7, 0.6))),
    image("large zstd", Some((0.85, 0.65))),
    image("many gzip", Some((1.0, 0.9))),
    image("many zstd", Some((1.0, 0.9))),
    image("layers gzip", Some((0.9, 0.8))),
    image("layers zstd", Some((0.9, 0.8))),
];

const fn image(name: &'static str, goal: Option<(f64, f64)>) -> Image {
    Image { name, goal }
}

impl Image {
    /// As a tag.
    pub fn tag(&self) -> String {
        self.name.replace(' ', "-")
    }
}

/// Files in a folder.
const FOLDER: usize = 40;

/// Makes the image of that name as an OCI layout.
pub fn make(name: &str, folder: &Path) -> anyhow::Result<()> {
    let (shape, compression) = name.split_once(' ').context("no image's name")?;
    let mut layout = Layout::new(folder, compression)?;
    let content = Content::new();
    match shape {
        "small" => layout.layer(|tar| files(tar, &content, 0..200, 300_000 / 200))?,
        "medium" => layout.layer(|tar| files(tar, &content, 0..3_000, 30_000_000 / 3_000))?,
        "large" => layout.layer(|tar| files(tar, &content, 0..1_000, 300_000_000 / 1_000))?,
        "many" => layout.layer(|tar| files(tar, &content, 0..20_000, 400))?,
        "layers" => {
            layout.layer(|tar| files(tar, &content, 0..2_000, 10_000))?;
            layout.layer(|tar| {
                // Every fourth file of the first thousand goes, six hundred are written anew, four hundred are added.
                for number in (0..1_000).step_by(4) {
                    tar.whiteout(&path(number))?;
                }
                files(tar, &content, 1_000..1_600, 12_000)?;
                files(tar, &content, 2_000..2_400, 8_000)
            })?;
            layout.layer(|tar| {
                // Two whole folders go.
                tar.whiteout(&dir(1_800))?;
                tar.whiteout(&dir(2_000))?;
                files(tar, &content, 1_200..1_500, 9_000)
            })?;
        }
        other => bail!("no shape: {other}"),
    }
    layout.finish()
}

/// Folders of forty files, in the order that `tar` has them, one link each.
fn files<W: Write>(
    tar: &mut Tar<W>,
    content: &Content,
    numbers: std::ops::Range<usize>,
    size: usize,
) -> io::Result<()> {
    let mut bytes = Vec::new();
    let mut present = String::new();
    for number in numbers {
        let folder = dir(number);
        if folder != present {
            tar.entry(tar::EntryType::Directory, &format!("{folder}/"), 0o755, &[], "")?;
            tar.entry(
                tar::EntryType::Symlink,
                &format!("{folder}/latest"),
                0o777,
                &[],
                "../README",
            )?;
            present = folder;
        }
        // From half the size to one and a half, so that the mean is what was asked for.
        let size = size / 2 + Numbers::new(number as u64).below(size);
        bytes.clear();
        content.write((number * 1_000 + size) as u64, size, &mut bytes);
        let mode = if number % 10 == 0 { 0o755 } else { 0o644 };
        tar.entry(tar::EntryType::Regular, &path(number), mode, &bytes, "")?;
    }
    Ok(())
}

fn dir(number: usize) -> String {
    format!("templates/part-{:03}", number / FOLDER)
}

fn path(number: usize) -> String {
    format!("{}/file-{number:05}.yaml", dir(number))
}

/// An archive that is being written.
struct Tar<W: Write>(tar::Builder<W>);

impl<W: Write> Tar<W> {
    fn entry(
        &mut self,
        kind: tar::EntryType,
        path: &str,
        mode: u32,
        bytes: &[u8],
        link: &str,
    ) -> io::Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(bytes.len() as u64);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        if kind == tar::EntryType::Symlink {
            return self.0.append_link(&mut header, path, link);
        }
        self.0.append_data(&mut header, path, bytes)
    }

    fn whiteout(&mut self, path: &str) -> io::Result<()> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        self.entry(
            tar::EntryType::Regular,
            &format!("{folder}/.wh.{name}"),
            0o644,
            &[],
            "",
        )
    }
}

/// An OCI layout with one image.
struct Layout<'a> {
    folder: &'a Path,
    compression: &'a str,
    layers: Vec<Value>,
    diffs: Vec<String>,
}

impl<'a> Layout<'a> {
    fn new(folder: &'a Path, compression: &'a str) -> anyhow::Result<Self> {
        fs::create_dir_all(folder.join("blobs/sha256"))?;
        fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
        Ok(Self {
            folder,
            compression,
            layers: Vec::new(),
            diffs: Vec::new(),
        })
    }

    fn layer(
        &mut self,
        write: impl FnOnce(&mut Tar<Hashed<Compressor>>) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        let draft = self.folder.join("draft");
        let hashed = Hashed::new(BufWriter::new(File::create(&draft)?));
        // The levels that docker and buildkit use.
        let compressor = match self.compression {
            "gzip" => Compressor::Gzip(GzEncoder::new(hashed, flate2::Compression::new(6))),
            "zstd" => Compressor::Zstd(zstd::Encoder::new(hashed, 3)?),
            other => bail!("no compression: {other}"),
        };
        let mut tar = Tar(tar::Builder::new(Hashed::new(compressor)));
        write(&mut tar)?;
        let plain = tar.0.into_inner()?;
        let mut packed = match plain.inner {
            Compressor::Gzip(encoder) => encoder.finish()?,
            Compressor::Zstd(encoder) => encoder.finish()?,
        };
        packed.flush()?;
        let digest = self.keep(&draft, packed)?;
        self.layers.push(json!({
            "mediaType": format!("application/vnd.oci.image.layer.v1.tar+{}", self.compression),
            "digest": format!("sha256:{}", digest.0),
            "size": digest.1,
        }));
        self.diffs
            .push(format!("sha256:{}", hex(&plain.hasher.finalize())));
        Ok(())
    }

    fn keep<W: Write>(&self, draft: &Path, written: Hashed<W>) -> io::Result<(String, u64)> {
        let digest = hex(&written.hasher.finalize());
        fs::rename(draft, self.folder.join("blobs/sha256").join(&digest))?;
        Ok((digest, written.length))
    }

    fn blob(&self, bytes: &[u8]) -> io::Result<(String, u64)> {
        let draft = self.folder.join("draft");
        let mut file = Hashed::new(File::create(&draft)?);
        file.write_all(bytes)?;
        self.keep(&draft, file)
    }

    fn finish(self) -> anyhow::Result<()> {
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": {},
            "rootfs": {"type": "layers", "diff_ids": self.diffs},
        });
        let config = self.blob(config.to_string().as_bytes())?;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": format!("sha256:{}", config.0), "size": config.1,
            },
            "layers": self.layers,
        });
        let manifest = self.blob(manifest.to_string().as_bytes())?;
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [{
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": format!("sha256:{}", manifest.0), "size": manifest.1,
            }],
        });
        fs::write(self.folder.join("index.json"), index.to_string())?;
        let size: u64 = self
            .layers
            .iter()
            .filter_map(|layer| layer["size"].as_u64())
            .sum();
        let digests: Vec<&Value> = self.layers.iter().map(|layer| &layer["digest"]).collect();
        println!("{}", json!({"size": size, "layers": digests}));
        Ok(())
    }
}

enum Compressor {
    Gzip(GzEncoder<Hashed<BufWriter<File>>>),
    Zstd(zstd::Encoder<'static, Hashed<BufWriter<File>>>),
}

impl Write for Compressor {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }
}

/// Knows length and digest of what went through.
struct Hashed<W> {
    inner: W,
    hasher: Sha256,
    length: u64,
}

impl<W> Hashed<W> {
    fn new(inner: W) -> Self {
        Self {
            inner,
            hasher: Sha256::new(),
            length: 0,
        }
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
