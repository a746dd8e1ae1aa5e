//! What a connection is doing, so that one timer per connection (none per request) can end those that do nothing.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::limits::Limits;

/// How long a connection that never sent anything may live on once the server stops: its first request may be on the
/// way.
const FRESH_GRACE: Duration = Duration::from_secs(1);

/// What one connection is doing.
#[derive(Debug)]
pub(super) struct Activity {
    /// Whether the first bytes after an answer are the next request's head. Not so in h2, where they may be anything.
    one_at_a_time: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Requests whose head is here and whose answer is not.
    busy: usize,
    /// Bytes of a head are here, but not all of it.
    head: bool,
    /// Nothing was ever received.
    fresh: bool,
    /// Since when it is like that.
    since: Instant,
}

/// What is to be done about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Close it; the reason is a metric label.
    Close(&'static str),
    /// Nothing before this moment.
    LookAgain(Instant),
}

impl Activity {
    pub(super) fn new(one_at_a_time: bool, now: Instant) -> Arc<Self> {
        let state = State {
            busy: 0,
            head: false,
            fresh: true,
            since: now,
        };
        Arc::new(Self {
            one_at_a_time,
            state: Mutex::new(state),
        })
    }

    /// A request's head is complete; it is busy until the guard is dropped.
    pub(super) fn begin(self: Arc<Self>) -> Busy {
        let mut state = self.state();
        state.busy += 1;
        state.head = false;
        drop(state);
        Busy(self)
    }

    /// Judges the connection; `stopping` says since when the server takes nothing new.
    pub(super) fn step(&self, now: Instant, limits: &Limits, stopping: Option<Instant>) -> Step {
        let state = self.state();
        // A head or a rest can begin right after this look, so the next one is never later than either may take.
        let soon = now + limits.header_timeout.min(limits.idle_timeout);
        let (ends, reason) = if state.busy > 0 {
            // Bodies have a timeout and reviews a deadline of their own.
            return Step::LookAgain(soon);
        } else if state.head {
            (state.since + limits.header_timeout, "header")
        } else if let (true, Some(stopping)) = (state.fresh, stopping) {
            (stopping + FRESH_GRACE, "stop")
        } else {
            (state.since + limits.idle_timeout, "idle")
        };
        if ends <= now {
            Step::Close(reason)
        } else {
            Step::LookAgain(ends.min(soon))
        }
    }

    /// Whether this is an HTTP/1.1 connection that never sent anything.
    pub(super) fn awaits_first(&self) -> bool {
        self.one_at_a_time && self.state().fresh
    }

    fn received(&self) {
        let mut state = self.state();
        state.fresh = false;
        if self.one_at_a_time && state.busy == 0 && !state.head {
            state.head = true;
            state.since = Instant::now();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Busy(Arc<Activity>);

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.busy -= 1;
        if state.busy == 0 {
            state.since = Instant::now();
        }
    }
}

/// A stream that tells its [`Activity`] when something comes in.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let poll = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.activity.received();
        }
        poll
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        limits: Limits,
    }

    fn limits() -> Limits {
        Flags::parse_from(["test"]).limits
    }

    #[test]
    fn ends_a_head_that_trickles_and_a_connection_that_is_silent() {
        let (limits, start) = (limits(), Instant::now());
        let activity = Activity::new(true, start);
        assert_eq!(
            activity.step(start, &limits, None),
            Step::LookAgain(start + limits.header_timeout)
        );
        assert_eq!(
            activity.step(start + limits.idle_timeout, &limits, None),
            Step::Close("idle")
        );
        activity.received();
        let late = Instant::now() + limits.header_timeout;
        assert_eq!(activity.step(late, &limits, None), Step::Close("header"));
        let busy = Arc::clone(&activity).begin();
        assert!(matches!(activity.step(late, &limits, None), Step::LookAgain(_)));
        drop(busy);
        assert!(matches!(activity.step(late, &limits, None), Step::LookAgain(_)));
    }

    #[test]
    fn a_fresh_connection_does_not_hold_up_the_end() {
        let (limits, start) = (limits(), Instant::now());
        let activity = Activity::new(true, start);
        assert_eq!(
            activity.step(start, &limits, Some(start)),
            Step::LookAgain(start + FRESH_GRACE)
        );
        assert_eq!(
            activity.step(start + FRESH_GRACE, &limits, Some(start)),
            Step::Close("stop")
        );
    }
}
