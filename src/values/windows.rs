//! Update windows: when, week by week, a release may be deployed (rule MUP-2).
//!
//! All is counted in minutes of the week, UTC, from Monday 00:00. A window is open on `[from, to)`; one whose `from` is
//! later than its `to` crosses midnight and belongs to the day on which it opens, and what opens late on Sunday runs on
//! into the next week.

use jiff::Timestamp;

use super::time_of_day::{Day, TimeOfDay};

const DAY: u16 = 24 * 60;
const WEEK: u16 = 7 * DAY;
const NANOSECONDS: i128 = 60_000_000_000;

/// The epoch was a Thursday.
const EPOCH: i128 = 3 * DAY as i128;

/// Most windows that a list may have by its schema. Pairs beyond it are not compared, so that a list which breaks the
/// schema cannot cost more.
const MAX_WINDOWS: usize = 64;

/// A span of hours on some days, or on every day. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    from: TimeOfDay,
    to: TimeOfDay,
    /// Whether it opens on the day, by the order of [`Day::ALL`].
    days: [bool; 7],
}

/// A window that ends when it begins (rule MUP-1). It is about the field `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is also the start of the window, write another time than in `from`")]
pub struct EmptyWindowError(TimeOfDay);

impl Window {
    /// A window on these days; no days mean every day, and a day counts once.
    pub fn new(from: TimeOfDay, to: TimeOfDay, days: &[Day]) -> Result<Self, EmptyWindowError> {
        if from == to {
            return Err(EmptyWindowError(to));
        }
        let mut opens = [days.is_empty(); 7];
        for day in days {
            opens[*day as usize] = true;
        }
        Ok(Self {
            from,
            to,
            days: opens,
        })
    }

    /// When it opens.
    pub const fn from(&self) -> TimeOfDay {
        self.from
    }

    /// When it closes, on the next day if that is not later than it opens.
    pub const fn to(&self) -> TimeOfDay {
        self.to
    }

    /// The days on which it opens, in the order of the week, without repetition.
    pub fn days(&self) -> impl Iterator<Item = Day> {
        Day::ALL.into_iter().filter(|day| self.days[*day as usize])
    }

    /// The minutes of the week at which it opens.
    fn openings(&self) -> impl Iterator<Item = u16> {
        self.days().map(|day| day as u16 * DAY + self.from.minutes())
    }

    /// For how many minutes it stays open.
    fn length(&self) -> u16 {
        (self.to.minutes() + DAY - self.from.minutes()) % DAY
    }

    /// Whether it is open in a minute of the week.
    fn contains(&self, minute: u16) -> bool {
        self.openings()
            .any(|opening| minutes_between(opening, minute) < self.length())
    }

    /// Two spans overlap exactly when one begins within the other.
    fn overlaps(&self, other: &Self) -> bool {
        other.openings().any(|opening| self.contains(opening))
            || self.openings().any(|opening| other.contains(opening))
    }
}

/// How long it takes from one minute of the week to the next time that it is another, less than a week.
const fn minutes_between(earlier: u16, later: u16) -> u16 {
    (later + WEEK - earlier) % WEEK
}

/// A list of windows, open where one of them is. An empty list is always open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Windows(Vec<Window>);

/// Two windows that share time (rule MUP-3), by their places in the list, the smaller one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overlap {
    /// The place of the first window.
    pub first: usize,
    /// The place of the second.
    pub second: usize,
    /// Whether the two are the very same span on the very same days.
    pub duplicate: bool,
}

impl Windows {
    /// A list in the order in which it was written.
    pub const fn new(windows: Vec<Window>) -> Self {
        Self(windows)
    }

    /// Whether there is no window at all, so that it is always open.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The windows in the order in which they were written.
    pub fn as_slice(&self) -> &[Window] {
        &self.0
    }

    /// Whether something may happen at this time.
    pub fn contains(&self, time: Timestamp) -> bool {
        let minute = minute_of_week(time);
        self.0.is_empty() || self.0.iter().any(|window| window.contains(minute))
    }

    /// The first time later than `after` at which a window opens, even if another is open then; so ask
    /// [`Windows::contains`] first. None when there are no windows, which is always open.
    pub fn next_opening(&self, after: Timestamp) -> Option<Timestamp> {
        let now = minute_of_week(after);
        let minutes = (self.0.iter().flat_map(Window::openings))
            // What opened at the start of this minute is not later than `after`: it opens again in a week.
            .map(|opening| match minutes_between(now, opening) {
                0 => WEEK,
                minutes => minutes,
            })
            .min()?;
        let start_of_minute = after.as_nanosecond().div_euclid(NANOSECONDS);
        // Fails in the year 9999 only, where jiff's time ends.
        Timestamp::from_nanosecond((start_of_minute + i128::from(minutes)) * NANOSECONDS).ok()
    }

    /// The pairs of windows that share time, in the order of the list.
    pub fn overlaps(&self) -> Vec<Overlap> {
        let windows = &self.0[..self.0.len().min(MAX_WINDOWS)];
        let mut found = Vec::new();
        for (second, later) in windows.iter().enumerate() {
            for (first, earlier) in windows[..second].iter().enumerate() {
                if earlier.overlaps(later) {
                    found.push(Overlap {
                        first,
                        second,
                        duplicate: earlier == later,
                    });
                }
            }
        }
        found.sort_by_key(|overlap| (overlap.first, overlap.second));
        found
    }
}

impl FromIterator<Window> for Windows {
    fn from_iter<I: IntoIterator<Item = Window>>(windows: I) -> Self {
        Self(windows.into_iter().collect())
    }
}

fn minute_of_week(time: Timestamp) -> u16 {
    let minutes = time.as_nanosecond().div_euclid(NANOSECONDS) + EPOCH;
    // What is left of a division by 10080 fits.
    u16::try_from(minutes.rem_euclid(i128::from(WEEK))).unwrap_or_default()
}

#[cfg(test)]
mod tests;
