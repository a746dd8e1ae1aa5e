//! What a rule is: a row in its kind's table.

use super::finding::Findings;
use super::{Case, Operation};

/// A rule, or a few that speak about one mistake.
pub(super) struct Rule {
    /// The operations that it judges.
    pub(super) on: &'static [Operation],
    /// What it reads from the object. On UPDATE, a rule none of whose fields changed cannot refuse: what was
    /// already wrong is a warning.
    pub(super) reads: &'static [Reads],
    /// The judgement.
    pub(super) judge: fn(&Case<'_>, &mut Findings),
}

/// A part of the object that a rule reads.
pub(super) enum Reads {
    /// A value in the body, by keys.
    Body(&'static [&'static str]),
    /// Labels or annotations: such rules look at the change itself.
    Metadata,
    /// The name, which never changes.
    Name,
    /// The difference to what was there: an object that only stands there says nothing to such a rule.
    Change,
}

pub(super) const CREATE: &[Operation] = &[Operation::Create];
pub(super) const UPDATE: &[Operation] = &[Operation::Update];
pub(super) const DELETE: &[Operation] = &[Operation::Delete];
pub(super) const WRITES: &[Operation] = &[Operation::Create, Operation::Update];
pub(super) const ALWAYS: &[Operation] = &[Operation::Create, Operation::Update, Operation::Delete];
