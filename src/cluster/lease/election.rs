//! The protocol of the Lease, as a machine that is told what time it is and what the API server answered, and says
//! what to call next and when. It does no I/O.
//!
//! Why two candidates never lead at once, whatever is lost, late or frozen:
//! - a term lasts until [`Timing::deadline`] after the *sending* of the last write that was answered with success;
//! - whoever takes over a silent Lease has seen it unchanged for [`Timing::duration`], on a clock of its own, and writes
//!   with the `resourceVersion` it saw: a renewal in between makes that write fail;
//! - whoever had to make the Lease cannot know who held a deleted one, and waits as long before its term begins;
//! - only a Lease that its holder has given back ([`Record::given_back`]) is taken at once.
//!
//! The difference of deadline and duration is for clocks that run unevenly, and for writes that were sent before the
//! deadline and arrive after it.

use std::time::{Duration, Instant};

/// How long each thing takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    /// For how long others leave a Lease alone that does not change.
    pub(super) duration: Duration,
    /// For how long a holder believes in its last renewal.
    pub(super) deadline: Duration,
    /// How often a holder renews.
    pub(super) renew: Duration,
    /// How often all others look.
    pub(super) look: Duration,
    /// How soon a call that failed is made again.
    pub(super) retry: Duration,
}

/// As the components of Kubernetes have it, but for the renewal: 3 s instead of 2 s writes less, and still leaves room
/// for a renewal that is lost and made again.
pub(super) const TIMING: Timing = Timing {
    duration: Duration::from_secs(15),
    deadline: Duration::from_secs(10),
    renew: Duration::from_secs(3),
    look: Duration::from_secs(2),
    retry: Duration::from_secs(1),
};

/// A holder may promise a longer silence than we do, up to this: a version to come with other figures. What a hand
/// writes there must not keep everybody out for days.
const LONGEST_DURATION: Duration = Duration::from_mins(1);

/// What a Lease says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Who holds it; empty for nobody.
    pub(super) holder: String,
    /// How long its holder may be silent.
    pub(super) duration: Duration,
    /// How often it changed hands.
    pub(super) transitions: i32,
}

impl Record {
    /// Whether its last holder has stopped writing and said so, as client-go says it: nobody holds it, for a second.
    /// An empty holder alone may be the work of a hand, while a leader leads.
    fn given_back(&self) -> bool {
        self.holder.is_empty() && self.duration == Duration::from_secs(1)
    }
}

/// Which Lease, and which state of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    /// A Lease that was deleted and made again is another one.
    pub(super) uid: String,
    /// Its `resourceVersion`.
    pub(super) revision: String,
}

/// What to ask of the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Get,
    Create(Record),
    /// Fails when the Lease is no longer in that version.
    Replace {
        version: Version,
        record: Record,
    },
}

/// What it answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// To a `Get`: what is there.
    Found { version: Version, record: Record },
    /// To a `Create` or `Replace`: it is as asked now, in this version.
    Written { version: Version },
    /// There is no such Lease, or no such namespace.
    Missing,
    /// Somebody else wrote first.
    Conflict,
    /// No answer in time, or one that tells nothing: a write may have been done, or be done later.
    Unknown,
}

/// What an answer did to the term of this candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    None,
    Began,
    /// Somebody else holds the Lease, or the deadline has passed.
    Lost,
}

/// One candidate.
#[derive(Debug)]
pub(super) struct Election {
    me: String,
    timing: Timing,
    /// The Lease as it was last seen.
    seen: Option<Seen>,
    /// What we know of holding it; nothing once another holder was seen.
    held: Option<Held>,
    /// Whether a term is on.
    leads: bool,
    next: Call,
    at: Instant,
}

#[derive(Debug)]
struct Seen {
    version: Version,
    record: Record,
    /// When it was first seen to be so: at or after the time when it was written.
    since: Instant,
}

#[derive(Clone, Debug)]
struct Held {
    /// Which Lease.
    uid: String,
    /// When a term may begin.
    from: Instant,
    /// When it is over.
    until: Instant,
}

impl Election {
    /// Looks at once.
    pub(super) fn new(me: String, timing: Timing, now: Instant) -> Self {
        Self {
            me,
            timing,
            seen: None,
            held: None,
            leads: false,
            next: Call::Get,
            at: now,
        }
    }

    /// What to call next, and when.
    pub(super) fn next(&self) -> (&Call, Instant) {
        (&self.next, self.at)
    }

    /// Until when this candidate may write; `None` when it may not.
    pub(super) fn leads_until(&self) -> Option<Instant> {
        self.held.as_ref().filter(|_| self.leads).map(|held| held.until)
    }

    /// Who holds the Lease as far as is known; empty for nobody.
    pub(super) fn holder(&self) -> &str {
        self.seen.as_ref().map_or("", |seen| &seen.record.holder)
    }

    /// Whether a record names this candidate.
    pub(super) fn is_mine(&self, record: &Record) -> bool {
        record.holder == self.me
    }

    /// Time has passed.
    pub(super) fn expire(&mut self, now: Instant) -> Change {
        if self.leads && self.held.as_ref().is_none_or(|held| now >= held.until) {
            self.leads = false;
            return Change::Lost;
        }
        Change::None
    }

    /// The call of [`Self::next`], sent at `sent`, was answered at `now`. Both are read on a monotonic clock, `sent`
    /// before the call and `now` after it.
    pub(super) fn answered(&mut self, answer: Answer, sent: Instant, now: Instant) -> Change {
        let expired = self.expire(now);
        let call = std::mem::replace(&mut self.next, Call::Get);
        let change = match (answer, call) {
            (Answer::Written { version }, Call::Create(record)) => {
                self.written(version, record, true, sent, now)
            }
            (Answer::Written { version }, Call::Replace { record, .. }) => {
                self.written(version, record, false, sent, now)
            }
            (Answer::Found { version, record }, _) => self.found(version, record, now),
            (Answer::Missing, Call::Get | Call::Replace { .. }) => {
                self.seen = None;
                self.next = Call::Create(self.mine(0));
                self.at = now;
                Change::None
            }
            (Answer::Conflict, _) => {
                self.at = now;
                Change::None
            }
            (answer, call) => {
                // Without a namespace nothing can be created in it: Missing says no more than Unknown.
                if let (Answer::Unknown, Call::Replace { version, .. }) = (answer, call)
                    && self.held.is_none()
                {
                    // This write may have been done, and then it was rightly done.
                    self.held = Some(Held {
                        uid: version.uid,
                        from: now,
                        until: now,
                    });
                }
                self.at = now + self.timing.retry;
                Change::None
            }
        };
        if change == Change::None { expired } else { change }
    }

    fn found(&mut self, version: Version, record: Record, now: Instant) -> Change {
        let since = match &self.seen {
            Some(seen) if seen.version == version => seen.since,
            _ => now,
        };
        let wait = self.timing.duration.max(record.duration.min(LONGEST_DURATION));
        let is_mine = self.is_mine(&record);
        if is_mine || record.given_back() || now >= since + wait {
            let transitions = record.transitions.saturating_add(i32::from(!is_mine));
            self.next = Call::Replace {
                version: version.clone(),
                record: self.mine(transitions),
            };
            self.at = now;
        } else {
            self.at = (now + self.timing.look).min(since + wait);
        }
        let change = if is_mine {
            self.found_mine(&version, since);
            Change::None
        } else {
            self.held = None;
            if std::mem::take(&mut self.leads) {
                Change::Lost
            } else {
                Change::None
            }
        };
        self.seen = Some(Seen {
            version,
            record,
            since,
        });
        change
    }

    /// The answer to our last write was lost, or a hand touched the Lease.
    fn found_mine(&mut self, version: &Version, since: Instant) {
        match &mut self.held {
            // Made by us without our knowing, in place of one that went while our term was on: it goes on.
            Some(held) if self.leads => held.uid.clone_from(&version.uid),
            Some(held) if held.uid == version.uid => {}
            held => {
                *held = Some(Held {
                    uid: version.uid.clone(),
                    from: since + self.timing.duration,
                    until: since,
                });
            }
        }
    }

    fn written(
        &mut self,
        version: Version,
        record: Record,
        created: bool,
        sent: Instant,
        now: Instant,
    ) -> Change {
        let until = sent + self.timing.deadline;
        let from = match &self.held {
            _ if self.leads => now,
            _ if created => now + self.timing.duration,
            Some(held) if held.uid == version.uid => held.from,
            _ => now,
        };
        self.held = Some(Held {
            uid: version.uid.clone(),
            from,
            until,
        });
        self.next = Call::Replace {
            version: version.clone(),
            record: record.clone(),
        };
        self.at = sent + self.timing.renew;
        if from > now {
            self.at = self.at.min(from);
        }
        self.seen = Some(Seen {
            version,
            record,
            since: now,
        });
        if self.leads || now < from || now >= until {
            return Change::None;
        }
        self.leads = true;
        Change::Began
    }

    fn mine(&self, transitions: i32) -> Record {
        Record {
            holder: self.me.clone(),
            duration: self.timing.duration,
            transitions,
        }
    }

    /// Ends the term for good, and says what gives the Lease back, if there is something to give: to be written once
    /// nobody writes in its name any more. Whoever waits for a term of its own gives nothing back, or the next one
    /// would not wait.
    pub(super) fn give_back(&mut self, now: Instant) -> Option<Call> {
        self.leads = false;
        self.held.take().filter(|held| held.from <= now)?;
        let seen = self.seen.take().filter(|seen| self.is_mine(&seen.record))?;
        Some(Call::Replace {
            version: seen.version,
            record: Record {
                holder: String::new(),
                duration: Duration::from_secs(1),
                transitions: seen.record.transitions,
            },
        })
    }
}
