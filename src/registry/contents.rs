//! What is inside an image, read while it flows past: names, and the few files that somebody wants. Nothing is unpacked.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use futures_util::StreamExt;
use oci_spec::image::Digest;
use serde::Serialize;
use tar::{Archive, EntryType};
use tokio::sync::mpsc;

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
    /// How many times larger a layer may become, beyond the first 16 MiB.
    pub ratio: u64,
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
            file: 4 << 20,
            files: 32 << 20,
        }
    }
}

/// Unpacked bytes below which no ratio is too high.
const FREE: u64 = 16 << 20;
/// Bytes of headers between two entries: long names, PAX records. `tar` reads them into memory.
const HEADERS: u64 = 1 << 20;

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

/// One layer, not yet applied to those below.
#[derive(Debug, Default)]
struct Layer {
    contents: Contents,
    /// Paths that lower layers lose, with everything below.
    removed: Vec<String>,
    /// Folders of which lower layers lose everything below.
    emptied: Vec<String>,
    unpacked: u64,
}

impl Layer {
    fn apply(self, lower: &mut Contents) {
        for path in &self.emptied {
            lower.remove_below(path);
        }
        for path in &self.removed {
            lower.remove(path);
        }
        for (path, entry) in self.contents.entries {
            lower.files.remove(&path);
            if entry.kind != EntryKind::Directory {
                lower.remove_below(&path);
            }
            lower.entries.insert(path, entry);
        }
        lower.files.extend(self.contents.files);
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

fn read_layer(pipe: Pipe, wanted: &dyn Fn(&str) -> bool, limits: ReadLimits) -> Result<Layer, String> {
    let meter = Rc::new(Meter::new(limits));
    let packed = BufReader::with_capacity(
        64 * 1024,
        Packed {
            pipe,
            meter: Rc::clone(&meter),
        },
    );
    let plain = Plain {
        inner: unpack(packed).map_err(told)?,
        meter: Rc::clone(&meter),
    };
    let mut archive = Archive::new(plain);
    let mut layer = Layer::default();
    let mut kept = 0;
    meter.allow(HEADERS);
    for entry in archive.entries().map_err(told)? {
        let mut entry = entry.map_err(told)?;
        meter.allow(limits.unpacked);
        if layer.contents.entries.len() + layer.removed.len() + layer.emptied.len() >= limits.entries {
            return Err("too many entries".to_owned());
        }
        let path = path_of(&entry.path_bytes())?;
        let kind = entry.header().entry_type();
        if kind == EntryType::GNUSparse {
            // Its holes are made up while reading, past every limit: eight bytes claim eight exabytes.
            return Err(format!("entry \"{path}\": sparse files are not supported"));
        }
        if let Some((folder, name)) = whiteout(&path) {
            match name {
                ".wh..opq" => layer.emptied.push(folder.to_owned()),
                name if folder.is_empty() => layer.removed.push(name.to_owned()),
                name => layer.removed.push(format!("{folder}/{name}")),
            }
        } else if !path.is_empty() {
            let regular = matches!(kind, EntryType::Regular | EntryType::Continuous);
            let record = record(&entry, kind)?;
            if regular && wanted(&path) {
                let size = entry.size();
                kept += size;
                if size > limits.file || kept > limits.files {
                    return Err(format!("entry \"{path}\": {size} bytes are too many"));
                }
                let mut content = Vec::new();
                entry.read_to_end(&mut content).map_err(told)?;
                layer.contents.files.insert(path.clone(), content);
            }
            layer.contents.entries.insert(path, record);
        }
        // Read over here, not by the next header, so that headers alone count as headers.
        io::copy(&mut entry, &mut io::sink()).map_err(told)?;
        meter.allow(HEADERS);
    }
    layer.unpacked = meter.plain.get();
    Ok(layer)
}

fn record<R: Read>(entry: &tar::Entry<'_, R>, kind: EntryType) -> Result<Entry, String> {
    let link = match entry.link_name_bytes() {
        Some(name) if matches!(kind, EntryType::Symlink | EntryType::Link) => Some(
            String::from_utf8(name.into_owned()).map_err(|_| "a link's target is not UTF-8".to_owned())?,
        ),
        _ => None,
    };
    let kind = match kind {
        EntryType::Regular | EntryType::Continuous => EntryKind::File,
        EntryType::Directory => EntryKind::Directory,
        EntryType::Symlink | EntryType::Link => EntryKind::Link,
        _ => EntryKind::Other,
    };
    let size = if kind == EntryKind::File { entry.size() } else { 0 };
    Ok(Entry {
        kind,
        size,
        mode: entry.header().mode().unwrap_or(0) & 0o7777,
        link,
    })
}

/// The path below the image's root, without `./`, doubled and trailing slashes.
fn path_of(bytes: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| format!("entry \"{}\": the name is not UTF-8", bytes.escape_ascii()))?;
    let mut parts = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err(format!("entry \"{text}\": leaves the image")),
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// The folder and the name that a whiteout removes; for an opaque one the name is `.wh..opq`.
fn whiteout(path: &str) -> Option<(&str, &str)> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    Some((folder, name.strip_prefix(".wh.")?))
}

fn unpack<R: BufRead + 'static>(mut packed: R) -> io::Result<Box<dyn Read>> {
    // What the bytes are, they say themselves: media types are often wrong about the packing.
    let start = packed.fill_buf()?;
    Ok(if start.starts_with(&[0x1f, 0x8b]) {
        Box::new(MultiGzDecoder::new(packed))
    } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) || start.starts_with(&[0x50, 0x2a, 0x4d, 0x18]) {
        Box::new(zstd::Decoder::with_buffer(packed)?)
    } else {
        Box::new(packed)
    })
}

/// Counts bytes on both sides of the unpacking, against the limits.
struct Meter {
    limits: ReadLimits,
    packed: Cell<u64>,
    plain: Cell<u64>,
    allowed_to: Cell<u64>,
}

impl Meter {
    fn new(limits: ReadLimits) -> Self {
        Self {
            limits,
            packed: Cell::new(0),
            plain: Cell::new(0),
            allowed_to: Cell::new(0),
        }
    }

    /// From here on at most so many bytes.
    fn allow(&self, bytes: u64) {
        self.allowed_to.set(self.plain.get().saturating_add(bytes));
    }

    fn count(&self, bytes: usize) -> io::Result<()> {
        let plain = self.plain.get() + bytes as u64;
        self.plain.set(plain);
        let too_much = |what: String| Err(io::Error::other(what));
        if plain > self.limits.unpacked {
            return too_much(format!("unpacks to more than {} bytes", self.limits.unpacked));
        }
        if plain > FREE && plain / self.limits.ratio.max(1) > self.packed.get() {
            return too_much(format!(
                "unpacks to more than {} times its size",
                self.limits.ratio
            ));
        }
        if plain > self.allowed_to.get() {
            return too_much(format!("headers of more than {HEADERS} bytes"));
        }
        Ok(())
    }
}

struct Packed {
    pipe: Pipe,
    meter: Rc<Meter>,
}

impl Read for Packed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.pipe.read(buffer)?;
        self.meter.packed.set(self.meter.packed.get() + read as u64);
        Ok(read)
    }
}

struct Plain {
    inner: Box<dyn Read>,
    meter: Rc<Meter>,
}

impl Read for Plain {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.meter.count(read)?;
        Ok(read)
    }
}

/// The blocking end of a stream.
struct Pipe {
    receiver: mpsc::Receiver<Bytes>,
    rest: Bytes,
}

impl Pipe {
    fn new(receiver: mpsc::Receiver<Bytes>) -> Self {
        Self {
            receiver,
            rest: Bytes::new(),
        }
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.receiver.blocking_recv() {
                Some(bytes) => self.rest = bytes,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.rest.len());
        buffer[..length].copy_from_slice(&self.rest.split_to(length));
        Ok(length)
    }
}

fn told(error: io::Error) -> String {
    super::error::words(&error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_size(content.len() as u64);
            header.set_entry_type(if path.ends_with('/') {
                EntryType::Directory
            } else {
                EntryType::Regular
            });
            // Bypasses the checks of set_path, as an attacker would.
            header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_cksum();
            builder.append(&header, *content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn read_bytes(bytes: Vec<u8>, limits: ReadLimits) -> Result<Layer, String> {
        let (sender, receiver) = mpsc::channel(1024);
        for piece in bytes.chunks(1 << 20) {
            sender.try_send(Bytes::copy_from_slice(piece)).unwrap();
        }
        drop(sender);
        read_layer(Pipe::new(receiver), &|path| path == "version.json", limits)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn reads_plain_gzip_and_zstd_layers() {
        let tar = archive(&[
            ("./", b""),
            ("./version.json", b"{}"),
            ("templates/", b""),
            ("templates/a.yaml", b"a: 1"),
        ]);
        let zstd = zstd::encode_all(tar.as_slice(), 3).unwrap();
        for bytes in [gzip(&tar), zstd, tar] {
            let layer = read_bytes(bytes, ReadLimits::default()).unwrap();
            let names: Vec<_> = layer.contents.entries.keys().map(String::as_str).collect();
            assert_eq!(names, ["templates", "templates/a.yaml", "version.json"]);
            assert_eq!(layer.contents.files["version.json"], b"{}");
            assert_eq!(layer.contents.files.len(), 1);
        }
    }

    #[test]
    fn applies_layers_in_order_with_whiteouts() {
        let mut contents = Contents::default();
        for entries in [
            &[
                ("a/", b"" as &[u8]),
                ("a/x", b"1"),
                ("a/y", b"2"),
                ("b/", b""),
                ("b/z", b"3"),
                ("version.json", b"old"),
            ][..],
            &[
                ("a/.wh.x", b"" as &[u8]),
                ("b/.wh..wh..opq", b""),
                ("b/new", b"4"),
                ("version.json", b"new"),
                ("ab", b"5"),
            ][..],
            &[(".wh.ab", b"" as &[u8]), ("a", b"now a file")][..],
        ] {
            read_bytes(archive(entries), ReadLimits::default())
                .unwrap()
                .apply(&mut contents);
        }
        let names: Vec<_> = contents.entries.keys().map(String::as_str).collect();
        assert_eq!(names, ["a", "b", "b/new", "version.json"]);
        assert_eq!(contents.files["version.json"], b"new");
    }

    #[test]
    fn refuses_too_much_of_anything() {
        let small = ReadLimits {
            unpacked: 4096,
            entries: 2,
            ratio: 200,
            file: 4,
            files: 6,
        };
        let cases: [(Vec<u8>, ReadLimits, &str); 6] = [
            (
                archive(&[("a", &[0; 9000])]),
                small,
                "unpacks to more than 4096 bytes",
            ),
            (
                archive(&[("a", b""), ("b", b""), ("c", b"")]),
                ReadLimits {
                    unpacked: 1 << 20,
                    ..small
                },
                "too many entries",
            ),
            (
                archive(&[("version.json", b"12345")]),
                small,
                "entry \"version.json\": 5 bytes are too many",
            ),
            (
                archive(&[("a/../../b", b"")]),
                ReadLimits::default(),
                "entry \"a/../../b\": leaves the image",
            ),
            (gzip(&vec![0; 20 << 20]), ReadLimits::default(), ""),
            (
                gzip(&archive(&[("a", &vec![0; 20 << 20])])),
                ReadLimits::default(),
                "unpacks to more than 200 times its size",
            ),
        ];
        for (bytes, limits, expected) in cases {
            match read_bytes(bytes, limits) {
                Err(reason) => assert!(!expected.is_empty() && reason.contains(expected), "{reason}"),
                // A flood of zeros is an archive's end.
                Ok(layer) => assert!(
                    expected.is_empty() && layer.contents.entries.is_empty(),
                    "{expected}"
                ),
            }
        }
    }

    #[test]
    fn does_not_read_endless_headers_into_memory() {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(EntryType::GNULongName);
        header.set_size(512 << 20);
        header.set_cksum();
        let mut bytes = header.as_bytes().to_vec();
        bytes.resize(4 << 20, b'a');
        let reason = read_bytes(bytes, ReadLimits::default()).unwrap_err();
        assert!(reason.contains("headers of more than"), "{reason}");
    }
}
