//! How many reviews and how many bytes of bodies there may be at once. The gauges that operators see are the counters
//! that decide.

use prometheus_client::metrics::gauge::Gauge;

/// Counts a quantity up to a limit.
#[derive(Debug)]
pub(super) struct Gate {
    held: Gauge,
    limit: i64,
}

impl Gate {
    pub(super) fn new(held: Gauge, limit: usize) -> Self {
        Self {
            held,
            limit: i64::try_from(limit).unwrap_or(i64::MAX),
        }
    }

    /// Nothing yet of what this gate counts; more can be taken, all of it is given back on drop.
    pub(super) fn share(&self) -> Share<'_> {
        Share {
            gate: self,
            amount: 0,
        }
    }

    /// One, if there is room.
    pub(super) fn one(&self) -> Option<Share<'_>> {
        let mut share = self.share();
        share.grow(1).then_some(share)
    }
}

/// Part of what a [`Gate`] lets in.
#[derive(Debug)]
pub(super) struct Share<'a> {
    gate: &'a Gate,
    amount: i64,
}

impl Share<'_> {
    /// Grows to `amount` in all; false, and unchanged, when there is no room for it.
    pub(super) fn grow(&mut self, amount: usize) -> bool {
        let more = i64::try_from(amount)
            .unwrap_or(i64::MAX)
            .saturating_sub(self.amount);
        if more <= 0 {
            return true;
        }
        if self.gate.held.inc_by(more).saturating_add(more) > self.gate.limit {
            self.gate.held.dec_by(more);
            return false;
        }
        self.amount += more;
        true
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        if self.amount > 0 {
            self.gate.held.dec_by(self.amount);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lets_in_up_to_the_limit_and_takes_back_what_is_dropped() {
        let held = Gauge::default();
        let gate = Gate::new(held.clone(), 10);
        let mut one = gate.share();
        assert!(one.grow(4) && one.grow(4) && one.grow(2));
        let mut two = gate.share();
        assert!(!two.grow(7));
        assert!(two.grow(6));
        assert!(gate.one().is_none());
        drop(one);
        assert_eq!(held.get(), 6);
        assert!(gate.one().is_some());
        drop(two);
        assert_eq!(held.get(), 0);
    }
}
