//! Decompression, told by the bytes, and the meter that stops bombs.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use super::flow::LayerBytes;
use super::limits::Limits;

/// Decompressed bytes held at once.
const BUFFER: usize = 64 * 1024;
/// The largest window a zstd frame may ask for, as a power of two: 8 MiB, what RFC 8878 asks decoders to support and
/// `zstd -19` uses. It bounds the decoder's memory.
const ZSTD_WINDOW: u32 = 23;

/// What a layer's media type may be: an archive of files, in the OCI's words or Docker's.
pub(super) fn is_layer_type(media_type: &str) -> bool {
    let name = media_type.split(';').next().unwrap_or_default().trim();
    let Some(rest) = [
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.foreign.diff.tar",
    ]
    .iter()
    .find_map(|known| name.strip_prefix(known)) else {
        return false;
    };
    matches!(rest, "" | "+gzip" | "+zstd" | ".gzip" | ".zstd")
}

/// What a layer's bytes come from: a channel, or memory in tests and fuzzing.
pub(crate) trait Source: BufRead + Send {
    /// The first bytes without taking them, at least four unless there are fewer.
    fn head(&mut self) -> io::Result<&[u8]>;
    /// Compressed bytes handed out so far.
    fn taken(&self) -> u64;
    /// Whether the sender went away.
    fn is_cut(&self) -> bool;
}

impl Source for Box<dyn Source + '_> {
    fn head(&mut self) -> io::Result<&[u8]> {
        self.as_mut().head()
    }

    fn taken(&self) -> u64 {
        self.as_ref().taken()
    }

    fn is_cut(&self) -> bool {
        self.as_ref().is_cut()
    }
}

impl Source for LayerBytes<'_> {
    fn head(&mut self) -> io::Result<&[u8]> {
        LayerBytes::head(self)
    }

    fn taken(&self) -> u64 {
        LayerBytes::taken(self)
    }

    fn is_cut(&self) -> bool {
        LayerBytes::is_cut(self)
    }
}

/// A layer's archive. Which compression was used is read from the first bytes: registries and tools get the media type
/// wrong, and `docker pull` does not care either.
pub(super) enum Decoder<S: Source> {
    Plain(S),
    Gzip(Box<BufReader<MultiGzDecoder<S>>>),
    Zstd(BufReader<zstd::stream::read::Decoder<'static, S>>),
}

impl<S: Source> Decoder<S> {
    pub(super) fn new(mut source: S) -> io::Result<Self> {
        let head = source.head()?;
        if head.starts_with(&[0x1f, 0x8b]) {
            let reader = BufReader::with_capacity(BUFFER, MultiGzDecoder::new(source));
            return Ok(Self::Gzip(Box::new(reader)));
        }
        let skippable = head.len() >= 4 && head[0] & 0xf0 == 0x50 && head[1..4] == [0x2a, 0x4d, 0x18];
        if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) || skippable {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(source)?;
            decoder.window_log_max(ZSTD_WINDOW)?;
            return Ok(Self::Zstd(BufReader::with_capacity(BUFFER, decoder)));
        }
        Ok(Self::Plain(source))
    }

    pub(super) fn source(&self) -> &S {
        match self {
            Self::Plain(source) => source,
            Self::Gzip(reader) => reader.get_ref().get_ref(),
            Self::Zstd(reader) => reader.get_ref().get_ref(),
        }
    }

    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self {
            Self::Plain(source) => source.fill_buf(),
            Self::Gzip(reader) => reader.fill_buf(),
            Self::Zstd(reader) => reader.fill_buf(),
        }
    }

    fn consume(&mut self, amount: usize) {
        match self {
            Self::Plain(source) => source.consume(amount),
            Self::Gzip(reader) => reader.consume(amount),
            Self::Zstd(reader) => reader.consume(amount),
        }
    }
}

impl<S: Source> Read for Decoder<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(source) => source.read(buffer),
            Self::Gzip(reader) => reader.read(buffer),
            Self::Zstd(reader) => reader.read(buffer),
        }
    }
}

/// What an image has used of its [`Limits`], over all layers.
#[derive(Debug)]
pub(super) struct Budget {
    pub(super) limits: Limits,
    pub(super) entries: u64,
    pub(super) content: u64,
    streamed: u64,
}

impl Budget {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            entries: 0,
            content: 0,
            streamed: 0,
        }
    }
}

/// Decompressed bytes of one layer, counted.
pub(super) struct Metered<'b, S: Source> {
    decoder: Decoder<S>,
    pub(super) budget: &'b mut Budget,
    here: u64,
}

impl<'b, S: Source> Metered<'b, S> {
    pub(super) fn new(decoder: Decoder<S>, budget: &'b mut Budget) -> Self {
        Self {
            decoder,
            budget,
            here: 0,
        }
    }

    /// The next bytes, none at the end of the layer.
    pub(super) fn fill(&mut self) -> Result<&[u8], Fill> {
        let limits = self.budget.limits;
        if self.budget.streamed > limits.stream() {
            return Err(Fill::Refused(format!(
                "unpacks to more than the limit of {} bytes",
                limits.unpacked
            )));
        }
        if self.here > limits.ratio_from
            && self.here > self.decoder.source().taken().saturating_mul(limits.ratio)
        {
            return Err(Fill::Refused(format!(
                "unpacks to more than {} times the size of what is downloaded",
                limits.ratio
            )));
        }
        // The borrow of a successful read has to end before the decoder can be asked again.
        if let Err(error) = self.decoder.fill_buf() {
            let cut = self.decoder.source().is_cut();
            return Err(if cut { Fill::Cut } else { Fill::Broken(error) });
        }
        self.decoder.fill_buf().map_err(Fill::Broken)
    }

    pub(super) fn consume(&mut self, amount: usize) {
        self.here += amount as u64;
        self.budget.streamed += amount as u64;
        self.decoder.consume(amount);
    }
}

/// Why there are no next bytes.
pub(super) enum Fill {
    Refused(String),
    Broken(io::Error),
    Cut,
}

/// Bytes in memory, for tests and fuzzing.
pub(super) struct Memory<'a>(pub(super) &'a [u8], pub(super) u64);

impl Read for Memory<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let amount = self.0.read(buffer)?;
        self.1 += amount as u64;
        Ok(amount)
    }
}

impl BufRead for Memory<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.0)
    }

    fn consume(&mut self, amount: usize) {
        self.0 = &self.0[amount..];
        self.1 += amount as u64;
    }
}

impl Source for Memory<'_> {
    fn head(&mut self) -> io::Result<&[u8]> {
        Ok(self.0)
    }

    fn taken(&self) -> u64 {
        self.1
    }

    fn is_cut(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_media_types_of_layers() {
        for good in [
            "application/vnd.oci.image.layer.v1.tar",
            "application/vnd.oci.image.layer.v1.tar+gzip",
            "application/vnd.oci.image.layer.v1.tar+zstd",
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
            "application/vnd.docker.image.rootfs.diff.tar.gzip; charset=utf-8",
        ] {
            assert!(is_layer_type(good), "{good}");
        }
        for bad in [
            "",
            "text/html",
            "application/vnd.oci.image.layer.v1.tar+encrypted",
            "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
            "application/vnd.oci.empty.v1+json",
        ] {
            assert!(!is_layer_type(bad), "{bad}");
        }
    }
}
