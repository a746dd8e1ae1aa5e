//! Candidates over a simulated API server: calls that are late, lost, or done although nobody heard of it; processes
//! that freeze, end and come back; hands that delete and change the Lease; clocks that run unevenly.

use super::election::{Answer, Call, Change, Election, Record, TIMING, Version};
use proptest::prelude::*;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

const MILLISECOND: u64 = 1_000;
const SECOND: u64 = 1_000 * MILLISECOND;
/// How long a candidate waits for an answer.
const PATIENCE: u64 = 3 * SECOND;
/// For how long things go wrong, and how long they then go right.
const TROUBLE: u64 = 600 * SECOND;
const QUIET: u64 = 90 * SECOND;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A candidate's next call is due.
    Due { node: usize, life: u32 },
    /// A call reaches the API server.
    Arrives { node: usize, life: u32, call: u64 },
    /// Its answer reaches the candidate.
    Answered { node: usize, life: u32, call: u64 },
    /// The candidate waits no longer.
    TimedOut { node: usize, life: u32, call: u64 },
    /// Something goes wrong.
    Trouble,
}

struct Node {
    election: Election,
    /// Counts restarts: what was meant for a former life is dropped.
    life: u32,
    /// The call that it waits for, and when it was sent on its own clock.
    waits: Option<(u64, Instant)>,
    frozen_until: u64,
    /// Its clock: where it began, and how many parts in a thousand it is fast.
    origin: Instant,
    drift: i64,
}

impl Node {
    fn clock(&self, now: u64) -> Instant {
        let drifted = i64::try_from(now).unwrap() * (1_000 + self.drift) / 1_000;
        self.origin + Duration::from_micros(drifted.unsigned_abs())
    }
}

struct Simulation {
    random: fastrand::Rng,
    now: u64,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    count: u64,
    lease: Option<(Version, Record)>,
    /// Calls on their way, and answers on their way back.
    calls: Vec<Call>,
    answers: Vec<Option<Answer>>,
    nodes: Vec<Node>,
    down_until: u64,
    terms: u32,
}

impl Simulation {
    fn new(seed: u64, nodes: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let base = Instant::now();
        let nodes = (0..nodes).map(|node| {
            let origin = base + Duration::from_secs(random.u64(0..1_000));
            Node {
                election: Election::new(format!("{node}-0"), TIMING, origin),
                life: 0,
                waits: None,
                frozen_until: 0,
                origin,
                drift: random.i64(-10..=10),
            }
        });
        let mut simulation = Self {
            nodes: nodes.collect(),
            random,
            now: 0,
            events: BinaryHeap::new(),
            count: 0,
            lease: None,
            calls: Vec::new(),
            answers: Vec::new(),
            down_until: 0,
            terms: 0,
        };
        for node in 0..simulation.nodes.len() {
            simulation.after(0, Event::Due { node, life: 0 });
        }
        simulation.after(SECOND, Event::Trouble);
        simulation
    }

    fn after(&mut self, delay: u64, event: Event) {
        self.count += 1;
        self.events.push(Reverse((self.now + delay, self.count, event)));
    }

    fn run(&mut self) {
        while let Some(Reverse((at, _, event))) = self.events.pop() {
            if at > TROUBLE + QUIET {
                break;
            }
            self.now = at;
            self.happens(event);
            let leaders = self.leaders();
            assert!(leaders.len() < 2, "at {} µs {leaders:?} lead at once", self.now);
        }
    }

    /// Those that may write now; frozen ones will look at their clock before they do.
    fn leaders(&self) -> Vec<usize> {
        let may_write = |node: &Node| {
            node.election
                .leads_until()
                .is_some_and(|until| node.clock(self.now) < until)
        };
        (0..self.nodes.len())
            .filter(|node| may_write(&self.nodes[*node]))
            .collect()
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Due { node, life }
            | Event::Answered { node, life, .. }
            | Event::TimedOut { node, life, .. } => {
                if self.nodes[node].life != life {
                    return;
                }
                let frozen = self.nodes[node].frozen_until;
                if frozen > self.now {
                    self.after(frozen - self.now, event);
                    return;
                }
                match event {
                    Event::Due { .. } => self.send(node),
                    Event::Answered { call, .. } => {
                        let answer = self.answers[usize::try_from(call).unwrap()].clone();
                        self.answer(node, call, answer.unwrap());
                    }
                    _ => {
                        if let Event::TimedOut { call, .. } = event {
                            self.answer(node, call, Answer::Unknown);
                        }
                    }
                }
            }
            Event::Arrives { node, life, call } => {
                let index = usize::try_from(call).unwrap();
                let answer = self.serve(index);
                self.answers[index] = Some(answer);
                // Some answers never come.
                if self.calm() || self.random.u8(0..10) > 0 {
                    let delay = self.latency();
                    self.after(delay, Event::Answered { node, life, call });
                }
            }
            Event::Trouble => {
                self.trouble();
                if !self.calm() {
                    let delay = self.random.u64(SECOND..30 * SECOND);
                    self.after(delay, Event::Trouble);
                }
            }
        }
    }

    fn calm(&self) -> bool {
        self.now > TROUBLE
    }

    fn latency(&mut self) -> u64 {
        if !self.calm() && self.random.u8(0..20) == 0 {
            return self.random.u64(0..20 * SECOND);
        }
        self.random.u64(MILLISECOND..50 * MILLISECOND)
    }

    fn send(&mut self, node: usize) {
        let (call, _) = self.nodes[node].election.next();
        let call = call.clone();
        let number = self.dispatch(node, call);
        let sent = self.nodes[node].clock(self.now);
        self.nodes[node].waits = Some((number, sent));
        let life = self.nodes[node].life;
        self.after(
            PATIENCE,
            Event::TimedOut {
                node,
                life,
                call: number,
            },
        );
    }

    fn dispatch(&mut self, node: usize, call: Call) -> u64 {
        let number = u64::try_from(self.calls.len()).unwrap();
        self.calls.push(call);
        self.answers.push(None);
        let life = self.nodes[node].life;
        // Some calls never arrive.
        if self.calm() || self.random.u8(0..10) > 0 {
            let delay = self.latency();
            self.after(
                delay,
                Event::Arrives {
                    node,
                    life,
                    call: number,
                },
            );
        }
        number
    }

    fn serve(&mut self, call: usize) -> Answer {
        if self.down_until > self.now {
            return Answer::Unknown;
        }
        self.count += 1;
        let revision = self.count.to_string();
        match (self.calls[call].clone(), &mut self.lease) {
            (Call::Get, Some((version, record))) => Answer::Found {
                version: version.clone(),
                record: record.clone(),
            },
            (Call::Get | Call::Replace { .. }, None) => Answer::Missing,
            (Call::Create(_), Some(_)) => Answer::Conflict,
            (Call::Create(record), lease @ None) => {
                let version = Version {
                    uid: revision.clone(),
                    revision,
                };
                *lease = Some((version.clone(), record));
                Answer::Written { version }
            }
            (Call::Replace { version, record }, Some((there, stored))) => {
                if version != *there {
                    return Answer::Conflict;
                }
                there.revision = revision;
                *stored = record;
                Answer::Written {
                    version: there.clone(),
                }
            }
        }
    }

    fn answer(&mut self, node: usize, call: u64, answer: Answer) {
        let now = self.nodes[node].clock(self.now);
        let Some((_, sent)) = self.nodes[node].waits.take_if(|(waits, _)| *waits == call) else {
            return;
        };
        let candidate = &mut self.nodes[node];
        if candidate.election.answered(answer, sent, now) == Change::Began {
            self.terms += 1;
        }
        let (_, at) = candidate.election.next();
        let delay = u64::try_from(at.saturating_duration_since(now).as_micros()).unwrap();
        let life = candidate.life;
        self.after(delay, Event::Due { node, life });
    }

    fn trouble(&mut self) {
        let node = self.random.usize(0..self.nodes.len());
        match self.random.u8(0..7) {
            0 => self.nodes[node].frozen_until = self.now + self.random.u64(0..40 * SECOND),
            1 => self.down_until = self.now + self.random.u64(0..25 * SECOND),
            2 => self.lease = None,
            3 => {
                self.count += 1;
                if let Some((version, record)) = &mut self.lease {
                    version.revision = self.count.to_string();
                    if self.random.bool() {
                        record.holder.clear();
                    }
                }
            }
            // kill -9, or SIGTERM; another process comes later or at once.
            action @ (4 | 5) => {
                let now = self.nodes[node].clock(self.now);
                if action == 5
                    && self.nodes[node].frozen_until <= self.now
                    && let Some(call) = self.nodes[node].election.give_back(now)
                {
                    self.dispatch(node, call);
                }
                let begins = self.random.u64(0..20 * SECOND);
                let fresh = &mut self.nodes[node];
                fresh.life += 1;
                let life = fresh.life;
                let me = format!("{node}-{life}");
                let at = fresh.clock(self.now + begins);
                fresh.election = Election::new(me, TIMING, at);
                fresh.waits = None;
                fresh.frozen_until = 0;
                self.after(begins, Event::Due { node, life });
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn never_do_two_lead_at_once_and_in_the_end_one_does(seed: u64, nodes in 1..5_usize) {
        let mut simulation = Simulation::new(seed, nodes);
        simulation.run();
        prop_assert_eq!(simulation.leaders().len(), 1);
        prop_assert!(simulation.terms > 0);
    }
}

/// One candidate, a step at a time.
struct Candidate {
    election: Election,
    start: Instant,
}

impl Candidate {
    fn new() -> Self {
        let start = Instant::now();
        Self {
            election: Election::new("me".to_owned(), TIMING, start),
            start,
        }
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    fn answered(&mut self, answer: Answer, seconds: u64) -> Change {
        let at = self.at(seconds);
        self.election.answered(answer, at, at)
    }

    /// What is called next, and after how many seconds.
    fn next(&self) -> (Call, u64) {
        let (call, at) = self.election.next();
        (call.clone(), at.duration_since(self.start).as_secs())
    }
}

fn version(uid: &str, revision: &str) -> Version {
    Version {
        uid: uid.to_owned(),
        revision: revision.to_owned(),
    }
}

fn record(holder: &str, seconds: u64, transitions: i32) -> Record {
    Record {
        holder: holder.to_owned(),
        duration: Duration::from_secs(seconds),
        transitions,
    }
}

fn found(revision: &str, record: Record) -> Answer {
    Answer::Found {
        version: version("a", revision),
        record,
    }
}

fn written(revision: &str) -> Answer {
    Answer::Written {
        version: version("a", revision),
    }
}

#[test]
fn takes_at_once_what_was_given_back_and_counts_it() {
    let mut candidate = Candidate::new();
    assert_eq!(candidate.answered(found("1", record("", 1, 4)), 1), Change::None);
    let replace = Call::Replace {
        version: version("a", "1"),
        record: record("me", 15, 5),
    };
    assert_eq!(candidate.next(), (replace, 1));
    assert_eq!(candidate.answered(written("2"), 1), Change::Began);
    assert_eq!(candidate.election.leads_until(), Some(candidate.at(11)));
    let renewal = Call::Replace {
        version: version("a", "2"),
        record: record("me", 15, 5),
    };
    assert_eq!(candidate.next(), (renewal, 4));
}

#[test]
fn leaves_a_lease_alone_until_it_has_not_changed_for_its_duration() {
    let mut candidate = Candidate::new();
    candidate.answered(found("1", record("other", 15, 0)), 0);
    assert_eq!(candidate.next(), (Call::Get, 2));
    candidate.answered(found("2", record("other", 15, 0)), 10);
    candidate.answered(found("2", record("other", 15, 0)), 24);
    assert_eq!(candidate.next(), (Call::Get, 25));
    candidate.answered(found("2", record("other", 15, 0)), 25);
    assert!(matches!(candidate.next(), (Call::Replace { .. }, 25)));
    assert_eq!(candidate.answered(Answer::Conflict, 25), Change::None);
    assert_eq!(candidate.next(), (Call::Get, 25));
}

#[test]
fn honours_a_longer_duration_but_not_one_without_end() {
    let mut candidate = Candidate::new();
    candidate.answered(found("1", record("other", 30, 0)), 0);
    candidate.answered(found("1", record("other", 30, 0)), 29);
    assert_eq!(candidate.next(), (Call::Get, 30));
    let mut candidate = Candidate::new();
    candidate.answered(found("1", record("other", 1_000_000, 0)), 0);
    candidate.answered(found("1", record("other", 1_000_000, 0)), 60);
    assert!(matches!(candidate.next().0, Call::Replace { .. }));
}

#[test]
fn whoever_makes_the_lease_waits_before_it_leads() {
    let mut candidate = Candidate::new();
    candidate.answered(Answer::Missing, 0);
    assert_eq!(candidate.next(), (Call::Create(record("me", 15, 0)), 0));
    assert_eq!(candidate.answered(written("1"), 0), Change::None);
    for (seconds, revision) in [(3, "2"), (6, "3"), (9, "4"), (12, "5")] {
        assert_eq!(candidate.next().1, seconds);
        assert_eq!(candidate.answered(written(revision), seconds), Change::None);
    }
    assert_eq!(candidate.answered(written("6"), 15), Change::Began);
}

#[test]
fn a_leader_makes_a_deleted_lease_again_and_leads_on() {
    let mut candidate = Candidate::new();
    candidate.answered(found("1", record("", 1, 0)), 0);
    candidate.answered(written("2"), 0);
    assert_eq!(candidate.answered(Answer::Missing, 3), Change::None);
    assert!(matches!(candidate.next(), (Call::Create(_), 3)));
    assert_eq!(candidate.answered(written("3"), 3), Change::None);
    assert_eq!(candidate.election.leads_until(), Some(candidate.at(13)));
}

#[test]
fn a_term_ends_with_its_deadline_and_begins_anew_when_the_lease_is_still_ours() {
    let mut candidate = Candidate::new();
    candidate.answered(found("1", record("", 1, 0)), 0);
    candidate.answered(written("2"), 0);
    assert_eq!(candidate.answered(Answer::Unknown, 6), Change::None);
    assert_eq!(candidate.next(), (Call::Get, 7));
    assert_eq!(candidate.election.expire(candidate.at(9)), Change::None);
    assert_eq!(candidate.election.expire(candidate.at(10)), Change::Lost);
    assert_eq!(candidate.election.leads_until(), None);
    candidate.answered(found("2", record("me", 15, 1)), 30);
    assert_eq!(candidate.answered(written("3"), 30), Change::Began);
}

#[test]
fn another_holder_ends_the_term_at_once() {
    let mut candidate = Candidate::new();
    candidate.answered(found("1", record("", 1, 0)), 0);
    candidate.answered(written("2"), 0);
    assert_eq!(candidate.answered(Answer::Conflict, 3), Change::None);
    assert_eq!(
        candidate.answered(found("3", record("other", 15, 2)), 3),
        Change::Lost
    );
    assert_eq!(candidate.election.holder(), "other");
}

#[test]
fn a_success_that_was_heard_too_late_begins_no_term() {
    let mut candidate = Candidate::new();
    candidate.answered(found("1", record("", 1, 0)), 0);
    let (sent, now) = (candidate.at(0), candidate.at(30));
    assert_eq!(candidate.election.answered(written("2"), sent, now), Change::None);
    assert_eq!(candidate.election.leads_until(), None);
}

#[test]
fn gives_back_what_it_leads_but_not_what_it_waits_for() {
    let mut candidate = Candidate::new();
    candidate.answered(found("1", record("", 1, 0)), 0);
    candidate.answered(written("2"), 0);
    let given_back = Call::Replace {
        version: version("a", "2"),
        record: record("", 1, 1),
    };
    assert_eq!(candidate.election.give_back(candidate.at(1)), Some(given_back));
    assert_eq!(candidate.election.leads_until(), None);

    let mut candidate = Candidate::new();
    candidate.answered(Answer::Missing, 0);
    candidate.answered(written("1"), 0);
    assert_eq!(candidate.election.give_back(candidate.at(5)), None);
}
