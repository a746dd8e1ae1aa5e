//! What an image may ask of the disk.

/// Bounds on one image, all layers together (rule REG-6). [`Limits::default`] holds the documented values; the first
/// three are flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of file content, written by all layers, 1 GiB by default.
    pub unpacked: u64,
    /// Entries, headers that describe other entries and whiteouts included, 100,000 by default.
    pub entries: u64,
    /// How many bytes one compressed byte may become, 200 by default; looked at per layer.
    pub ratio: u64,
    /// Decompressed bytes of a layer from which the ratio is looked at, 16 MiB by default: small files of zeros are
    /// common and harmless.
    pub ratio_from: u64,
    /// Folders above an entry, 64 by default.
    pub depth: usize,
    /// Bytes of one name between slashes, 255 by default: what ext4, xfs and btrfs can hold.
    pub name: usize,
    /// Bytes of a whole path, 2,048 by default: leaves room in Linux's 4,096 for the folder that the module stands in.
    pub path: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            unpacked: 1 << 30,
            entries: 100_000,
            ratio: 200,
            ratio_from: 16 << 20,
            depth: 64,
            name: 255,
            path: 2_048,
        }
    }
}

impl Limits {
    /// Decompressed bytes of all layers together: content plus up to 4 KiB of headers and padding per entry.
    pub(super) fn stream(&self) -> u64 {
        self.unpacked.saturating_add(self.entries.saturating_mul(4_096))
    }
}
