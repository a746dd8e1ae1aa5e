//! The certificates that the admission port shows and asks for, and how they change while it serves (rules SV-2, SV-3).
//!
//! [`Tls`] is what the webhook needs: a configuration for the next handshake. [`files`] keeps it in step with files on
//! disk; [`authority`] signs certificates of our own and [`leaves`] renews them in memory. In a cluster, [`keeper`] keeps the
//! authority in a Secret and tells API servers whom to trust.

pub mod authority;
mod calls;
mod carriers;
pub mod client_ca;
pub mod files;
mod judgement;
pub mod keeper;
pub mod leaves;
mod poll;
pub mod probe;
mod resolver;
mod roots;
mod rotation;
mod secret;
mod tls;
mod trust;
mod watches;
mod x509;

pub use authority::Authority;
pub use client_ca::ClientCa;
pub use files::{Bundle, PairFiles};
pub use keeper::{Keeper, Target};
pub use leaves::Leaves;
pub use resolver::{Resolver, Served};
pub use tls::{BuildTls, Tls, install_provider};
