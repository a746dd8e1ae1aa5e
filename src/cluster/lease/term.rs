//! What a writer holds: the right to write, for as long as it lasts.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Where a replica learns that it may write. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Leadership {
    terms: watch::Receiver<Option<Arc<Shared>>>,
}

/// A span of time in which this replica, and no other, writes. Whoever writes holds one, asks [`Self::may_write`] before
/// each write, and drops it when it has stopped writing: only then is the Lease given back.
#[derive(Clone, Debug)]
pub struct Term {
    shared: Arc<Shared>,
    _writing: TaskTrackerToken,
}

/// What the elector and all clones of a term share.
#[derive(Debug)]
pub(super) struct Shared {
    until: Mutex<Instant>,
    over: CancellationToken,
    writers: TaskTracker,
}

impl Leadership {
    pub(super) fn new(terms: watch::Receiver<Option<Arc<Shared>>>) -> Self {
        Self { terms }
    }

    /// The present term; nothing while another replica leads, or nobody.
    pub fn term(&self) -> Option<Term> {
        self.terms.borrow().as_ref().and_then(Shared::term)
    }

    /// Waits for a term that is not over. Nothing when there will be none any more, since this replica is leaving.
    pub async fn next(&mut self) -> Option<Term> {
        loop {
            let present = self.terms.borrow_and_update().as_ref().and_then(Shared::term);
            if present.is_some() {
                return present;
            }
            self.terms.changed().await.ok()?;
        }
    }

    /// Does `work` once per term, from the beginning of each, and drops it where it stands when the term is over. Ends
    /// when this replica leaves.
    pub async fn each_term<F: Future<Output = ()>>(mut self, mut work: impl FnMut(Term) -> F) {
        while let Some(term) = self.next().await {
            let over = term.token().clone();
            // Done early or not: the next turn is the next term's.
            let _done = over.run_until_cancelled(work(term)).await;
            over.cancelled().await;
        }
    }
}

impl Term {
    /// Whether a write may be sent now. Looks at the clock: right also in a process that was frozen and does not know yet
    /// that it has lost its Lease.
    pub fn may_write(&self) -> bool {
        self.shared.lasts()
    }

    /// Cancelled when the term is over, before another replica may begin one.
    pub fn token(&self) -> &CancellationToken {
        &self.shared.over
    }

    /// Does `work` unless the term is over, or ends meanwhile: then nothing is returned, and the work was dropped where
    /// it stood.
    pub async fn run<F: Future>(&self, work: F) -> Option<F::Output> {
        if !self.may_write() {
            return None;
        }
        self.shared.over.run_until_cancelled(work).await
    }
}

impl Shared {
    pub(super) fn new(until: Instant) -> Arc<Self> {
        let shared = Arc::new(Self {
            until: Mutex::new(until),
            over: CancellationToken::new(),
            writers: TaskTracker::new(),
        });
        // Only tokens are counted, and `wait` waits for the last of them.
        shared.writers.close();
        shared
    }

    fn term(self: &Arc<Self>) -> Option<Term> {
        self.lasts().then(|| Term {
            shared: Arc::clone(self),
            _writing: self.writers.token(),
        })
    }

    fn lasts(&self) -> bool {
        !self.over.is_cancelled() && Instant::now() < *self.until()
    }

    fn until(&self) -> std::sync::MutexGuard<'_, Instant> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The Lease was renewed.
    pub(super) fn extend(&self, until: Instant) {
        *self.until() = until;
    }

    pub(super) fn end(&self) {
        self.over.cancel();
    }

    /// Waits until nobody holds the term any more; whether that was so in time.
    pub(super) async fn writers_gone(&self, patience: Duration) -> bool {
        tokio::time::timeout(patience, self.writers.wait()).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leadership(until: Instant) -> (watch::Sender<Option<Arc<Shared>>>, Leadership, Arc<Shared>) {
        let shared = Shared::new(until);
        let (sender, receiver) = watch::channel(Some(Arc::clone(&shared)));
        (sender, Leadership::new(receiver), shared)
    }

    #[tokio::test(start_paused = true)]
    async fn a_term_is_over_by_the_clock_before_anybody_says_so() {
        let (_sender, leadership, shared) = leadership(Instant::now() + Duration::from_secs(10));
        let term = leadership.term().unwrap();
        tokio::time::advance(Duration::from_secs(9)).await;
        assert!(term.may_write());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!term.may_write());
        assert!(leadership.term().is_none());
        assert_eq!(term.run(async { 1 }).await, None);
        shared.extend(Instant::now() + Duration::from_secs(10));
        assert_eq!(term.run(async { 1 }).await, Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn work_is_dropped_when_its_term_ends_and_begins_again_with_the_next() {
        let (sender, leadership, shared) = leadership(Instant::now() + Duration::from_secs(10));
        let (begun, mut beginnings) = tokio::sync::mpsc::unbounded_channel();
        let work = tokio::spawn(leadership.each_term(move |term| {
            let begun = begun.clone();
            async move {
                begun.send(()).unwrap();
                std::future::pending::<()>().await;
                drop(term);
            }
        }));
        beginnings.recv().await.unwrap();
        assert!(!shared.writers_gone(Duration::from_secs(1)).await);
        shared.end();
        assert!(shared.writers_gone(Duration::from_secs(1)).await);

        sender.send_replace(Some(Shared::new(Instant::now() + Duration::from_secs(10))));
        beginnings.recv().await.unwrap();
        sender.send_replace(None).unwrap().end();
        drop(sender);
        work.await.unwrap();
    }
}
