//! How a conversion can fail.

use std::fmt;
use std::io;
use std::sync::Arc;

use thiserror::Error;

/// Why settings could not be converted. None of its words quotes a secret.
#[derive(Clone, Debug, Error)]
pub enum ConversionError {
    /// Nothing leads from that version to the latest.
    #[error("no conversion leads from version {from} to {to}")]
    NoPath {
        /// The version that the settings are of.
        from: u32,
        /// The latest version.
        to: u32,
    },
    /// A filter failed, or gave something that is no settings.
    #[error("conversion from version {from} to {to}: filter {filter}: {message}")]
    Filter {
        /// The step's version before.
        from: u32,
        /// The step's version after.
        to: u32,
        /// The filter within the step, from 1.
        filter: usize,
        /// The filter's own words.
        message: String,
    },
    /// A filter broke a limit; its definition is marked and refused at once from now on.
    #[error("conversion from version {from} to {to}: {limit}")]
    Limit {
        /// The version that the settings are of.
        from: u32,
        /// The latest version.
        to: u32,
        /// The limit that was broken.
        limit: Limit,
    },
    /// The caller's time was over first. The conversion goes on, and its result will be there next time.
    #[error("conversion from version {from} to {to}: not ready in time, try again")]
    Deadline {
        /// The version that the settings are of.
        from: u32,
        /// The latest version.
        to: u32,
    },
    /// Too many conversions wait already.
    #[error("conversion from version {from} to {to}: too many conversions at once, try again")]
    Busy {
        /// The version that the settings are of.
        from: u32,
        /// The latest version.
        to: u32,
    },
    /// The child could not be started or talked to.
    #[error("conversion from version {from} to {to}: the converting process failed")]
    Process {
        /// The version that the settings are of.
        from: u32,
        /// The latest version.
        to: u32,
        /// What the operating system says.
        source: Arc<io::Error>,
    },
}

impl ConversionError {
    /// The versions of the failing step, or of the whole way where no step can be named: for the words of rule MC-6.
    #[must_use]
    pub fn versions(&self) -> (u32, u32) {
        match self {
            Self::NoPath { from, to }
            | Self::Filter { from, to, .. }
            | Self::Limit { from, to, .. }
            | Self::Deadline { from, to }
            | Self::Busy { from, to }
            | Self::Process { from, to, .. } => (*from, *to),
        }
    }

    /// The cause alone, without the versions.
    #[must_use]
    pub fn cause(&self) -> String {
        match self {
            Self::NoPath { .. } => "no conversion leads there".to_owned(),
            Self::Filter { filter, message, .. } => format!("filter {filter}: {message}"),
            Self::Limit { limit, .. } => limit.to_string(),
            Self::Deadline { .. } => "not ready in time, try again".to_owned(),
            Self::Busy { .. } => "too many conversions at once, try again".to_owned(),
            Self::Process { .. } => "the converting process failed".to_owned(),
        }
    }

    /// Whether the same settings may convert another time: such an outcome is not kept.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Deadline { .. } | Self::Busy { .. } | Self::Process { .. }
        )
    }
}

/// A bound that a filter can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Processor time.
    Cpu,
    /// Time on the clock.
    Time,
    /// Memory.
    Memory,
    /// The stack: a recursion without end.
    Depth,
    /// The size of the result.
    Output,
    /// The child was ended by something else.
    Crash,
}

impl Limit {
    /// The metric label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Time => "time",
            Self::Memory => "memory",
            Self::Depth => "depth",
            Self::Output => "output",
            Self::Crash => "crash",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => "a filter needs too much processor time",
            Self::Time => "a filter takes too long",
            Self::Memory => "a filter needs too much memory",
            Self::Depth => "a filter recurses too deeply",
            Self::Output => "the result is too large",
            Self::Crash => "a filter ended its process",
        })
    }
}
