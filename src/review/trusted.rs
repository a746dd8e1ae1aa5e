//! Who may do what people may not (AD-8).

use crate::api::installation;
use std::collections::HashSet;

/// Users whose changes of metadata and status are not judged, and who write releases and Modules.
#[derive(Clone, Debug, Default)]
pub struct Trusted {
    names: HashSet<String>,
}

impl Trusted {
    /// Hatchway's own service account in its namespace, and further users; names are exact.
    pub fn new(namespace: &str, others: impl IntoIterator<Item = String>) -> Self {
        let own = installation::account(namespace);
        Self {
            names: others.into_iter().chain([own]).collect(),
        }
    }

    /// Whether the user is one of them.
    pub fn contains(&self, user: &str) -> bool {
        self.names.contains(user)
    }
}
