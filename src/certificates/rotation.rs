//! What should become of the Secret, decided from data alone: made, rotated, rid of former authorities, or left alone.
//!
//! A rotation has two phases. First the next authority's certificate goes into the Secret and from there into every
//! caBundle; it signs only when all of them have held it for a while. So no caller ever meets a certificate of somebody
//! it does not know.

use std::time::{Duration, SystemTime};

use super::authority::{Authority, CLOCK_SKEW, LEAF_LIFE, MakeAuthority};
use super::roots::Roots;
use super::secret::Kept;

/// How long an authority in a Secret lives: rotated long before by itself, so that nobody has to.
pub(super) const LIFE: Duration = Duration::from_hours(365 * 24);
/// How long former authorities stay trusted: until the last leaf that they signed has expired, by any clock.
pub(super) const RETENTION: Duration = LEAF_LIFE.saturating_add(CLOCK_SKEW);
/// Former authorities at most: a caBundle must not grow with every request for a new one.
const FORMER: usize = 8;

/// What is in the way of the decision, beside the Secret.
#[derive(Clone, Debug)]
pub(super) struct Around {
    /// The wall clock.
    pub(super) now: SystemTime,
    /// Whether every caBundle has held the next authority's certificate for long enough.
    pub(super) next_is_known: bool,
}

/// What to do about a Secret that is there and can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Make the next authority; it does not sign yet.
    Prepare,
    /// The next authority signs, the present one is a former one.
    Promote,
    /// The former ones are forgotten.
    Forget,
}

impl Change {
    /// For logs and metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Promote => "promote",
            Self::Forget => "forget",
        }
    }
}

/// Decides. Nothing is to be done most of the time.
pub(super) fn plan(kept: &Kept, around: &Around) -> Option<Change> {
    let now = around.now;
    if kept.next.is_some() {
        // Whatever an expired authority signed is refused already: nothing is lost by haste.
        let go = around.next_is_known || kept.present.not_after() <= now;
        return go.then_some(Change::Promote);
    }
    if kept.asked || due(&kept.present, now) {
        return Some(Change::Prepare);
    }
    let over = kept.former_until.is_some_and(|until| until <= now);
    (over && !kept.former.is_empty()).then_some(Change::Forget)
}

/// The content after a change.
pub(super) fn carry_out(kept: &Kept, change: Change, now: SystemTime) -> Result<Kept, MakeAuthority> {
    let mut kept = kept.clone();
    match change {
        Change::Prepare => {
            kept.next = Some(Authority::generate(now, LIFE)?.into());
            kept.asked = false;
        }
        Change::Promote => {
            if let Some(next) = kept.next.take() {
                let old = std::mem::replace(&mut kept.present, next);
                let former = [old.certificate().clone()]
                    .into_iter()
                    .chain(kept.former.iter().cloned());
                kept.former = former.collect::<Roots>().living(now, FORMER);
                kept.former_until = Some(now + RETENTION);
            }
        }
        Change::Forget => {
            kept.former = Roots::default();
            kept.former_until = None;
        }
    }
    Ok(kept)
}

/// A first content, or one in the place of a lost or broken one. `trusted` is what callers trust now: replicas may
/// serve what somebody of them signed, until they sign with the new one.
pub(super) fn make(trusted: Roots, now: SystemTime) -> Result<Kept, MakeAuthority> {
    let former = trusted.living(now, FORMER);
    Ok(Kept {
        present: Authority::generate(now, LIFE)?.into(),
        next: None,
        former_until: (!former.is_empty()).then_some(now + RETENTION),
        former,
        asked: false,
    })
}

/// Due when a third of its life is left: months, for whoever has to notice that it does not work.
fn due(authority: &Authority, now: SystemTime) -> bool {
    let life = authority
        .not_after()
        .duration_since(authority.not_before())
        .unwrap_or_default();
    now >= authority.not_before() + life * 2 / 3
}

#[cfg(test)]
mod tests;
