//! Keeps callers' trust in a cluster (rules SV-1, SV-2): the authority's Secret, the caBundles, and the readiness that
//! says whether they fit what is served.
//!
//! Every replica does so, from the moment its port listens and without asking anybody: all of them come to the same
//! conclusions, and each write names the version that it replaces, so that the first one counts and the others look
//! again. Watches ring when something changes; at rest nothing is written, and nothing but the clock is looked at.

mod bundles;
mod signing;
mod strangers;
mod troubles;

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::{FutureExt, StreamExt};
use kube::Client;
use kube::runtime::events::Recorder;
use tokio::time::Instant;

use super::calls::{CallError, Calls};
pub use super::carriers::Target;
use super::carriers::{Carrier, Sort};
use super::files::Bundle;
use super::judgement::{Judgement, Known};
use super::leaves::Leaves;
use super::resolver::Resolver;
use super::roots::Roots;
use super::trust::SystemRoots;
use super::watches::{self, Notice, Pace};
use crate::api::installation::NAME;
use crate::telemetry::Readiness;
use crate::telemetry::metrics::Reason;
use crate::telemetry::readiness::{Condition, Note};
use crate::telemetry::trust::{Object, Trust};
use bundles::{Held, Repairs};
use signing::Signing;
use strangers::Strangers;
use troubles::Troubles;

/// How often the clock is looked at while nothing else happens: leaves, files and time limits go by it.
const TICK: Duration = Duration::from_secs(1);
/// How long readiness tells of something that was mended: long enough to be seen by somebody who comes to look.
const TOLD: Duration = Duration::from_mins(10);

/// The trouble with what is done here, beside those of the watches.
const CALLS: &str = "cannot keep the certificate authority and the caBundles";

/// Who signs what is served.
pub enum Source {
    /// An authority in the Secret, by way of leaves in memory.
    Own(Arc<Leaves>),
    /// Somebody else, by way of files; their `ca.crt` goes into the caBundles.
    Files {
        /// The `ca.crt` of the files; without one the caBundles are left alone.
        bundle: Bundle,
        /// What serves the files.
        resolver: Arc<Resolver>,
    },
}

/// Whether this replica is going: it keeps nothing any more.
pub type Going = Box<dyn Fn() -> bool + Send + Sync>;

/// Writes the caBundle of the moment to where people find it.
pub type Publish = Box<dyn FnMut(&str) -> io::Result<()> + Send + Sync>;

/// What the loop keeps, and what it knows.
pub struct Keeper {
    calls: Calls,
    target: Target,
    carriers: Vec<Carrier>,
    known: Vec<Known>,
    signer: Signer,
    /// What the caBundles should hold, once that is known.
    wanted: Option<Roots>,
    held: Held,
    repairs: Repairs,
    going: Option<Going>,
    publish: Option<Publish>,
    published: Option<Roots>,
    condition: Condition,
    note: Note,
    once_ready: bool,
    /// What was mended last, and when.
    mended: Option<(Instant, String)>,
    troubles: Troubles,
    strangers: Strangers,
    /// No calls before this.
    pause: Option<Instant>,
    pace: Pace,
    trust: Trust,
    events: Recorder,
}

enum Signer {
    Own(Signing),
    Files {
        bundle: Bundle,
        resolver: Arc<Resolver>,
        system: SystemRoots,
    },
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper")
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

impl Keeper {
    /// `namespace` holds the Secret; readiness gets a condition that is met when API servers would trust what is served.
    pub fn new(
        client: Client,
        namespace: String,
        target: Target,
        source: Source,
        readiness: &Readiness,
        trust: Trust,
    ) -> Self {
        let carriers = Carrier::all();
        for sort in Sort::ALL {
            let object = Object { object: sort.name() };
            trust.mismatch.get_or_create(&object).set(0);
        }
        Self {
            events: Recorder::new(client.clone(), NAME.into()),
            calls: Calls { client, namespace },
            target,
            known: vec![None; carriers.len()],
            repairs: Repairs::new(carriers.len()),
            carriers,
            signer: match source {
                Source::Own(leaves) => Signer::Own(Signing::new(leaves)),
                Source::Files { bundle, resolver } => Signer::Files {
                    bundle,
                    resolver,
                    system: SystemRoots::read(),
                },
            },
            wanted: None,
            held: Held::default(),
            going: None,
            publish: None,
            published: None,
            condition: readiness.condition("ca bundles", "the API server has not been reached yet"),
            note: readiness.note(),
            once_ready: false,
            mended: None,
            troubles: Troubles::default(),
            strangers: Strangers::default(),
            pause: None,
            pace: Pace::default(),
            trust,
        }
    }

    /// Writes the caBundle with `publish`, too, whenever it changes.
    #[must_use]
    pub fn publishing(mut self, publish: Publish) -> Self {
        self.publish = Some(publish);
        self
    }

    /// Nothing is written any more once `going` says so. A replica that shuts down leaves its part to the others; and
    /// where all of them go, as in an uninstall, nobody makes anew what is being removed.
    #[must_use]
    pub fn until(mut self, going: Going) -> Self {
        self.going = Some(going);
        self
    }

    /// Keeps them until dropped.
    pub async fn run(mut self) {
        let secret = matches!(self.signer, Signer::Own(_));
        let mut notices = watches::all(&self.calls, &self.carriers, &self.target, secret);
        loop {
            let now = Instant::now();
            let wake = self.pause.map_or(now + TICK, |pause| pause.min(now + TICK));
            tokio::select! {
                notice = notices.next() => notice.into_iter().for_each(|notice| self.take(notice)),
                () = tokio::time::sleep_until(wake) => {}
            }
            // All that has come meanwhile belongs to one look.
            while let Some(Some(notice)) = notices.next().now_or_never() {
                self.take(notice);
            }
            self.step().await;
        }
    }

    fn take(&mut self, notice: Notice) {
        match notice {
            Notice::Secret => {
                if let Signer::Own(signing) = &mut self.signer {
                    signing.look_again();
                }
                // The API server is there: no reason to wait.
                self.pause = None;
            }
            Notice::Carrier(number, content) => {
                self.know(number, content);
                self.pause = None;
            }
            Notice::Trouble(watch, error) => {
                self.trust
                    .problems
                    .get_or_create(&Reason { reason: "watch" })
                    .inc();
                self.troubles
                    .enter(format!("cannot watch {watch}"), error, Instant::now());
            }
        }
    }

    async fn step(&mut self) {
        let now = SystemTime::now();
        self.held.look(&self.known, Instant::now());
        self.strangers
            .look(&self.known, self.wanted.as_ref(), Instant::now());
        let going = self.going.as_ref().is_some_and(|going| going());
        if !going && self.pause.is_none_or(|pause| pause <= Instant::now()) {
            self.pause = None;
            match self.keep(now).await {
                Ok(()) => {}
                // Whoever was quicker has rung already, or will.
                Err(CallError::Outdated) => self.pause = Some(Instant::now() + Pace::FIRST),
                Err(error) => self.failed(&error),
            }
        }
        self.publish();
        self.adopt(now);
        self.judge(now).await;
    }

    /// Brings Secret and caBundles to where they should be.
    async fn keep(&mut self, now: SystemTime) -> Result<(), CallError> {
        match &self.signer {
            Signer::Own(_) => {
                self.keep_secret(now).await?;
                if !self.all_hold() && self.wanted.is_some() {
                    // Another replica may have changed the Secret, and the caBundles after it: what is wanted is what
                    // stands in the Secret after the caBundles were read.
                    self.read_secret().await?;
                    self.keep_secret(now).await?;
                }
            }
            Signer::Files { bundle, .. } => {
                let files = bundle.load_full().map(|text| Roots::from_pem(&text));
                self.wanted = files.filter(|roots| !roots.is_empty());
            }
        }
        self.keep_bundles().await?;
        self.troubles.over(CALLS);
        self.pace = Pace::default();
        Ok(())
    }

    fn publish(&mut self) {
        let (Some(wanted), Some(publish)) = (&self.wanted, &mut self.publish) else {
            return;
        };
        if self.published.as_ref() == Some(wanted) {
            return;
        }
        if let Err(error) = publish(&wanted.to_pem()) {
            tracing::error!(%error, "the certificates to be trusted cannot be written to their file");
        }
        self.published = Some(wanted.clone());
    }

    fn failed(&mut self, error: &CallError) {
        let reason = Reason { reason: "call" };
        self.trust.problems.get_or_create(&reason).inc();
        self.troubles
            .enter(CALLS.to_owned(), error.to_string(), Instant::now());
        self.pause = self.pace.next().map(|pause| Instant::now() + pause);
    }

    /// What is told in readiness for a while, in a log line and in a metric.
    fn mended(&mut self, reason: &'static str, what: String) {
        tracing::warn!(reason, "{what}");
        self.trust.problems.get_or_create(&Reason { reason }).inc();
        self.mended = Some((Instant::now(), what));
    }

    async fn judge(&mut self, now: SystemTime) {
        let judgement = self.judgement(now);
        for sort in Sort::ALL {
            let of_sort =
                |(carrier, wrong): (&Carrier, &Vec<String>)| (carrier.sort == sort).then_some(wrong.len());
            let count: usize = self
                .carriers
                .iter()
                .zip(&judgement.wrong)
                .filter_map(of_sort)
                .sum();
            let object = Object { object: sort.name() };
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.trust.mismatch.get_or_create(&object).set(count);
        }
        self.tell(&judgement);
        if self.once_ready {
            self.announce(&judgement).await;
        }
    }

    fn judgement(&self, now: SystemTime) -> Judgement {
        let served = self.resolver().served();
        let system = match &self.signer {
            Signer::Files { system, .. } if self.wanted.is_none() => Some(system),
            _ => None,
        };
        Judgement::of(&self.carriers, &self.known, &served.key().cert, system, now)
    }

    fn tell(&mut self, judgement: &Judgement) {
        let waits = match &self.signer {
            Signer::Own(signing) => signing.waits(),
            Signer::Files { .. } => None,
        };
        let readiness = waits
            .map_or(Ok(()), Err)
            .and_then(|()| judgement.readiness(self.once_ready));
        let note = match readiness {
            Ok(note) => {
                self.once_ready = true;
                self.condition.met();
                note
            }
            Err(missing) => {
                self.condition.missing(missing);
                None
            }
        };
        let mended = self.mended.as_ref();
        let mended = mended
            .filter(|(when, _)| when.elapsed() < TOLD)
            .map(|(_, what)| what);
        let trouble = self.troubles.told(Instant::now());
        let notes = [note.as_ref(), mended, trouble.as_ref()];
        let notes: Vec<&str> = notes.into_iter().flatten().map(String::as_str).collect();
        if notes.is_empty() {
            self.note.clear();
        } else {
            self.note.say(format!("ca bundles: {}", notes.join("; ")));
        }
    }

    fn resolver(&self) -> &Arc<Resolver> {
        match &self.signer {
            Signer::Own(signing) => signing.resolver(),
            Signer::Files { resolver, .. } => resolver,
        }
    }
}
