//! Reading a body: at most so long, at most so slowly, and never more of them at once than there is memory for.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};

use super::gate::Share;
use super::limits::Limits;

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadBody {
    /// Longer than a body may be.
    TooLarge,
    /// There is no room for it now.
    NoRoom,
    /// It did not arrive in time.
    TooSlow,
    /// It ended before its end, or its framing is broken.
    Broken,
}

/// Reads `body`; `share` grows with the memory that it takes.
///
/// A body of known length takes its whole share before the first byte, so that it is turned away at once or not at
/// all. The timer for the rest is made only when there is something to wait for.
pub(super) async fn read<B>(body: &mut B, limits: &Limits, share: &mut Share<'_>) -> Result<Bytes, ReadBody>
where
    B: Body<Data = Bytes> + Unpin,
{
    let expected = body
        .size_hint()
        .exact()
        .map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    if let Some(length) = expected {
        if length > limits.max_body {
            return Err(ReadBody::TooLarge);
        }
        if !share.grow(length) {
            return Err(ReadBody::NoRoom);
        }
    }
    let mut reader = Reader {
        body,
        expected,
        read: Read::Nothing,
        limit: limits.max_body,
        share,
    };
    // A body that came with its head is here already: no timer, and no look at the clock.
    if let Poll::Ready(result) = poll_fn(|cx| Poll::Ready(reader.poll(cx))).await {
        return result;
    }
    match tokio::time::timeout(limits.body_timeout, poll_fn(|cx| reader.poll(cx))).await {
        Ok(result) => result,
        Err(_) => Err(ReadBody::TooSlow),
    }
}

struct Reader<'a, 'g, B> {
    body: &'a mut B,
    expected: Option<usize>,
    read: Read,
    limit: usize,
    share: &'a mut Share<'g>,
}

/// What was read so far. A body that came in one piece is passed on without a copy.
enum Read {
    Nothing,
    One(Bytes),
    Many(BytesMut),
}

impl<B: Body<Data = Bytes> + Unpin> Reader<'_, '_, B> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, ReadBody>> {
        loop {
            // What is there in one piece needs no further question.
            if let (Read::One(piece), Some(expected)) = (&self.read, self.expected)
                && piece.len() == expected
            {
                return Poll::Ready(Ok(piece.clone()));
            }
            match ready!(Pin::new(&mut *self.body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Err(error) = self.take(frame) {
                        return Poll::Ready(Err(error));
                    }
                }
                Some(Err(_)) => return Poll::Ready(Err(ReadBody::Broken)),
                None => {
                    return Poll::Ready(Ok(match std::mem::replace(&mut self.read, Read::Nothing) {
                        Read::Nothing => Bytes::new(),
                        Read::One(piece) => piece,
                        Read::Many(buffer) => buffer.freeze(),
                    }));
                }
            }
        }
    }

    fn take(&mut self, frame: Frame<Bytes>) -> Result<(), ReadBody> {
        let Ok(piece) = frame.into_data() else {
            return Ok(());
        };
        let before = match &self.read {
            Read::Nothing => 0,
            Read::One(first) => first.len(),
            Read::Many(buffer) => buffer.len(),
        };
        let length = before + piece.len();
        if length > self.limit {
            return Err(ReadBody::TooLarge);
        }
        self.read = match std::mem::replace(&mut self.read, Read::Nothing) {
            Read::Nothing => {
                self.room(length)?;
                Read::One(piece)
            }
            Read::One(first) => {
                let capacity = self.capacity(length);
                self.room(capacity)?;
                let mut buffer = BytesMut::with_capacity(capacity);
                buffer.extend_from_slice(&first);
                buffer.extend_from_slice(&piece);
                Read::Many(buffer)
            }
            Read::Many(mut buffer) => {
                if length > buffer.capacity() {
                    let capacity = self.capacity(length);
                    self.room(capacity)?;
                    buffer.reserve(capacity - before);
                }
                buffer.extend_from_slice(&piece);
                Read::Many(buffer)
            }
        };
        Ok(())
    }

    /// How large a buffer for `length` bytes should be: what the sender said, else twice as much.
    fn capacity(&self, length: usize) -> usize {
        self.expected
            .unwrap_or(0)
            .max(length)
            .max(if self.expected.is_none() { length * 2 } else { 0 })
            .min(self.limit)
    }

    fn room(&mut self, amount: usize) -> Result<(), ReadBody> {
        if self.share.grow(amount) {
            Ok(())
        } else {
            Err(ReadBody::NoRoom)
        }
    }
}

/// Reads on and throws away, at most `limit` bytes: a client that is still sending would otherwise see its connection
/// reset before it sees the answer. Ends with the connection.
pub(super) async fn discard<B>(mut body: B, limit: usize)
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut read = 0;
    while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > limit {
            return;
        }
    }
}
