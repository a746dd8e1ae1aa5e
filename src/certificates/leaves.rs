//! Leaves of an [`Authority`], renewed in memory. What is due is decided by the wall clock at every look, never by a
//! timer that was set for the whole life: a monotonic clock stands still while a machine sleeps.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;

use super::authority::{Authority, SignLeaf};
use super::resolver::{Resolver, Served};
use super::x509;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::Certificate;

/// How often the wall clock is looked at.
const EVERY: Duration = Duration::from_secs(30);

/// Keeps a resolver's certificate fresh.
#[derive(Debug)]
pub struct Leaves {
    authority: ArcSwap<Authority>,
    names: Vec<String>,
    resolver: Arc<Resolver>,
    metrics: Metrics,
}

impl Leaves {
    /// Signs the first leaf for `names` (DNS names and addresses).
    pub fn new(
        authority: Arc<Authority>,
        names: Vec<String>,
        now: SystemTime,
        metrics: Metrics,
    ) -> Result<Self, SignLeaf> {
        let resolver = Resolver::new(authority.sign(&names, now)?, metrics.clone());
        let leaves = Self {
            authority: ArcSwap::from(authority),
            names,
            resolver,
            metrics,
        };
        leaves.tell();
        Ok(leaves)
    }

    /// What shows the leaves.
    pub fn resolver(&self) -> &Arc<Resolver> {
        &self.resolver
    }

    /// Who signs now.
    pub fn authority(&self) -> Arc<Authority> {
        self.authority.load_full()
    }

    /// From now on `authority` signs, beginning with a new leaf at once. Callers must trust it already.
    pub fn adopt(&self, authority: Arc<Authority>, now: SystemTime) -> Result<(), SignLeaf> {
        self.resolver.swap(authority.sign(&self.names, now)?);
        self.authority.store(authority);
        self.tell();
        Ok(())
    }

    /// Signs a new leaf when the present one is due; true when it did.
    pub fn renew(&self, now: SystemTime) -> Result<bool, SignLeaf> {
        if !due(&self.resolver.served(), now) {
            return Ok(false);
        }
        self.resolver.swap(self.authority.load().sign(&self.names, now)?);
        Ok(true)
    }

    /// Renews until dropped.
    pub async fn follow(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match self.renew(SystemTime::now()) {
                Ok(true) => tracing::info!("serving a renewed certificate"),
                Ok(false) => {}
                Err(error) => {
                    let label = Certificate {
                        certificate: "serving",
                    };
                    self.metrics
                        .certificate_reload_failures
                        .get_or_create(&label)
                        .inc();
                    tracing::error!(%error, "the certificate cannot be renewed, tried again in {} s", EVERY.as_secs());
                }
            }
        }
    }

    fn tell(&self) {
        self.metrics
            .certificate_expiry
            .get_or_create(&Certificate {
                certificate: "authority",
            })
            .set(x509::unix_seconds(self.authority.load().not_after()));
    }
}

/// Due after two thirds of its life; also when the clock was set back before its beginning.
fn due(served: &Served, now: SystemTime) -> bool {
    let life = served
        .not_after()
        .duration_since(served.not_before())
        .unwrap_or_default();
    now < served.not_before() || now >= served.not_before() + life * 2 / 3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificates::authority::{AUTHORITY_LIFE, LEAF_LIFE};

    fn leaves(now: SystemTime) -> Leaves {
        crate::certificates::install_provider();
        let authority = Arc::new(Authority::generate(now, AUTHORITY_LIFE).unwrap());
        Leaves::new(authority, vec!["localhost".into()], now, Metrics::default()).unwrap()
    }

    #[test]
    fn renews_a_leaf_after_two_thirds_of_its_life_by_the_wall_clock() {
        let now = SystemTime::now();
        let leaves = leaves(now);
        let first = leaves.resolver().served();
        assert!(!leaves.renew(now + LEAF_LIFE / 2).unwrap());
        // A machine that slept for a week wakes up with an expired leaf: the first look renews it.
        let later = now + 7 * LEAF_LIFE;
        assert!(leaves.renew(later).unwrap());
        assert!(!leaves.renew(later).unwrap());
        let second = leaves.resolver().served();
        assert_ne!(first.leaf(), second.leaf());
        assert!(second.not_after() > later);
    }

    #[test]
    fn renews_a_leaf_whose_life_has_not_begun_by_a_clock_that_was_set_back() {
        let now = SystemTime::now();
        let leaves = leaves(now);
        let later = now + 7 * LEAF_LIFE;
        assert!(leaves.renew(later).unwrap());
        assert!(leaves.renew(now).unwrap());
    }

    #[test]
    fn an_adopted_authority_signs_at_once() {
        let now = SystemTime::now();
        let leaves = leaves(now);
        let before = leaves.resolver().served();
        leaves
            .adopt(Arc::new(Authority::generate(now, AUTHORITY_LIFE).unwrap()), now)
            .unwrap();
        assert_ne!(before.leaf(), leaves.resolver().served().leaf());
    }
}
