//! Bytes on their way from a blob to the reader of its tar, counted on both sides of the unpacking.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use tar::Archive;
use tokio::sync::mpsc;

use super::ReadLimits;

/// Bytes of headers between two entries: long names, PAX records. `tar` reads them into memory.
pub(super) const HEADERS: u64 = 1 << 20;

/// A layer's tar, unpacked as it is read, and the meter that watches it.
pub(super) fn open(pipe: Pipe, limits: ReadLimits) -> io::Result<(Archive<Plain>, Rc<Meter>)> {
    let meter = Rc::new(Meter::new(limits));
    let packed = BufReader::with_capacity(
        64 * 1024,
        Packed {
            pipe,
            meter: Rc::clone(&meter),
        },
    );
    let plain = Plain {
        inner: unpack(packed)?,
        meter: Rc::clone(&meter),
    };
    Ok((Archive::new(plain), meter))
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
pub(super) struct Meter {
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
    pub(super) fn allow(&self, bytes: u64) {
        self.allowed_to.set(self.plain.get().saturating_add(bytes));
    }

    /// Bytes that came out so far.
    pub(super) fn unpacked(&self) -> u64 {
        self.plain.get()
    }

    fn count(&self, bytes: usize) -> io::Result<()> {
        let plain = self.plain.get() + bytes as u64;
        self.plain.set(plain);
        let too_much = |what: String| Err(io::Error::other(what));
        if plain > self.limits.unpacked {
            return too_much(format!("unpacks to more than {} bytes", self.limits.unpacked));
        }
        if plain > self.limits.ratio_from && plain / self.limits.ratio.max(1) > self.packed.get() {
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

pub(super) struct Plain {
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
pub(super) struct Pipe {
    receiver: mpsc::Receiver<Bytes>,
    rest: Bytes,
}

impl Pipe {
    pub(super) fn new(receiver: mpsc::Receiver<Bytes>) -> Self {
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
