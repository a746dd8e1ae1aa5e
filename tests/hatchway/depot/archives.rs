//! Images for the tests: archives built field by field, so that they may be as wrong as they like.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use bytes::Bytes;
use futures_util::stream;
use hatchway::depot::{Image, Layer};
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

pub(crate) type Blob = stream::Iter<std::vec::IntoIter<io::Result<Bytes>>>;

/// An archive that is being made; starts empty.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tar(pub(crate) Vec<u8>);

impl Tar {
    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.entry(EntryType::Regular, name.as_bytes(), b"", 0o644, content.as_ref())
    }

    pub(crate) fn dir(self, name: &str) -> Self {
        self.entry(EntryType::Directory, name.as_bytes(), b"", 0o755, b"")
    }

    pub(crate) fn link(self, name: &str, target: &str) -> Self {
        self.entry(EntryType::Symlink, name.as_bytes(), target.as_bytes(), 0o777, b"")
    }

    pub(crate) fn hard_link(self, name: &str, target: &str) -> Self {
        self.entry(EntryType::Link, name.as_bytes(), target.as_bytes(), 0o644, b"")
    }

    /// Any entry; a name or target that is too long for the header goes into GNU's extra entry.
    pub(crate) fn entry(
        mut self,
        kind: EntryType,
        name: &[u8],
        link: &[u8],
        mode: u32,
        content: &[u8],
    ) -> Self {
        for (long, kind) in [(name, EntryType::GNULongName), (link, EntryType::GNULongLink)] {
            if long.len() > 100 {
                let mut ended = long.to_vec();
                ended.push(0);
                self = self.raw(
                    &header(kind, b"././@LongLink", b"", 0o644, ended.len() as u64),
                    &ended,
                );
            }
        }
        let head = header(
            kind,
            &name[..name.len().min(100)],
            &link[..link.len().min(100)],
            mode,
            content.len() as u64,
        );
        self.raw(&head, content)
    }

    /// A PAX header for the entry that follows.
    pub(crate) fn pax(self, records: &[u8]) -> Self {
        self.raw(
            &header(EntryType::XHeader, b"pax", b"", 0o644, records.len() as u64),
            records,
        )
    }

    /// A header as it is, and content padded to blocks.
    pub(crate) fn raw(mut self, header: &Header, content: &[u8]) -> Self {
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    /// Ended properly.
    pub(crate) fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 1024]);
        self.0
    }
}

pub(crate) fn header(kind: EntryType, name: &[u8], link: &[u8], mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link);
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header.set_cksum();
    header
}

/// `<length> <key>=<value>\n`.
pub(crate) fn pax_record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    let mut record = format!("{length} {key}=").into_bytes();
    record.extend_from_slice(value);
    record.push(b'\n');
    record
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    let mut text = "sha256:".to_owned();
    for byte in Sha256::digest(bytes) {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

/// A layer as a registry would send it, in pieces.
pub(crate) fn layer(bytes: &[u8]) -> Layer<Blob> {
    pieces(bytes, 16 * 1024)
}

pub(crate) fn pieces(bytes: &[u8], size: usize) -> Layer<Blob> {
    Layer {
        media_type: "application/vnd.oci.image.layer.v1.tar+gzip".to_owned(),
        digest: digest(bytes),
        size: bytes.len() as u64,
        stream: blob(bytes, size),
    }
}

pub(crate) fn blob(bytes: &[u8], size: usize) -> Blob {
    let pieces: Vec<_> = bytes
        .chunks(size)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    stream::iter(pieces)
}

/// An image; its digest is made from the text.
pub(crate) fn image(text: &str) -> Image {
    Image {
        reference: format!("registry.example.com/modules/a:{text}"),
        digest: digest(text.as_bytes()),
    }
}

/// What is in a folder: path to mode (octal) and content, target or nothing. Nothing is followed.
pub(crate) fn contents(dir: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    walk(dir, "", &mut found);
    found
}

fn walk(dir: &Path, above: &str, found: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{above}{}", entry.file_name().to_str().unwrap());
        let metadata = entry.metadata().unwrap();
        let mode = metadata.permissions().mode() & 0o7777;
        let text = if metadata.is_dir() {
            walk(&entry.path(), &format!("{path}/"), found);
            format!("{mode:o} /")
        } else if metadata.is_symlink() {
            format!("-> {}", std::fs::read_link(entry.path()).unwrap().display())
        } else {
            format!(
                "{mode:o} {}",
                String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap())
            )
        };
        found.insert(path, text);
    }
}

/// [`contents`] in one line per path, for comparing with a table.
pub(crate) fn lines(dir: &Path) -> Vec<String> {
    contents(dir)
        .into_iter()
        .map(|(path, text)| format!("{path} {text}"))
        .collect()
}

/// An error with all its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
