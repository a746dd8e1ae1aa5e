//! Certificates in caBundles that this replica does not know, but another one of ours wrote.
//!
//! Replicas do not always want the same: files on a mounted volume change on one node a minute before they do on
//! another, and a rollout may change who signs. Whoever took out what he does not know would cut off the others; so it
//! stays for a while. What a person wrote is not of that kind.

use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tokio::time::Instant;

use crate::certificates::carriers::Entry;
use crate::certificates::judgement::Known;
use crate::certificates::roots::Roots;

/// How long: far more than a kubelet takes to bring a changed Secret to a pod, and than a rollout of a few replicas.
const TOLERANCE: Duration = Duration::from_mins(10);

/// Since when which of them is seen.
#[derive(Debug, Default)]
pub(super) struct Strangers(Vec<(CertificateDer<'static>, Instant)>);

impl Strangers {
    /// To be called whenever something may have changed.
    pub(super) fn look(&mut self, known: &[Known], wanted: Option<&Roots>, now: Instant) {
        let Some(wanted) = wanted else {
            return;
        };
        let entries = known
            .iter()
            .flatten()
            .flatten()
            .flat_map(|content| &content.entries);
        let strange: Roots = entries
            .filter(|entry| entry.ours)
            .flat_map(|entry| entry.bundle.iter().cloned())
            .filter(|certificate| !wanted.contains(certificate))
            .collect();
        let since = |certificate: &CertificateDer<'_>| {
            let seen = self.0.iter().find(|(seen, _)| seen == certificate);
            seen.map_or(now, |(_, since)| *since)
        };
        self.0 = strange
            .iter()
            .map(|certificate| (certificate.clone(), since(certificate)))
            .collect();
    }

    /// What a place should hold: all that is wanted, and whom we tolerate there.
    pub(super) fn bundle(&self, entry: &Entry, wanted: &Roots, now: Instant) -> Roots {
        let tolerated = entry.bundle.iter().filter(|certificate| {
            let mut seen = self.0.iter();
            entry.ours && seen.any(|(seen, since)| seen == *certificate && now - *since < TOLERANCE)
        });
        wanted.iter().chain(tolerated).cloned().collect()
    }

    /// Whether it holds that, in whatever order.
    pub(super) fn fits(&self, entry: &Entry, wanted: &Roots, now: Instant) -> bool {
        let bundle = self.bundle(entry, wanted, now);
        let within = |one: &Roots, other: &Roots| one.iter().all(|certificate| other.contains(certificate));
        within(&bundle, &entry.bundle) && within(&entry.bundle, &bundle)
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::certificates::Authority;
    use crate::certificates::authority::AUTHORITY_LIFE;
    use crate::certificates::carriers::Carried;

    fn roots() -> Roots {
        crate::certificates::install_provider();
        let authority = Authority::generate(SystemTime::now(), AUTHORITY_LIFE).unwrap();
        [authority.certificate().clone()].into_iter().collect()
    }

    fn union(one: &Roots, other: &Roots) -> Roots {
        one.iter().chain(other.iter()).cloned().collect()
    }

    fn entry(bundle: &Roots, ours: bool) -> Entry {
        Entry {
            name: String::new(),
            host: String::new(),
            bundle: bundle.clone(),
            ours,
        }
    }

    fn known(entry: &Entry) -> Vec<Known> {
        vec![Some(Some(Carried {
            uid: None,
            resource_version: None,
            entries: vec![entry.clone()],
            others: 0,
        }))]
    }

    #[test]
    fn what_another_replica_wrote_stays_for_a_while_and_what_a_person_wrote_does_not() {
        let (wanted, strange) = (roots(), roots());
        let now = Instant::now();
        let mut strangers = Strangers::default();

        let theirs = entry(&strange, true);
        strangers.look(&known(&theirs), Some(&wanted), now);
        assert!(!strangers.fits(&theirs, &wanted, now));
        let both = union(&wanted, &strange);
        assert_eq!(strangers.bundle(&theirs, &wanted, now), both);

        let mended = entry(&union(&strange, &wanted), true);
        strangers.look(&known(&mended), Some(&wanted), now + TOLERANCE / 2);
        assert!(strangers.fits(&mended, &wanted, now + TOLERANCE / 2));
        strangers.look(&known(&mended), Some(&wanted), now + TOLERANCE);
        assert!(!strangers.fits(&mended, &wanted, now + TOLERANCE));
        assert_eq!(strangers.bundle(&mended, &wanted, now + TOLERANCE), wanted);

        let by_hand = entry(&strange, false);
        strangers.look(&known(&by_hand), Some(&wanted), now);
        assert_eq!(strangers.bundle(&by_hand, &wanted, now), wanted);
    }
}
