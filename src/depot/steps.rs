//! The steps of the store that a crash may fall between.

use std::fmt::Debug;

/// A point that has just been passed. In the order of a pull, a switch and a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// The temporary folder is there.
    Staged,
    /// An entry of the archive has been written.
    Entry,
    /// Everything is written, nothing need be on the platter.
    Written,
    /// Content, names and modes of the new folder are durable, and its list of files.
    Durable,
    /// The list of files has its name.
    Listed,
    /// The folder has its name.
    Named,
    /// Both names are durable.
    NameDurable,
    /// A new link stands beside the old one.
    LinkMade,
    /// The link leads to the new folder.
    Switched,
    /// The switch is durable.
    SwitchDurable,
    /// A link of another weight is gone.
    OldLinkGone,
    /// A folder was renamed to be removed.
    SetAside,
    /// Its list is gone.
    ListGone,
    /// It is gone.
    Removed,
    /// A leftover was removed at start.
    Swept,
}

impl Step {
    /// Every step, in order.
    pub const ALL: [Step; 15] = [
        Step::Staged,
        Step::Entry,
        Step::Written,
        Step::Durable,
        Step::Listed,
        Step::Named,
        Step::NameDurable,
        Step::LinkMade,
        Step::Switched,
        Step::SwitchDurable,
        Step::OldLinkGone,
        Step::SetAside,
        Step::ListGone,
        Step::Removed,
        Step::Swept,
    ];
}

/// Told of every step on the thread that took it. A test ends the process here, or looks at the disk; `()` does nothing.
pub trait Steps: Debug + Send + Sync {
    /// The step has been taken.
    fn passed(&self, _step: Step) {}
}

impl Steps for () {}
