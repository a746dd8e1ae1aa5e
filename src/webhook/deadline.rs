//! Until when an answer is of use (rule AD-6).

use std::time::{Duration, Instant};

use super::duration;

/// The API server's patience when it does not say: the default of `timeoutSeconds`.
const DEFAULT: Duration = Duration::from_secs(10);
/// No API server waits longer (`timeoutSeconds` ends at 30), so nobody else is waited for longer either.
const LONGEST: Duration = Duration::from_secs(30);
/// The share of the caller's patience after which it gets an explicit answer instead of silence.
const SHARE: f64 = 0.8;

/// The moment at which the caller's patience is 80 % used, counted from the arrival of the request's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(Instant);

impl Deadline {
    /// A deadline at `instant`, for callers that are no request.
    pub fn at(instant: Instant) -> Self {
        Self(instant)
    }

    /// What the query of a request whose head came at `arrived` asks for: `timeout` as Go writes durations; none, zero
    /// or an unreadable one is ten seconds.
    pub(super) fn of(arrived: Instant, query: Option<&str>) -> Self {
        let patience = query
            .into_iter()
            .flat_map(|query| query.split('&'))
            .find_map(|pair| pair.strip_prefix("timeout="))
            .and_then(duration::parse)
            .filter(|patience| !patience.is_zero())
            .unwrap_or(DEFAULT)
            .min(LONGEST);
        Self(arrived + patience.mul_f64(SHARE))
    }

    /// The moment itself.
    pub fn instant(&self) -> Instant {
        self.0
    }

    /// What is left; zero once it has passed.
    pub fn remaining(&self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_when_four_fifths_of_the_callers_patience_are_used() {
        let now = Instant::now();
        for (query, millis) in [
            (None, 8_000),
            (Some("timeout=10s"), 8_000),
            (Some("timeout=500ms"), 400),
            (Some("a=b&timeout=1m0s"), 24_000),
            (Some("timeout=5s&timeout=9s"), 4_000),
            (Some("timeout="), 8_000),
            (Some("timeout=soon"), 8_000),
            (Some("timeout=0s"), 8_000),
            (Some("timeouts=1s"), 8_000),
        ] {
            assert_eq!(
                Deadline::of(now, query).instant() - now,
                Duration::from_millis(millis),
                "{query:?}"
            );
        }
    }

    #[test]
    fn has_nothing_left_once_it_has_passed() {
        assert_eq!(Deadline::at(Instant::now()).remaining(), Duration::ZERO);
    }
}
