//! From the caller's task to the blocking thread: bytes, hashed on the way, over a bounded channel.

use std::error::Error;
use std::io::{self, BufRead, Read};

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::error::{Fault, Refusal, UnpackError};
use super::names;
use super::record::to_hex;

/// Batches that wait for the blocking thread.
const BATCHES: usize = 4;
/// A batch grows up to this while the channel is full, in bytes: fewer wake-ups, and memory stays bounded.
const BATCH: usize = 512 * 1024;

/// Which image is being read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// As its user knows it, for messages: `registry.example.com/modules/a:v1.2.3`.
    pub reference: String,
    /// The resolved digest of its manifest, `sha256:<hex>`.
    pub digest: String,
}

/// One layer; the base comes first.
#[derive(Debug)]
pub struct Layer<S> {
    /// As the manifest says it. Types that are no layer of files are refused; of the compressions the bytes decide.
    pub media_type: String,
    /// `sha256:<hex>`, from the manifest: what the bytes are checked against (rule REG-5).
    pub digest: String,
    /// Bytes, from the manifest.
    pub size: u64,
    /// The bytes as they are in the registry. Not polled before its turn comes, so it may open its connection lazily.
    pub stream: S,
}

/// Runs `work` on a blocking thread and feeds it the layers. What `work` gets as its end was seen whole and has the
/// right digests; when anything is wrong it sees [`Fault::Cut`] instead and cleans up.
pub(super) async fn feed<S, E, T>(
    image: &Image,
    layers: impl IntoIterator<Item = Layer<S>>,
    work: impl FnOnce(&mut Incoming) -> Result<T, Fault> + Send + 'static,
) -> Result<T, UnpackError>
where
    S: Stream<Item = Result<Bytes, E>> + Send + Unpin,
    E: Into<Box<dyn Error + Send + Sync>>,
    T: Send + 'static,
{
    names::hex(&image.digest)?;
    let (send, receive) = channel(BATCHES);
    let worker = tokio::task::spawn_blocking(move || {
        let mut incoming = Incoming::new(receive);
        let done = work(&mut incoming);
        (done, incoming.layer)
    });
    let mut pump = Pump { image, send };
    let pumped = pump.run(layers).await;
    drop(pump);
    let interrupted = |_| UnpackError::Interrupted {
        image: image.reference.clone(),
    };
    match (pumped, worker.await.map_err(interrupted)?) {
        // A refusal came before the connection broke, and says more.
        (Err(UnpackError::Stream { .. }), (Err(fault), layer)) if !matches!(fault, Fault::Cut) => {
            Err(tell(image, layer, fault))
        }
        (Err(error), _) => Err(error),
        (Ok(None), (done, layer)) => done.map_err(|fault| tell(image, layer, fault)),
        (Ok(Some(mut rest)), (done, layer)) => {
            // The thread gave up while bytes were still to come. If it could not read them they may have been damaged
            // on the way: then the rest decides which of the two is told, a bad download or a bad image.
            if matches!(&done, Err(Fault::Refused { broken: true, .. })) {
                rest.finish(image).await?;
            }
            done.map_err(|fault| tell(image, layer, fault))
        }
    }
}

fn tell(image: &Image, layer: String, fault: Fault) -> UnpackError {
    let image = image.reference.clone();
    match fault {
        Fault::Refused { entry, why, .. } => UnpackError::Refused {
            image,
            refusal: Refusal { entry, layer, why },
        },
        Fault::Disk { doing, source } => UnpackError::Disk { doing, source },
        Fault::Store(error) => UnpackError::Store(error),
        Fault::Cut => UnpackError::Interrupted { image },
    }
}

enum Piece {
    Layer { digest: String, media_type: String },
    Bytes(Vec<Bytes>),
    LayerEnd,
    Done,
}

struct Pump<'a> {
    image: &'a Image,
    send: Sender<Piece>,
}

impl Pump<'_> {
    /// `Some(rest)` when the thread stopped listening within a layer.
    async fn run<S, E>(
        &mut self,
        layers: impl IntoIterator<Item = Layer<S>>,
    ) -> Result<Option<Hashed<S>>, UnpackError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + Unpin,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        for layer in layers {
            names::hex(&layer.digest)?;
            let head = Piece::Layer {
                digest: layer.digest.clone(),
                media_type: layer.media_type,
            };
            let mut hashed = Hashed {
                digest: layer.digest,
                size: layer.size,
                stream: layer.stream,
                came: 0,
                sha256: Sha256::new(),
            };
            if self.send.send(head).await.is_err() {
                return Ok(None);
            }
            if !self.layer(&mut hashed).await? {
                return Ok(Some(hashed));
            }
            if self.send.send(Piece::LayerEnd).await.is_err() {
                return Ok(None);
            }
        }
        let _ = self.send.send(Piece::Done).await;
        Ok(None)
    }

    async fn layer<S, E>(&self, hashed: &mut Hashed<S>) -> Result<bool, UnpackError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + Unpin,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let (mut batch, mut length) = (Vec::new(), 0);
        while let Some(bytes) = hashed.next(self.image).await? {
            length += bytes.len();
            batch.push(bytes);
            let piece = Piece::Bytes(std::mem::take(&mut batch));
            match self.send.try_send(piece) {
                Ok(()) => length = 0,
                Err(TrySendError::Full(piece)) if length >= BATCH => {
                    if self.send.send(piece).await.is_err() {
                        return Ok(false);
                    }
                    length = 0;
                }
                Err(TrySendError::Full(Piece::Bytes(kept))) => batch = kept,
                Err(_) => return Ok(false),
            }
        }
        if !batch.is_empty() && self.send.send(Piece::Bytes(batch)).await.is_err() {
            return Ok(false);
        }
        Ok(true)
    }
}

/// A layer's stream that knows how far it came and what came.
struct Hashed<S> {
    digest: String,
    size: u64,
    stream: S,
    came: u64,
    sha256: Sha256,
}

impl<S> Hashed<S> {
    /// The next bytes; at the end `None`, after length and digest were found right.
    async fn next<E>(&mut self, image: &Image) -> Result<Option<Bytes>, UnpackError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + Unpin,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let length = |actual, expected| UnpackError::Length {
            image: image.reference.clone(),
            layer: self.digest.clone(),
            actual,
            expected,
        };
        match self.stream.next().await {
            Some(Ok(bytes)) => {
                self.came += bytes.len() as u64;
                if self.came > self.size {
                    return Err(length(self.came, self.size));
                }
                self.sha256.update(&bytes);
                Ok(Some(bytes))
            }
            Some(Err(error)) => Err(UnpackError::Stream {
                image: image.reference.clone(),
                layer: self.digest.clone(),
                source: error.into(),
            }),
            None if self.came < self.size => Err(length(self.came, self.size)),
            None => {
                let actual = format!("sha256:{}", to_hex(&self.sha256.finalize_reset()));
                if actual == self.digest {
                    return Ok(None);
                }
                Err(UnpackError::Digest {
                    image: image.reference.clone(),
                    layer: self.digest.clone(),
                    actual,
                })
            }
        }
    }

    async fn finish<E>(&mut self, image: &Image) -> Result<(), UnpackError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + Unpin,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        while self.next(image).await?.is_some() {}
        Ok(())
    }
}

/// The blocking thread's end.
pub(super) struct Incoming {
    receive: Receiver<Piece>,
    /// Digest of the layer that is being read, or was last.
    layer: String,
}

impl Incoming {
    fn new(receive: Receiver<Piece>) -> Self {
        Self {
            receive,
            layer: String::new(),
        }
    }

    /// The next layer's bytes and media type; `None` after the last, when all of them had the right digest.
    pub(super) fn next_layer(&mut self) -> Result<Option<(LayerBytes<'_>, String)>, Fault> {
        match self.receive.blocking_recv() {
            Some(Piece::Layer { digest, media_type }) => {
                self.layer = digest;
                let bytes = LayerBytes {
                    receive: &mut self.receive,
                    batch: Vec::new().into_iter(),
                    chunk: Bytes::new(),
                    state: State::Open,
                    taken: 0,
                };
                Ok(Some((bytes, media_type)))
            }
            Some(Piece::Done) => Ok(None),
            _ => Err(Fault::Cut),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Ended,
    Cut,
}

/// One layer as it is in the registry. Ends only after its digest was found right.
pub(super) struct LayerBytes<'a> {
    receive: &'a mut Receiver<Piece>,
    batch: std::vec::IntoIter<Bytes>,
    chunk: Bytes,
    state: State,
    taken: u64,
}

impl LayerBytes<'_> {
    /// Bytes handed out so far, those that a decoder has not looked at yet included.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Whether the sender went away: errors from above this reader then mean nothing.
    pub(super) fn is_cut(&self) -> bool {
        self.state == State::Cut
    }
}

impl LayerBytes<'_> {
    /// The first bytes without taking them, at least four unless the layer is shorter.
    pub(super) fn head(&mut self) -> io::Result<&[u8]> {
        while self.chunk.len() < 4 && self.state == State::Open {
            if let Some(chunk) = self.next_chunk() {
                self.chunk = if self.chunk.is_empty() {
                    chunk
                } else {
                    [&self.chunk[..], &chunk[..]].concat().into()
                };
            }
        }
        self.fill_buf()
    }

    fn next_chunk(&mut self) -> Option<Bytes> {
        if let Some(chunk) = self.batch.next() {
            self.taken += chunk.len() as u64;
            return Some(chunk);
        }
        match self.receive.blocking_recv() {
            Some(Piece::Bytes(batch)) => self.batch = batch.into_iter(),
            Some(Piece::LayerEnd) => self.state = State::Ended,
            _ => self.state = State::Cut,
        }
        None
    }
}

impl BufRead for LayerBytes<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.chunk.is_empty() && self.state == State::Open {
            if let Some(chunk) = self.next_chunk() {
                self.chunk = chunk;
            }
        }
        if self.state == State::Cut {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(&self.chunk)
    }

    fn consume(&mut self, amount: usize) {
        self.chunk.advance(amount);
    }
}

impl Read for LayerBytes<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut have = self.fill_buf()?;
        let amount = have.read(buffer)?;
        self.consume(amount);
        Ok(amount)
    }
}
