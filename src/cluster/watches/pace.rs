//! How long to wait before something that failed is tried again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
/// With it, an API server that is back is known to be within ten seconds and the time of one call.
const LONGEST: Duration = Duration::from_secs(10);

/// Waits that double up to ten seconds, each shortened by up to a half, so that many who failed at once do not come
/// back at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    next: Duration,
}

impl Pace {
    /// The next wait.
    pub(super) fn next(&mut self) -> Duration {
        let full = self.next;
        self.next = (full * 2).min(LONGEST);
        full.mul_f64(fastrand::f64().mul_add(0.5, 0.5))
    }

    /// All is well again: the next wait is the shortest.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_ten_seconds_and_begin_anew() {
        let mut pace = Pace::default();
        let first = pace.next();
        assert!(first >= FIRST / 2 && first <= FIRST, "{first:?}");
        for _ in 0..10 {
            pace.next();
        }
        for _ in 0..100 {
            let wait = pace.next();
            assert!(wait >= LONGEST / 2 && wait <= LONGEST, "{wait:?}");
        }
        pace.reset();
        assert!(pace.next() <= FIRST);
    }
}
