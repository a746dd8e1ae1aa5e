//! Conversions of settings between versions, each in a process of its own (rule MC-6).
//!
//! A jq filter can hang, use up all memory or overflow the stack, and none of that can be caught in the process
//! where it happens. So the server re-executes its own program as `convert-settings`: that child limits itself
//! ([`child`]), gets one conversion on its standard input, answers on its standard output and ends. [`Converter`]
//! starts children, bounds how many there are, and keeps what came of them.

mod cache;
pub mod child;
mod converter;
mod mask;
mod outcome;
mod protocol;

pub use converter::{Converter, ConverterOptions, Event};
pub use outcome::{ConversionError, Limit};

/// The hidden subcommand under which the program converts settings: calls [`child::run`].
pub const SUBCOMMAND: &str = "convert-settings";
