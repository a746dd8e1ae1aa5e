//! A subject in its world, and how rules look at it.

use super::{Operation, Parts, Subject};
use crate::world::World;
use jiff::Timestamp;
use serde_json::Value;

/// Who asks.
#[derive(Clone, Copy, Debug, Default)]
pub struct User<'a> {
    /// The user's name.
    pub name: &'a str,
    /// Whether it is Hatchway's own account or a `--trusted-user` (AD-8).
    pub trusted: bool,
}

/// The accounts by which the API server's garbage collector removes what lost its owner.
const GARBAGE_COLLECTORS: [&str; 2] = [
    "system:serviceaccount:kube-system:generic-garbage-collector",
    "system:kube-controller-manager",
];

impl User<'_> {
    /// Whether the garbage collector asks.
    pub fn is_garbage_collector(self) -> bool {
        GARBAGE_COLLECTORS.contains(&self.name)
    }
}

/// What a rule is given: the operation, who asks for it, and the world around.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The operation.
    pub subject: &'a Subject,
    /// Who asks.
    pub user: User<'a>,
    /// The other objects.
    pub world: &'a World,
    /// The time.
    pub now: Timestamp,
}

impl<'a> Case<'a> {
    /// The object's name.
    pub fn name(&self) -> &'a str {
        &self.subject.name
    }

    /// Whether the object is being made.
    pub fn is_create(&self) -> bool {
        self.subject.operation == Operation::Create
    }

    /// Whether the object is being removed.
    pub fn is_delete(&self) -> bool {
        self.subject.operation == Operation::Delete
    }

    /// The object as it shall be; on DELETE, as it was.
    pub fn current(&self) -> Option<&'a Parts> {
        self.subject.new.as_ref().or(self.subject.old.as_ref())
    }

    /// A value in the body of the object as it shall be, by keys.
    pub fn value(&self, path: &[&str]) -> Option<&'a Value> {
        lookup(&self.subject.new.as_ref()?.body.value, path)
    }

    /// A value in the body of the object as it was, by keys.
    pub fn old_value(&self, path: &[&str]) -> Option<&'a Value> {
        lookup(&self.subject.old.as_ref()?.body.value, path)
    }

    /// A string in the body of the object as it shall be; an empty one is none.
    pub fn text(&self, path: &[&str]) -> Option<&'a str> {
        self.value(path)?.as_str().filter(|text| !text.is_empty())
    }

    /// A string in the body, empty or not.
    pub fn raw_text(&self, path: &[&str]) -> Option<&'a str> {
        self.value(path)?.as_str()
    }

    /// A boolean in the body of the object as it shall be.
    pub fn flag(&self, path: &[&str]) -> Option<bool> {
        self.value(path)?.as_bool()
    }

    /// A boolean in the body of the object as it was.
    pub fn old_flag(&self, path: &[&str]) -> Option<bool> {
        self.old_value(path)?.as_bool()
    }
}

/// A value by keys.
pub(super) fn lookup<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, key| value.get(key))
}
