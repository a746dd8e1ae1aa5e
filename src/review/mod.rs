//! Reviews: from the bytes that an API server sends to the bytes that it gets back. `serve`, `review` and `check` all
//! come through here, so they cannot say different things.

mod answer;
mod census;
mod conversion;
mod enforcement;
mod envelope;
mod error;
pub mod json;
mod reviewer;
mod settle;
mod strings;
mod trusted;

pub use census::{Census, Standing, UNREADABLE};
pub use enforcement::Enforcement;
pub use reviewer::{Reviews, Told};
pub use settle::{Settled, Settler, settle};
pub use trusted::Trusted;
