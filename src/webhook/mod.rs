//! The HTTPS server: connections, limits, and the way from bytes to a [`Reviewer`] and back. What a review says and how
//! it is judged is the reviewer's; here is transport only (rules AD-1, AD-6, SV-3, SV-4).
//!
//! ```text
//! accept ─ cap ─ handshake ─ h1 or h2 ─ path, method, media ─ size, budget ─ body ─ reviews at once ─ Reviewer
//!           │        │           │             │                   │           │           │            │
//!         close    close       close      404/405/415           413/429       408       429/503     500 on panic
//! ```
//! Nothing queues: whatever finds no place is turned away at once, and counted.

mod activity;
mod body;
mod connection;
mod deadline;
mod drain;
mod duration;
mod gate;
mod limits;
mod refusal;
mod server;
mod service;

use std::future::Future;

use bytes::Bytes;
use http::StatusCode;

pub use deadline::Deadline;
pub use drain::Drain;
pub use limits::Limits;
pub use server::{Server, bind};

/// Where a review came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Path {
    /// `POST /validate`
    Validate,
    /// `POST /mutate`
    Mutate,
    /// `POST /convert`
    Convert,
}

impl Path {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Validate, Self::Mutate, Self::Convert];

    /// As it stands in a URL.
    pub const fn route(self) -> &'static str {
        match self {
            Self::Validate => "/validate",
            Self::Mutate => "/mutate",
            Self::Convert => "/convert",
        }
    }

    /// As it stands in a metric.
    pub fn label(self) -> &'static str {
        &self.route()[1..]
    }

    fn of(route: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|path| path.route() == route)
    }
}

/// What a [`Reviewer`] says.
#[derive(Clone, Debug)]
pub struct Answer {
    /// 200 with a review, 400 when the request was none.
    pub status: StatusCode,
    /// JSON.
    pub body: Bytes,
    /// Metric label: the object's kind, from a fixed set.
    pub kind: &'static str,
    /// Metric label: the review's operation, from a fixed set.
    pub operation: &'static str,
    /// Metric label: what became of it, from a fixed set.
    pub verdict: &'static str,
}

/// Who judges reviews. Called on the threads that serve connections: it must not block for long, and it keeps the
/// deadline itself, since only it knows what an answer in time looks like (rule AD-6). It may panic: that costs its
/// own request only.
pub trait Reviewer: Send + Sync + 'static {
    /// Answers the review in `body`, whatever it holds.
    fn answer(&self, path: Path, body: Bytes, deadline: Deadline) -> impl Future<Output = Answer> + Send;
}
