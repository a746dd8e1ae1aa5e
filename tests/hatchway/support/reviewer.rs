//! The reviewer that the server has, asked without a server.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hatchway::conversion::{Converter, ConverterOptions};
use hatchway::review::{Enforcement, Reviews, Told, Trusted};
use hatchway::rules::Skipped;
use hatchway::webhook::{self, Answer, Deadline, Path};
use hatchway::world::{Shared, World};
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
/// One for all: what it keeps, it keeps by content.
static CONVERTER: LazyLock<Converter> = LazyLock::new(|| {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_hatchway"));
    Converter::new(
        ConverterOptions {
            program,
            // By the clock alone nothing ends: on a busy machine that would be another verdict.
            time: Duration::from_mins(2),
            ..ConverterOptions::default()
        },
        |_| {},
    )
});

/// Judges against a world.
pub(crate) struct Reviewer(Reviews<Quiet>);

/// Hears nothing.
struct Quiet;

impl Told for Quiet {
    fn unreadable_annotation(&self, _: &str) {}
    fn skipped(&self, _: &str, _: Skipped) {}
    fn would_refuse(&self, _: &'static str, _: &str, _: &[&'static str]) {}
}

impl Reviewer {
    /// Trusts Hatchway's own account in its usual namespace.
    pub(crate) fn new(world: World) -> Self {
        Self::over(Arc::new(Shared::new(world)))
    }

    /// The same over a world that changes.
    pub(crate) fn over(world: Arc<Shared>) -> Self {
        Self(Reviews::new(
            world,
            Trusted::new("d8-system", []),
            CONVERTER.clone(),
            Quiet,
        ))
    }

    /// The same with refusals that only warn.
    pub(crate) fn enforcing(self, enforcement: Enforcement) -> Self {
        Self(self.0.enforcing(enforcement))
    }

    /// Answers a review as the server does, with patience for what is on its way.
    pub(crate) async fn answer_in_time(&self, path: Path, body: Bytes, deadline: Deadline) -> Answer {
        webhook::Reviewer::answer(&self.0, path, body, deadline).await
    }

    /// Answers a review.
    pub(crate) fn answer(&self, path: Path, body: &[u8]) -> Answer {
        self.answer_within(Duration::from_mins(1), path, body)
    }

    /// Answers a review of a caller who is answered after so long (AD-6).
    pub(crate) fn answer_within(&self, patience: Duration, path: Path, body: &[u8]) -> Answer {
        let deadline = Deadline::at(Instant::now() + patience);
        RUNTIME.block_on(self.0.answer_at_once(path, body, deadline))
    }
}
