//! One layer: a tar of entries and whiteouts.

use std::io::{self, Read};

use tar::EntryType;

use super::flow::{HEADERS, Pipe, open};
use super::{Contents, Entry, EntryKind, ReadLimits};

/// One layer, not yet applied to those below.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub(super) contents: Contents,
    /// Paths that lower layers lose, with everything below.
    removed: Vec<String>,
    /// Folders of which lower layers lose everything below.
    emptied: Vec<String>,
    pub(super) unpacked: u64,
}

impl Layer {
    /// Puts the layer on top of those below.
    pub(super) fn apply(self, lower: &mut Contents) {
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

/// Reads a layer to the end of its tar. Blocks.
pub(super) fn read_layer(
    pipe: Pipe,
    wanted: &dyn Fn(&str) -> bool,
    limits: ReadLimits,
) -> Result<Layer, String> {
    let (mut archive, meter) = open(pipe, limits).map_err(told)?;
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
    layer.unpacked = meter.unpacked();
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

fn told(error: io::Error) -> String {
    crate::registry::error::words(&error)
}
