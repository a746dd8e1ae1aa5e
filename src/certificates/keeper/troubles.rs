//! What does not work at present: told in readiness as long as it lasts, and logged when it begins and when it ends.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::certificates::watches::Pace;

/// How long a trouble is told that nobody says is over: a watch that works again does not say so. One that is still
/// broken tells by then that it is.
const TOLD: Duration = Duration::from_secs(3 * Pace::LAST.as_secs());

/// By what is in trouble: since when it was told last, and what is wrong.
#[derive(Debug, Default)]
pub(super) struct Troubles(BTreeMap<String, (Instant, String)>);

impl Troubles {
    /// `what` does not work.
    pub(super) fn enter(&mut self, what: String, error: String, now: Instant) {
        if self.0.is_empty() {
            tracing::warn!(error, "{what}; tried again");
        }
        self.0.insert(what, (now, error));
    }

    /// `what` works.
    pub(super) fn over(&mut self, what: &str) {
        if self.0.remove(what).is_some() {
            self.ended();
        }
    }

    /// What to tell people, one for all: they mostly have the same cause.
    pub(super) fn told(&mut self, now: Instant) -> Option<String> {
        let before = self.0.len();
        self.0.retain(|_, (when, _)| now - *when < TOLD);
        if before > 0 {
            self.ended();
        }
        let (what, (_, error)) = self.0.first_key_value()?;
        let more = match self.0.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        Some(format!("{what}{more}: {error}"))
    }

    fn ended(&self) {
        if self.0.is_empty() {
            tracing::info!("certificate authority and caBundles are kept again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_is_told_until_it_is_over_or_not_heard_of_any_more() {
        let (mut troubles, now) = (Troubles::default(), Instant::now());
        assert_eq!(troubles.told(now), None);
        troubles.enter("cannot watch a".to_owned(), "refused".to_owned(), now);
        troubles.enter("cannot watch b".to_owned(), "refused".to_owned(), now + TOLD / 2);
        assert_eq!(
            troubles.told(now).as_deref(),
            Some("cannot watch a (and 1 more): refused")
        );
        assert_eq!(
            troubles.told(now + TOLD).as_deref(),
            Some("cannot watch b: refused")
        );
        troubles.over("cannot watch b");
        assert_eq!(troubles.told(now + TOLD), None);
    }
}
