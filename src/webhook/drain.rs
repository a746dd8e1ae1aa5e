//! The two steps of a shutdown (rule SV-4): first everybody is told to go elsewhere while all goes on, then nothing new
//! is taken and what is in flight is finished.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

/// How far the shutdown is. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Drain {
    draining: Arc<AtomicBool>,
    stop: CancellationToken,
}

impl Drain {
    /// Answers carry `Connection: close` from here on; the port stays open and everything is served.
    pub fn begin(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// The port closes; what is in flight is finished, what still comes in on open connections is answered 503.
    pub fn stop(&self) {
        self.begin();
        self.stop.cancel();
    }

    /// Whether [`Drain::begin`] was called.
    pub fn begun(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub(super) fn stopping(&self) -> bool {
        // The mutex within the token is only looked at once draining has begun: this is asked for every request.
        self.begun() && self.stop.is_cancelled()
    }

    pub(super) async fn stopped(&self) {
        self.stop.cancelled().await;
    }
}
