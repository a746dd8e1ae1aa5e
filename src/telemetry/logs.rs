//! Logs: to standard error, for people or for machines. No body of a request and no credential is ever logged.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For eyes.
    Human,
    /// One JSON object per line.
    Json,
}

impl Format {
    /// `human` where standard error is a terminal, else `json`.
    pub fn by_terminal() -> Self {
        if std::io::stderr().is_terminal() {
            Self::Human
        } else {
            Self::Json
        }
    }
}

/// Checks what was given for `--log`: directives such as `info` or `hatchway=debug,hyper=warn`.
pub fn filter(text: &str) -> Result<EnvFilter, ParseError> {
    // What the one logs of a certificate that it refuses, and the other of every call that is refused, is in the error of
    // whoever connected or called.
    EnvFilter::builder().parse(format!(
        "rustls_platform_verifier=off,kube_client::client::builder=off,{text}"
    ))
}

/// Sends logs to standard error from here on. A second call changes nothing.
pub fn init(format: Format, filter: EnvFilter) {
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let done = match format {
        Format::Human => lines.with_ansi(std::io::stderr().is_terminal()).try_init(),
        Format::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .try_init(),
    };
    if let Err(error) = done {
        tracing::debug!(%error, "logs were already set up");
    }
}
