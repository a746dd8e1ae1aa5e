//! What is right and wrong about an object: validate, mutate and convert, a file per kind. Pure: the world is an
//! argument, nothing waits, nothing is read from outside. A refusal is data ([`Finding`]), never an error.

pub mod admit;
mod annotations;
mod case;
pub mod convert;
mod engine;
pub mod entries;
mod finding;
mod label_name;
mod module;
mod module_config;
mod module_pull_override;
mod module_release;
mod module_source;
mod module_update_policy;
pub mod mutate;
mod numbers;
mod parts;
mod rule;
mod scan_interval;
pub mod schema;
mod settings;
mod standing;
mod verdict;
mod windows;

pub use case::{Case, User};
pub use engine::validate;
pub use finding::{CauseReason, Finding, Reference};
pub use numbers::{RULES, rule};
pub use parts::{Body, Operation, Parts, Subject, is_ours};
pub use settings::{FailedConversion, SettingsQuestion, Skipped, Written};
pub use standing::{as_it_stands, standing};
pub use verdict::{Decision, Verdict};
