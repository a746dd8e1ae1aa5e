//! What a crash has left goes at the next start.

use std::io;

use cap_std::fs::Dir;

use super::error::StoreError;
use super::names::{self, NEW, OLD};
use super::staging;
use super::steps::Step;
use super::store::Inner;

/// Removes temporary folders and links, lists without a folder, and of two links of a module the older one. What
/// cannot be removed is logged and left: it is hidden, and nothing leads there.
pub(super) fn sweep(depot: &Inner) -> Result<(), StoreError> {
    leftovers(depot, depot.links.dir(), names::LINKS);
    for module in depot.links.modules()? {
        let links = depot.links.of(&module)?;
        if links.len() > 1 {
            depot.links.remove(&module, &links[1..])?;
            depot.steps.passed(Step::Swept);
        }
    }
    for module in depot.modules()? {
        let Some(dir) = depot.module(&module)? else {
            continue;
        };
        leftovers(depot, &dir, &module);
        drop(dir);
        // Only an empty one goes.
        let _ = depot.root.remove_dir(&module);
    }
    Ok(())
}

fn leftovers(depot: &Inner, dir: &Dir, place: &str) {
    let each = || -> io::Result<()> {
        for entry in dir.entries()? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let orphan =
                names::list_folder(&name).is_some_and(|folder| dir.symlink_metadata(folder).is_err());
            if name.starts_with(NEW) || name.starts_with(OLD) || orphan {
                if entry.file_type()?.is_dir() {
                    dir.remove_dir_all(&name)?;
                } else {
                    dir.remove_file(&name)?;
                }
                tracing::info!(place, name, "removed what an interrupted run has left");
                depot.steps.passed(Step::Swept);
            }
        }
        Ok(())
    };
    if let Err(error) = each() {
        tracing::warn!(place, %error, "cannot remove what an interrupted run has left");
    }
}

/// Removes the temporary folders of pulls that ended, which start with `prefix`; those of living pulls are locked.
pub(super) fn sweep_unlocked(parent: &Dir, prefix: &str) -> io::Result<()> {
    for entry in parent.entries()? {
        let Ok(name) = entry?.file_name().into_string() else {
            continue;
        };
        if name.starts_with(prefix) && staging::locked(parent, &name)?.is_some() {
            parent.remove_dir_all(&name)?;
        }
    }
    Ok(())
}
