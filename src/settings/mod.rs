//! Settings of modules, judged as the module itself would: schema, defaults, CEL rules and versions
//! (rules MC-6, MC-7, MC-8).
//!
//! A [`Definition`] is compiled once from what a module's image says of its settings and then shared. Nothing is
//! compiled, read or waited for in a review; conversions between versions, which can hang or abort, are only
//! *planned* here ([`Definition::path_from`]) and run elsewhere.

mod author;
mod defaults;
mod definition;
mod evaluate;
mod filter;
mod format;
mod keywords;
mod node;
mod path;
mod pattern;
mod problem;
mod reference;
mod rules;
mod runtime;
mod schema;
mod secrets;
mod spec;
mod violation;
mod words;

pub use author::{AuthorError, Conversion, author};
pub use definition::{Definition, PathFrom, SchemaVersion, Step};
pub use evaluate::RULE_TIME;
pub use filter::{Filter, compile_filter};
pub use problem::{LoadProblem, Part, ProblemKind};
pub use secrets::{is_secret_name, quotes_a_secret};
pub use spec::versions_of;
pub use violation::{Judgement, MAX_VIOLATIONS, Reason, SkippedRule, Source, Violation};

#[cfg(test)]
mod tests;
