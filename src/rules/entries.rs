//! Which operations the API server sends to the webhook, and what happens when no answer comes: one table for the
//! webhook configurations and for the answer at the deadline (AD-6).

use super::Operation;
use crate::api::Kind;

/// What the API server does when the webhook does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailurePolicy {
    /// It refuses.
    Fail,
    /// It goes on.
    Ignore,
}

impl FailurePolicy {
    /// The word in a webhook configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fail => "Fail",
            Self::Ignore => "Ignore",
        }
    }
}

/// An entry of the ValidatingWebhookConfiguration.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The kind that it is about.
    pub kind: Kind,
    /// The operations that are sent: those that a rule judges.
    pub operations: &'static [Operation],
    /// What happens without an answer.
    pub failure_policy: FailurePolicy,
    /// What stands before the kind in the entry's name, where a kind has several entries.
    pub prefix: &'static str,
}

const WRITES: &[Operation] = &[Operation::Create, Operation::Update];
const ALL: &[Operation] = &[Operation::Create, Operation::Update, Operation::Delete];
const DELETE: &[Operation] = &[Operation::Delete];

/// The entries. Modules, and whatever can only warn, never block (Ignore).
pub const VALIDATE: &[Entry] = &[
    Entry {
        kind: Kind::ModuleConfig,
        operations: ALL,
        failure_policy: FailurePolicy::Fail,
        prefix: "",
    },
    Entry {
        kind: Kind::ModuleUpdatePolicy,
        operations: ALL,
        failure_policy: FailurePolicy::Fail,
        prefix: "",
    },
    Entry {
        kind: Kind::ModuleRelease,
        operations: ALL,
        failure_policy: FailurePolicy::Fail,
        prefix: "",
    },
    Entry {
        kind: Kind::ModuleSource,
        operations: WRITES,
        failure_policy: FailurePolicy::Fail,
        prefix: "",
    },
    Entry {
        kind: Kind::ModuleSource,
        operations: DELETE,
        failure_policy: FailurePolicy::Ignore,
        prefix: "delete.",
    },
    Entry {
        kind: Kind::ModulePullOverride,
        operations: WRITES,
        failure_policy: FailurePolicy::Fail,
        prefix: "",
    },
    Entry {
        kind: Kind::Module,
        operations: ALL,
        failure_policy: FailurePolicy::Ignore,
        prefix: "",
    },
];

/// The kinds that the mutating webhook fills defaults into; it never blocks.
pub const MUTATE: &[Kind] = &[
    Kind::ModulePullOverride,
    Kind::ModuleUpdatePolicy,
    Kind::ModuleSource,
];

/// What the API server does when a validating review of this operation gets no answer.
pub fn failure_policy(kind: Kind, operation: Operation) -> FailurePolicy {
    let entry = VALIDATE
        .iter()
        .find(|entry| entry.kind == kind && entry.operations.contains(&operation));
    entry.map_or(FailurePolicy::Ignore, |entry| entry.failure_policy)
}
