//! `hatchway review`: one review on standard input, one on standard output.

use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::ValueEnum;
use http::StatusCode;
use serde_json::Value;

use super::against::Against;
use super::output;
use crate::review::{Reviews, Told};
use crate::rules::Skipped;
use crate::webhook::{Deadline, Path};
use crate::world::{Shared, World};

/// The longest review that is read, in bytes: far more than the server takes, since a stored LIST may be converted
/// by hand.
const MAX_BYTES: u64 = 64 << 20;

/// How long settings may take to be converted, the longest that an API server waits for a webhook.
const PATIENCE: Duration = Duration::from_secs(30);

/// Answer one review: AdmissionReview or ConversionReview on standard input, the answer on standard output
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hatchway review validate --state world/ < review.json
  hatchway review mutate < review.json
  hatchway review convert < conversion.json

Exit codes: 0 whenever it could answer, also with a refusal; 2 when the input is no review.")]
pub(super) struct Args {
    /// What is asked
    #[arg(value_enum)]
    what: What,
    #[command(flatten)]
    against: Against,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// Whether an AdmissionReview's operation is allowed
    Validate,
    /// The defaults that an AdmissionReview's object lacks
    Mutate,
    /// The objects of a ConversionReview in another version
    Convert,
}

/// Answers one review.
pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { what, against } = args;
    let (path, world) = match what {
        What::Validate => (Path::Validate, against.world()?),
        // Neither looks at other objects.
        What::Mutate => (Path::Mutate, World::new()),
        What::Convert => (Path::Convert, World::new()),
    };
    let mut body = Vec::new();
    io::stdin()
        .lock()
        .take(MAX_BYTES + 1)
        .read_to_end(&mut body)
        .context("cannot read standard input")?;
    if body.len() as u64 > MAX_BYTES {
        bail!("the review is longer than {} MiB", MAX_BYTES >> 20);
    }
    let (runtime, converter) = Against::settler()?;
    let reviews = Reviews::new(
        Arc::new(Shared::new(world)),
        against.trusted(),
        converter,
        StandardError,
    );
    let deadline = Deadline::at(Instant::now() + PATIENCE);
    let answer = runtime.block_on(reviews.answer_at_once(path, &body, deadline));
    let text = String::from_utf8_lossy(&answer.body);
    if answer.status != StatusCode::OK {
        bail!("{}", message(&text));
    }
    output::print(&format!("{}\n", text.trim_end()))?;
    Ok(ExitCode::SUCCESS)
}

/// The message in the line of JSON that an HTTP error carries.
fn message(body: &str) -> String {
    let line: Option<Value> = serde_json::from_str(body).ok();
    let message = line.as_ref().and_then(|line| line.get("error")?.as_str());
    message.unwrap_or(body).to_owned()
}

/// Tells on standard error what the server would count and log.
#[derive(Debug)]
struct StandardError;

impl Told for StandardError {
    fn skipped(&self, module: &str, skipped: Skipped) {
        let Skipped { rules, schema } = skipped;
        let what = if schema {
            "the schema".to_owned()
        } else {
            format!("{rules} rules")
        };
        drop(writeln!(
            io::stderr(),
            "warning: {what} of the settings of module '{module}' could not be judged by"
        ));
    }

    // Here everything is judged in full.
    fn would_refuse(&self, _: &'static str, _: &str, _: &[&'static str]) {}

    fn unreadable_annotation(&self, object: &str) {
        // Nobody is left to be told when standard error is gone.
        drop(writeln!(
            io::stderr(),
            "warning: {object}: the annotation with the fields of v1alpha1 cannot be read and is ignored"
        ));
    }
}
