//! A folder that is being filled, hidden beside the place where it will stand.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, File, MetadataExt};
use rustix::fs::{FlockOperation, flock};

use super::disk::DiskSink;
use super::durable::{self, Settling};
use super::error::Fault;
use super::steps::{Step, Steps};
use crate::archive::{Incoming, Limits, MODE, Tree, each_layer};

/// Filled, durable, and gone with everything in it unless it is given its name.
pub(super) struct Staging {
    parent: Dir,
    name: String,
    dir: Dir,
    /// Held as long as somebody works here, so that another process's sweep leaves it alone.
    _lock: File,
    /// Taken when all is durable.
    settling: Option<Settling>,
    given_up: bool,
}

impl Staging {
    /// Makes an empty folder in `parent` whose name starts with `prefix`; errors say that it stands beside `path`.
    pub(super) fn new(parent: &Dir, prefix: &str, path: &Path, steps: &dyn Steps) -> Result<Self, Fault> {
        let failed = || Fault::disk(format!("make a temporary folder beside \"{}\"", path.display()));
        let parent = parent.try_clone().map_err(failed())?;
        loop {
            let name = format!("{prefix}{}", fresh());
            let mut builder = DirBuilder::new();
            builder.mode(MODE);
            match parent.create_dir_with(&name, &builder) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                made => made.map_err(failed())?,
            }
            // A sweep may have come between: then it holds the lock, or the folder is gone.
            let Some((dir, lock)) = locked(&parent, &name).map_err(failed())? else {
                continue;
            };
            let settling = Some(Settling::new(&parent).map_err(failed())?);
            steps.passed(Step::Staged);
            return Ok(Self {
                parent,
                name,
                dir,
                _lock: lock,
                settling,
                given_up: false,
            });
        }
    }

    /// Unpacks all layers; with `digests` the tree knows its files' in the end.
    pub(super) fn fill(
        &mut self,
        incoming: &mut Incoming,
        limits: Limits,
        digests: bool,
        steps: &dyn Steps,
    ) -> Result<Tree, Fault> {
        let mut tree = Tree::default();
        let mut sink = DiskSink::new(&self.dir, self.settling.as_mut(), digests, steps)?;
        each_layer(incoming, limits, &mut tree, &mut sink)?;
        sink.finish(&tree)?;
        steps.passed(Step::Written);
        Ok(tree)
    }

    /// Makes the content durable, names and modes included, and the files of `beside`, which stand in the parent.
    pub(super) fn settle(&mut self, tree: &Tree, beside: &[&str], steps: &dyn Steps) -> Result<(), Fault> {
        if let Some(settling) = self.settling.take() {
            let inside = tree.iter().map(|(path, _)| format!("{}/{path}", self.name));
            let all = inside
                .chain([self.name.clone()])
                .chain(beside.iter().map(|&name| name.to_owned()));
            settling
                .settle(all)
                .map_err(Fault::disk("make the new folder durable"))?;
        }
        steps.passed(Step::Durable);
        Ok(())
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn dir(&self) -> &Dir {
        &self.dir
    }

    /// It has another name now; nothing is to be removed.
    pub(super) fn keep(mut self) {
        self.given_up = true;
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.given_up {
            // What cannot be removed now is swept at the next start.
            let _ = self.parent.remove_dir_all(&self.name);
        }
    }
}

/// Opens and locks a temporary folder; `None` when it is gone or somebody works in it.
pub(super) fn locked(parent: &Dir, name: &str) -> io::Result<Option<(Dir, File)>> {
    let gone = |error: io::Error| {
        if error.kind() == io::ErrorKind::NotFound {
            Ok(None)
        } else {
            Err(error)
        }
    };
    let dir = match parent.open_dir(name) {
        Ok(dir) => dir,
        Err(error) => return gone(error),
    };
    let lock = match durable::readable(&dir) {
        Ok(lock) => lock,
        Err(error) => return gone(error),
    };
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
        // A file system without locks has no second writer that could be told apart.
        Ok(()) | Err(rustix::io::Errno::NOSYS | rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOLCK) => {}
        Err(error) => return Err(error.into()),
    }
    // Whoever removed the folder before the lock was had has left a handle to nothing.
    match parent.symlink_metadata(name) {
        Ok(metadata) if metadata.ino() == dir.dir_metadata()?.ino() => Ok(Some((dir, lock))),
        Ok(_) => Ok(None),
        Err(error) => gone(error),
    }
}

/// Part of a name that no other living writer of this machine uses; one that is taken is tried again.
pub(super) fn fresh() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
