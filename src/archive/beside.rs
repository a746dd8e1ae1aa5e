//! Decompression on a thread of its own: while one entry is being written, the next ones are made ready.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use super::decode::{Decoder, Source};
use super::error::Fault;

/// Compressed bytes from which a thread is worth its start: what takes the other one some ten milliseconds.
pub(super) const WORTH_IT: u64 = 1024 * 1024;
/// Decompressed bytes are handed over in pieces of up to this size.
const PIECE: usize = 256 * 1024;
/// Pieces that wait; with the two that are being filled and read, memory is bounded.
const WAITING: usize = 2;

/// Decompresses on a thread that lives as long as `read` does, which gets what comes out.
pub(super) fn decode<'a, E: From<Fault>>(
    decoder: Decoder<Box<dyn Source + 'a>>,
    read: impl FnOnce(Decoder<Box<dyn Source + '_>>) -> Result<(), E>,
) -> Result<(), E> {
    let (send, receive) = sync_channel(WAITING);
    let (give_back, spare) = channel();
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("decompress".to_owned());
        let running = thread.spawn_scoped(scope, move || run(decoder, &send, &spare));
        // No thread to be had: as if nothing more had come.
        running.map_err(|_| Fault::Cut)?;
        let plain = Decoded {
            receive,
            give_back,
            piece: Piece::default(),
            at: 0,
            state: State::Open,
        };
        // Archives within archives stay what they are: what was decompressed is not looked at for another compression.
        read(Decoder::Plain(Box::new(plain)))
    })
}

/// Some decompressed bytes.
#[derive(Default)]
struct Piece {
    buffer: Vec<u8>,
    length: usize,
    /// Compressed bytes handed out when it was made.
    taken: u64,
    end: Option<End>,
}

/// What follows a piece, if no other does.
enum End {
    Whole,
    Cut,
    Broken(io::Error),
}

fn run<S: Source>(mut decoder: Decoder<S>, send: &SyncSender<Piece>, spare: &Receiver<Vec<u8>>) {
    loop {
        let mut piece = Piece {
            buffer: spare.try_recv().unwrap_or_else(|_| vec![0; PIECE]),
            ..Piece::default()
        };
        // A decoder gives what it has; half a piece is worth a wake-up.
        while piece.end.is_none() && piece.length < PIECE / 2 {
            match decoder.read(&mut piece.buffer[piece.length..]) {
                Ok(0) => piece.end = Some(End::Whole),
                Ok(length) => piece.length += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) if decoder.source().is_cut() => piece.end = Some(End::Cut),
                Err(error) => piece.end = Some(End::Broken(error)),
            }
        }
        piece.taken = decoder.source().taken();
        let ended = piece.end.is_some();
        if send.send(piece).is_err() || ended {
            return;
        }
    }
}

/// The reading end.
struct Decoded {
    receive: Receiver<Piece>,
    give_back: Sender<Vec<u8>>,
    piece: Piece,
    at: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Ended,
    Cut,
}

impl BufRead for Decoded {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at == self.piece.length && self.state == State::Open {
            match self.piece.end.take() {
                Some(End::Whole) => self.state = State::Ended,
                Some(End::Cut) => self.state = State::Cut,
                Some(End::Broken(error)) => return Err(error),
                None => {
                    // The thread ends with an end, or not at all.
                    let Ok(next) = self.receive.recv() else {
                        self.state = State::Cut;
                        break;
                    };
                    let read = std::mem::replace(&mut self.piece, next);
                    self.at = 0;
                    if !read.buffer.is_empty() {
                        // Nobody takes it back when the thread is done.
                        let _ = self.give_back.send(read.buffer);
                    }
                }
            }
        }
        if self.state == State::Cut {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(&self.piece.buffer[self.at..self.piece.length])
    }

    fn consume(&mut self, amount: usize) {
        self.at += amount;
    }
}

impl Read for Decoded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut have = self.fill_buf()?;
        let amount = have.read(buffer)?;
        self.consume(amount);
        Ok(amount)
    }
}

impl Source for Decoded {
    fn head(&mut self) -> io::Result<&[u8]> {
        self.fill_buf()
    }

    fn taken(&self) -> u64 {
        self.piece.taken
    }

    fn is_cut(&self) -> bool {
        self.state == State::Cut
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::decode::Memory;
    use super::*;

    /// Compressible, longer than all pieces that may wait.
    fn content() -> Vec<u8> {
        (0..400_000u32)
            .flat_map(|number| (number / 3).to_le_bytes())
            .collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// What comes out, how it ended, and what had been taken and cut then.
    fn through(source: Box<dyn Source + '_>) -> (Vec<u8>, io::Result<()>, u64, bool) {
        let mut told = None;
        let decoder = Decoder::new(source).unwrap();
        let done = decode(decoder, |mut decoded| -> Result<(), Fault> {
            let mut all = Vec::new();
            let end = decoded.read_to_end(&mut all).map(drop);
            let source = decoded.source();
            told = Some((all, end, source.taken(), source.is_cut()));
            Ok(())
        });
        assert!(done.is_ok());
        told.unwrap()
    }

    #[test]
    fn gives_what_was_compressed() {
        let content = content();
        for compressed in [gzip(&content), zstd::encode_all(&content[..], 1).unwrap()] {
            let (all, end, taken, cut) = through(Box::new(Memory(&compressed, 0)));
            end.unwrap();
            assert!(all == content && !cut);
            assert_eq!(taken, compressed.len() as u64);
        }
    }

    #[test]
    fn tells_damage_after_what_was_good() {
        let content = content();
        let mut compressed = gzip(&content);
        let middle = compressed.len() / 2;
        compressed[middle..].fill(0xff);
        let (all, end, _, cut) = through(Box::new(Memory(&compressed, 0)));
        end.unwrap_err();
        assert!(!all.is_empty() && content.starts_with(&all[..1_000]) && !cut);
    }

    /// Breaks off instead of ending.
    struct Short<'a>(Memory<'a>, bool);

    impl Read for Short<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let mut have = self.fill_buf()?;
            let amount = have.read(buffer)?;
            self.consume(amount);
            Ok(amount)
        }
    }

    impl BufRead for Short<'_> {
        fn fill_buf(&mut self) -> io::Result<&[u8]> {
            self.1 = self.0.fill_buf()?.is_empty();
            if self.1 {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            self.0.fill_buf()
        }

        fn consume(&mut self, amount: usize) {
            self.0.consume(amount);
        }
    }

    impl Source for Short<'_> {
        fn head(&mut self) -> io::Result<&[u8]> {
            self.fill_buf()
        }

        fn taken(&self) -> u64 {
            self.0.taken()
        }

        fn is_cut(&self) -> bool {
            self.1
        }
    }

    #[test]
    fn knows_a_cut_from_damage() {
        let compressed = gzip(&content());
        let half = &compressed[..compressed.len() / 2];
        let (_, end, _, cut) = through(Box::new(Short(Memory(half, 0), false)));
        assert!(end.is_err() && cut);
    }

    #[test]
    fn ends_when_nobody_reads_on() {
        let compressed = gzip(&content());
        let decoder: Decoder<Box<dyn Source + '_>> =
            Decoder::new(Box::new(Memory(&compressed, 0)) as _).unwrap();
        let done = decode(decoder, |mut decoded| {
            assert_ne!(decoded.read(&mut [0; 10]).unwrap(), 0);
            Err(Fault::Cut)
        });
        assert!(matches!(done, Err(Fault::Cut)));
    }
}
