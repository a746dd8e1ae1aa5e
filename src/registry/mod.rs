//! The OCI client: lists, resolves and streams what a registry holds, publishes modules, and serves them from a folder
//! for authors and tests. Kind to registries (a budget of requests per host, their `Retry-After` shared by all clients
//! of a host), strict with bytes (nothing is handed on that does not match its digest).
//!
//! Only what is peculiar to registries is made here. Types and digests are `oci-spec`'s; pool, proxies and TLS are those
//! of `hyper-util` and `hyper-rustls`, which the Kubernetes client brings anyway: `reqwest` would add some thirty crates
//! for redirects, of which the rules (five, never down to HTTP, credentials stay at home) are ours to keep.
//!
//! A [`Network`] is what a process has one of; it makes a [`Client`] per source.

mod auth;
mod blob;
mod budget;
mod call;
mod challenge;
mod client;
mod definition;
mod endpoint;
mod error;
mod goprint;
mod images;
mod layout;
mod link;
mod manifest;
mod modules;
mod patience;
pub mod publish;
mod reference;
mod repository;
pub mod serve;
mod spec;
mod tls;
mod transport;

pub use blob::PullError;
pub(crate) use challenge::count_challenges;
pub use client::{CONNECTIONS, Client, MAX_CONNECTIONS, Network, Options};
pub use definition::{Disable, Jump, ModuleDefinition, ReadDefinitionError, Requirements, Update};
pub use endpoint::{Credentials, Scheme, Secret, Source};
pub use error::{Diagnostic, Refusal, RequestError, words};
pub use images::LayerStream;
pub use layout::{Layout, LayoutError, Named};
pub use manifest::Resolved;
pub(crate) use modules::read_version;
pub use modules::{FetchError, Listing, ReleaseImage, parse_version, read_release};
pub use patience::Patience;
pub use reference::{ImageReference, ParseReferenceError};
pub use repository::{Name, Repository};
pub use spec::SourceError;
pub use tls::TrustError;
