//! From the caller's task to the blocking thread: bytes, hashed on the way, over a bounded channel.

use std::error::Error;
use std::io::{self, BufRead, Read};

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::digest::Hasher;
use super::error::{Failure, Fault, ReadError, Refusal, shown};

/// Batches that wait for the blocking thread.
const BATCHES: usize = 4;
/// A batch grows up to this while the channel is full, in bytes: fewer wake-ups, and memory stays bounded.
const BATCH: usize = 256 * 1024;

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
    /// From the manifest, `sha256:<hex>` and the like: what the bytes are checked against (rule REG-5).
    pub digest: String,
    /// Bytes, from the manifest.
    pub size: u64,
    /// The bytes as they are in the registry. Not polled before its turn comes, so it may open its connection lazily.
    pub stream: S,
}

/// Runs `work` on a blocking thread and feeds it the layers. What `work` gets as its end was seen whole and has the
/// right digests; when anything is wrong it sees [`Fault::Cut`] instead and cleans up.
pub(crate) async fn feed<S, E, T, F>(
    image: &Image,
    layers: impl IntoIterator<Item = Layer<S>>,
    work: impl FnOnce(&mut Incoming) -> Result<T, F> + Send + 'static,
) -> Result<T, F::Told>
where
    S: Stream<Item = Result<Bytes, E>> + Send + Unpin,
    E: Into<Box<dyn Error + Send + Sync>>,
    T: Send + 'static,
    F: Failure,
{
    let (send, receive) = channel(BATCHES);
    let worker = tokio::task::spawn_blocking(move || {
        let mut incoming = Incoming::new(receive);
        let done = work(&mut incoming);
        (done, incoming.layer)
    });
    let mut pump = Pump { image, send };
    let pumped = pump.run(layers).await;
    drop(pump);
    let interrupted = |_| ReadError::Interrupted {
        image: image.reference.clone(),
    };
    let (done, layer) = worker.await.map_err(interrupted)?;
    let failure = match done {
        Ok(done) => {
            return match pumped {
                Ok(_) => Ok(done),
                Err(error) => Err(error.into()),
            };
        }
        Err(failure) => failure.fault(),
    };
    match (pumped, failure) {
        // A refusal came before the connection broke, and says more.
        (Err(ReadError::Stream { .. }), Err(told)) => Err(told),
        (Err(ReadError::Stream { .. }), Ok(fault @ Fault::Refused { .. })) => {
            Err(tell(image, layer, fault).into())
        }
        (Err(error), _) => Err(error.into()),
        (Ok(rest), failure) => {
            // The thread gave up while bytes were still to come. If it could not read them they may have been damaged
            // on the way: then the rest decides which of the two is told, a bad download or a bad image.
            if let (Some(mut rest), Ok(Fault::Refused { broken: true, .. })) = (rest, &failure) {
                rest.finish(image).await?;
            }
            Err(match failure {
                Ok(fault) => tell(image, layer, fault).into(),
                Err(told) => told,
            })
        }
    }
}

fn tell(image: &Image, layer: String, fault: Fault) -> ReadError {
    let image = image.reference.clone();
    match fault {
        Fault::Refused { entry, why, .. } => ReadError::Refused {
            image,
            refusal: Refusal { entry, layer, why },
        },
        Fault::Cut => ReadError::Interrupted { image },
    }
}

enum Piece {
    Layer {
        digest: String,
        media_type: String,
        size: u64,
    },
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
    ) -> Result<Option<Hashed<S>>, ReadError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + Unpin,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        for layer in layers {
            let checked = Hasher::of(&layer.digest).ok_or_else(|| ReadError::DigestForm {
                digest: shown(layer.digest.as_bytes()),
            })?;
            let head = Piece::Layer {
                digest: layer.digest.clone(),
                media_type: layer.media_type,
                size: layer.size,
            };
            let mut source = Hashed {
                digest: layer.digest,
                size: layer.size,
                stream: layer.stream,
                came: 0,
                hasher: Some(checked),
            };
            if self.send.send(head).await.is_err() {
                return Ok(None);
            }
            if !self.layer(&mut source).await? {
                return Ok(Some(source));
            }
            if self.send.send(Piece::LayerEnd).await.is_err() {
                return Ok(None);
            }
        }
        let _ = self.send.send(Piece::Done).await;
        Ok(None)
    }

    async fn layer<S, E>(&self, hashed: &mut Hashed<S>) -> Result<bool, ReadError>
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
    /// Taken at the end.
    hasher: Option<Hasher>,
}

impl<S> Hashed<S> {
    /// The next bytes; at the end `None`, after length and digest were found right.
    async fn next<E>(&mut self, image: &Image) -> Result<Option<Bytes>, ReadError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + Unpin,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let length = |actual, expected| ReadError::Length {
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
                if let Some(hasher) = self.hasher.as_mut() {
                    hasher.update(&bytes);
                }
                Ok(Some(bytes))
            }
            Some(Err(error)) => Err(ReadError::Stream {
                image: image.reference.clone(),
                layer: self.digest.clone(),
                source: error.into(),
            }),
            None if self.came < self.size => Err(length(self.came, self.size)),
            None => {
                let Some(hasher) = self.hasher.take() else {
                    return Ok(None);
                };
                let actual = hasher.finish();
                if actual == self.digest {
                    return Ok(None);
                }
                Err(ReadError::Digest {
                    image: image.reference.clone(),
                    layer: self.digest.clone(),
                    actual,
                })
            }
        }
    }

    async fn finish<E>(&mut self, image: &Image) -> Result<(), ReadError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + Unpin,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        while self.next(image).await?.is_some() {}
        Ok(())
    }
}

/// The blocking thread's end.
pub(crate) struct Incoming {
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

    /// The next layer's bytes; `None` after the last, when all of them had the right digest.
    pub(super) fn next_layer(&mut self) -> Result<Option<LayerBytes<'_>>, Fault> {
        match self.receive.blocking_recv() {
            Some(Piece::Layer {
                digest,
                media_type,
                size,
            }) => {
                self.layer = digest;
                let bytes = LayerBytes {
                    media_type,
                    size,
                    receive: &mut self.receive,
                    batch: Vec::new().into_iter(),
                    chunk: Bytes::new(),
                    state: State::Open,
                    taken: 0,
                };
                Ok(Some(bytes))
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
    /// As the manifest says it.
    pub(super) media_type: String,
    /// Bytes that the manifest announces.
    pub(super) size: u64,
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
