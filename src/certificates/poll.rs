//! Following files by looking: contents are compared every two seconds. Watches on mounted Secrets go deaf when the
//! kubelet swaps the folder behind them; looking cannot.

use std::time::Duration;

/// How often files are looked at: far within the 30 s in which a change has to be served, and two reads of a few
/// kilobytes cost nothing.
pub(super) const EVERY: Duration = Duration::from_secs(2);

/// What to do about contents that were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Known already: served now, or told to be broken.
    Nothing,
    /// New: try it.
    Try,
}

/// Remembers what was seen, so that each change is taken or told once.
#[derive(Debug)]
pub(super) struct Follower<T> {
    served: T,
    broken: Option<T>,
    /// Failed once; counts as broken when it looks the same the next time. Two files that are copied one after the
    /// other do not match in between, which is nobody's fault.
    suspect: Option<T>,
}

impl<T: PartialEq> Follower<T> {
    pub(super) fn new(served: T) -> Self {
        Self {
            served,
            broken: None,
            suspect: None,
        }
    }

    /// Whether `seen` is worth a try.
    pub(super) fn look(&mut self, seen: &T) -> Step {
        if *seen == self.served {
            self.suspect = None;
            return Step::Nothing;
        }
        if self.broken.as_ref() == Some(seen) {
            Step::Nothing
        } else {
            Step::Try
        }
    }

    /// `seen` is served from now on.
    pub(super) fn took(&mut self, seen: T) {
        *self = Self::new(seen);
    }

    /// `seen` cannot be used; true when that is to be told now.
    pub(super) fn failed(&mut self, seen: T) -> bool {
        if self.suspect.as_ref() == Some(&seen) {
            self.suspect = None;
            self.broken = Some(seen);
            return true;
        }
        self.suspect = Some(seen);
        false
    }

    /// True once when what was broken on disk is again what is served.
    pub(super) fn recovered(&mut self, seen: &T) -> bool {
        *seen == self.served && self.broken.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_of_a_broken_change_once_and_only_when_it_stays() {
        let mut follower = Follower::new(1);
        assert_eq!(follower.look(&1), Step::Nothing);
        assert_eq!(follower.look(&2), Step::Try);
        assert!(!follower.failed(2), "it may be half written");
        assert_eq!(follower.look(&2), Step::Try);
        assert!(follower.failed(2));
        assert_eq!(follower.look(&2), Step::Nothing);
        assert_eq!(follower.look(&3), Step::Try);
        follower.took(3);
        assert_eq!(follower.look(&3), Step::Nothing);
        assert_eq!(follower.look(&2), Step::Try);
    }

    #[test]
    fn notices_when_the_old_contents_come_back() {
        let mut follower = Follower::new(1);
        follower.failed(2);
        assert!(!follower.recovered(&1), "nothing was told");
        follower.failed(2);
        assert!(follower.recovered(&1) && !follower.recovered(&1));
    }
}
