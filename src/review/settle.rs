//! Verdicts whose settings are still to be judged (MC-6 to MC-8): converted in another process, judged off the world's
//! lock, and off the async threads where that takes long.

use crate::conversion::{ConversionError, Converter};
use crate::rules::{CauseReason, FailedConversion, Finding, SettingsQuestion, Skipped, Verdict, Written};
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// A verdict that is final.
#[derive(Debug)]
pub struct Settled {
    /// The verdict.
    pub verdict: Verdict,
    /// The module and what of its settings could not be judged, where that was so.
    pub skipped: Option<(String, Skipped)>,
    /// Whether a conversion was not ready in time, so that nothing can be said of the settings (AD-6). It matters where
    /// nothing else refuses.
    pub timed_out: bool,
    /// Whether a conversion failed for want of something that may be there another time, be it time itself.
    pub is_passing: bool,
}

/// Answers the verdict's question, if it has one.
pub async fn settle(mut verdict: Verdict, converter: &Converter, deadline: Instant) -> Settled {
    let Some(question) = verdict.question.take() else {
        return Settled {
            verdict,
            skipped: None,
            timed_out: false,
            is_passing: false,
        };
    };
    let (new, old) = tokio::join!(convert(&question, &question.new, converter, deadline), async {
        Some(convert(&question, question.old.as_ref()?, converter, deadline).await)
    });
    let late = [Some(&new), old.as_ref()].into_iter().flatten();
    if late
        .into_iter()
        .any(|converted| matches!(converted, Err(ConversionError::Deadline { .. })))
    {
        return Settled {
            verdict,
            skipped: None,
            timed_out: true,
            is_passing: true,
        };
    }
    let (new, old) = match (new, old) {
        // Rules about the change must not be passed by because a child could not be started just now.
        (Ok(_), Some(Err(error))) if error.is_transient() => (Err(error), None),
        // Old settings that cannot be brought to the latest version are no old value.
        (new, old) => (new, old.and_then(Result::ok)),
    };
    let is_passing = matches!(&new, Err(error) if error.is_transient());
    let module = crate::api::Resource::name(&**question.definition).to_owned();
    let is_heavy = question.is_heavy(new.as_deref().ok(), old.as_deref());
    let conclude = move || {
        let new = new.map_err(|error| {
            let (from, to) = error.versions();
            FailedConversion {
                from,
                to,
                cause: error.cause(),
            }
        });
        let skipped = question.conclude(
            new.as_ref().map(Arc::as_ref),
            old.as_deref(),
            deadline,
            &mut verdict,
        );
        (verdict, skipped)
    };
    let (verdict, skipped) = if is_heavy {
        match tokio::task::spawn_blocking(conclude)
            .await
            .map_err(tokio::task::JoinError::try_into_panic)
        {
            Ok(concluded) => concluded,
            // Whoever serves the request answers for it as for any other panic.
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            // The runtime is going down, and nobody waits for the answer.
            Err(Err(_)) => {
                return Settled {
                    verdict: Verdict::default(),
                    skipped: None,
                    timed_out: true,
                    is_passing: true,
                };
            }
        }
    } else {
        conclude()
    };
    let skipped = (skipped != Skipped::default()).then_some((module, skipped));
    Settled {
        verdict,
        skipped,
        timed_out: false,
        is_passing,
    }
}

async fn convert(
    question: &SettingsQuestion,
    written: &Written,
    converter: &Converter,
    deadline: Instant,
) -> Result<Arc<Value>, ConversionError> {
    let Written { version, settings } = written;
    let definition = question.definition.compiled();
    if definition.latest() == 0 {
        // Nothing to convert to, and nothing that judges.
        return Ok(Arc::new(settings.clone()));
    }
    converter.convert(definition, *version, settings, deadline).await
}

/// How long the settings of a file may take: nobody waits for an answer by the clock, as an API server does.
const FILE_PATIENCE: Duration = Duration::from_secs(10);

/// Settles verdicts for callers that are not asynchronous: the files of `serve --standalone`, and `check`.
#[derive(Clone)]
pub struct Settler {
    converter: Converter,
    runtime: Handle,
}

impl Settler {
    /// Converts by `converter` on a runtime of several threads, of which the callers' is none.
    pub const fn new(converter: Converter, runtime: Handle) -> Self {
        Self { converter, runtime }
    }

    /// Answers the verdict's question, if it has one. What is not ready in time is refused: it may be tried again.
    pub fn settle(&self, verdict: Verdict) -> Verdict {
        if verdict.question.is_none() {
            return verdict;
        }
        let deadline = Instant::now() + FILE_PATIENCE;
        let Settled {
            mut verdict,
            skipped,
            timed_out,
            is_passing: _,
        } = self.runtime.block_on(settle(verdict, &self.converter, deadline));
        tell(skipped);
        if timed_out && verdict.refusals.is_empty() {
            verdict.refuse(vec![Finding {
                rule: "AD-6",
                field: "spec.settings".to_owned(),
                message: "spec.settings could not be converted in time: try again".to_owned(),
                reason: CauseReason::Invalid,
                forbidden: false,
            }]);
        }
        verdict
    }

    /// What is wrong with the settings of a question alone; `None` where that cannot be said just now.
    pub(super) fn answer(&self, question: SettingsQuestion) -> Option<Verdict> {
        let verdict = Verdict {
            question: Some(question),
            ..Verdict::default()
        };
        let deadline = Instant::now() + FILE_PATIENCE;
        let settled = self.runtime.block_on(settle(verdict, &self.converter, deadline));
        tell(settled.skipped);
        (!settled.is_passing).then_some(settled.verdict)
    }
}

fn tell(skipped: Option<(String, Skipped)>) {
    if let Some((module, skipped)) = skipped {
        tracing::debug!(module, ?skipped, "settings were not judged to the end");
    }
}
