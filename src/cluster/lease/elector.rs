//! What keeps the Lease: makes the calls that the election asks for, and tells the writers.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::election::{Answer, Call, Change, Election, TIMING};
use super::leases::{CallError, Leases};
use super::term::{Leadership, Shared};
use crate::api::installation;
use crate::telemetry::leading::Leading;
use crate::telemetry::metrics::Reason;

/// How long writers may take to stop when the Lease is given back. One that takes longer keeps it from being given
/// back; it runs out by itself then.
const STOPPING: Duration = Duration::from_secs(5);
/// How often the giving back is tried: a renewal on its way, or a hand, may have changed the Lease.
const TRIES: u8 = 3;

/// A candidate for the Lease. Does nothing until it runs.
pub struct Elector {
    leases: Leases,
    office: Office,
}

/// What is known of the election, and who is told.
struct Office {
    election: Election,
    term: Option<Arc<Shared>>,
    terms: watch::Sender<Option<Arc<Shared>>>,
    metrics: Leading,
    /// The holder that was last told.
    holder: String,
    /// The trouble that was last told; empty while calls are answered.
    trouble: String,
}

impl Elector {
    /// A candidate called `identity`, unique among all that ever were, for the Lease in `namespace`; and where its terms
    /// are announced.
    pub fn new(client: Client, namespace: &str, identity: String, metrics: Leading) -> (Self, Leadership) {
        let (terms, receiver) = watch::channel(None);
        for reason in ["gained", "lost", "given-back"] {
            // From the start, so that the first change is seen as one.
            metrics.transitions.get_or_create(&Reason { reason }).inc_by(0);
        }
        let elector = Self {
            leases: Leases::new(client, namespace, installation::NAME),
            office: Office {
                election: Election::new(identity, TIMING, now()),
                term: None,
                terms,
                metrics,
                holder: String::new(),
                trouble: String::new(),
            },
        };
        (elector, Leadership::new(receiver))
    }

    /// Stands for election, again and again, until `leave`; then ends its term, waits for the writers to stop, and gives
    /// the Lease back.
    pub async fn run(mut self, leave: CancellationToken) {
        while let Some(()) = leave.run_until_cancelled(self.step()).await {}
        self.give_back().await;
    }

    async fn step(&mut self) {
        let Self { leases, office } = self;
        let (call, at) = office.election.next();
        let call = call.clone();
        office.attend(tokio::time::sleep_until(at.into())).await;
        let sent = now();
        let answer = office.attend(leases.call(&call)).await;
        let answer = office.told(answer);
        let change = office.election.answered(answer, sent, now());
        office.take(change);
    }

    async fn give_back(mut self) {
        let Self { leases, office } = &mut self;
        if let Some(term) = office.term.clone() {
            office.end("given-back");
            if !term.writers_gone(STOPPING).await {
                tracing::warn!("writing has not stopped in time: the Lease is not given back, it runs out");
                return;
            }
        }
        let Some(Call::Replace {
            mut version,
            record: empty,
        }) = office.election.give_back(now())
        else {
            return;
        };
        for _ in 0..TRIES {
            let record = empty.clone();
            match leases.call(&Call::Replace { version, record }).await {
                Ok(Answer::Written { .. }) => return tracing::info!("the Lease is given back"),
                Ok(Answer::Conflict) | Err(_) => {}
                Ok(_) => return,
            }
            // A renewal was on its way, or a hand in between. Only what is still ours is given back.
            match leases.call(&Call::Get).await {
                Ok(Answer::Found { version: now, record }) if office.election.is_mine(&record) => {
                    version = now;
                }
                _ => return,
            }
        }
    }
}

impl Office {
    /// Waits for something, and ends the term meanwhile if its time is over.
    async fn attend<F: Future>(&mut self, work: F) -> F::Output {
        let mut work = pin!(work);
        loop {
            let over = async {
                match self.election.leads_until() {
                    Some(until) => tokio::time::sleep_until(until.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = over => {
                    let change = self.election.expire(now());
                    self.take(change);
                }
                output = &mut work => return output,
            }
        }
    }

    /// Tells once what is wrong with the calls, and when they are answered again.
    fn told(&mut self, answer: Result<Answer, CallError>) -> Answer {
        let trouble = match &answer {
            Ok(_) => String::new(),
            Err(error) => chain(error),
        };
        if trouble != self.trouble {
            if trouble.is_empty() {
                tracing::info!("the API server answers again about the Lease");
            } else {
                tracing::warn!(
                    error = trouble,
                    "the Lease cannot be read or renewed, trying again"
                );
            }
            self.trouble = trouble;
        }
        answer.unwrap_or(Answer::Unknown)
    }

    /// Tells the writers what has changed.
    fn take(&mut self, change: Change) {
        if change != Change::None {
            // A new term follows a lost one when nothing was heard for long and the Lease is still ours.
            self.end("lost");
        }
        if let Some(until) = self.election.leads_until() {
            match &self.term {
                Some(term) => term.extend(until.into()),
                None => self.begin(until.into()),
            }
        }
        let holder = self.election.holder();
        if holder != self.holder {
            if !holder.is_empty() && self.term.is_none() {
                tracing::info!(holder, "the Lease is held");
            }
            holder.clone_into(&mut self.holder);
        }
    }

    fn begin(&mut self, until: Instant) {
        let term = Shared::new(until);
        self.term = Some(Arc::clone(&term));
        self.terms.send_replace(Some(term));
        self.metrics.leader.set(1);
        self.count("gained");
        tracing::info!(
            identity = self.election.holder(),
            "this replica writes to the cluster from now on"
        );
    }

    fn end(&mut self, reason: &'static str) {
        let Some(term) = self.term.take() else { return };
        term.end();
        self.terms.send_replace(None);
        self.metrics.leader.set(0);
        self.count(reason);
        tracing::info!(reason, "this replica writes to the cluster no more");
    }

    fn count(&self, reason: &'static str) {
        self.metrics.transitions.get_or_create(&Reason { reason }).inc();
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// An error with its causes, on one line.
fn chain(error: &CallError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
