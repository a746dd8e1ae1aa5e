//! The links that say which version of a module is active (rule DISK-1).

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use cap_std::fs::{Dir, MetadataExt};
use rustix::fs::{AtFlags, Timespec, Timestamps, UTIME_OMIT, utimensat};

use super::error::StoreError;
use super::names::{self, LINKS, NEW, VersionKey};
use super::steps::{Step, Steps};
use super::{durable, staging};

/// The active version of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Active {
    /// The weight in the link's name.
    pub weight: u32,
    /// Where the link leads.
    pub key: VersionKey,
    /// The link's path, what an install hook gets as `MODULE_DIR` (rule DISK-3).
    pub link: PathBuf,
}

/// Folder of the links, beside the modules' folders.
pub(super) struct Links {
    dir: Dir,
    path: PathBuf,
}

impl Links {
    pub(super) fn new(dir: Dir, path: PathBuf) -> Self {
        Self { dir, path }
    }

    pub(super) fn dir(&self) -> &Dir {
        &self.dir
    }

    /// The links of a module that lead to a version of it, the newest first. More than one only within a change of weight.
    pub(super) fn of(&self, module: &str) -> Result<Vec<Active>, StoreError> {
        let failed = || StoreError::disk(format!("read \"{}\"", self.path.display()));
        let mut found = Vec::new();
        for entry in self.dir.entries().map_err(failed())? {
            let name = entry.map_err(failed())?.file_name();
            let Some((weight, of)) = name.to_str().and_then(names::parse_link) else {
                continue;
            };
            if of != module {
                continue;
            }
            let Some((made, key)) = self.look(&name, module).map_err(failed())? else {
                continue;
            };
            found.push((
                made,
                Active {
                    weight,
                    key,
                    link: self.path.join(&name),
                },
            ));
        }
        found.sort_by(|(a, x), (b, y)| (b, y.weight).cmp(&(a, x.weight)));
        Ok(found.into_iter().map(|(_, active)| active).collect())
    }

    /// Every module that has a link.
    pub(super) fn modules(&self) -> Result<Vec<String>, StoreError> {
        let failed = || StoreError::disk(format!("read \"{}\"", self.path.display()));
        let mut found = Vec::new();
        for entry in self.dir.entries().map_err(failed())? {
            let name = entry.map_err(failed())?.file_name();
            if let Some((_, module)) = name.to_str().and_then(names::parse_link) {
                found.push(module.to_owned());
            }
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// Lets the module's link lead to the version: the new link is complete before the old one goes. `false` when it did.
    pub(super) fn switch(
        &self,
        module: &str,
        weight: u32,
        key: &VersionKey,
        steps: &dyn Steps,
    ) -> Result<bool, StoreError> {
        let name = names::link_name(weight, module);
        let path = self.path.join(&name);
        let there = self.of(module)?;
        let right = |active: &Active| active.weight == weight && active.key == *key;
        let changed = !there.iter().any(right);
        if changed {
            let failed = || StoreError::disk(format!("switch \"{}\"", path.display()));
            let temporary = self.make(module, key).map_err(failed())?;
            steps.passed(Step::LinkMade);
            if let Err(error) = self.dir.rename(&temporary, &self.dir, &name) {
                let _ = self.dir.remove_file(&temporary);
                return Err(failed()(error));
            }
            steps.passed(Step::Switched);
            durable::sync_dir(&self.dir).map_err(failed())?;
            steps.passed(Step::SwitchDurable);
        }
        let others: Vec<Active> = there
            .into_iter()
            .filter(|active| active.weight != weight)
            .collect();
        self.remove(module, &others)?;
        if !others.is_empty() {
            steps.passed(Step::OldLinkGone);
        }
        Ok(changed || !others.is_empty())
    }

    /// Removes these links, durably.
    pub(super) fn remove(&self, module: &str, links: &[Active]) -> Result<(), StoreError> {
        for active in links {
            self.dir
                .remove_file(names::link_name(active.weight, module))
                .map_err(StoreError::disk(format!("remove \"{}\"", active.link.display())))?;
        }
        if links.is_empty() {
            return Ok(());
        }
        durable::sync_dir(&self.dir).map_err(StoreError::disk(format!("sync \"{}\"", self.path.display())))
    }

    fn make(&self, module: &str, key: &VersionKey) -> io::Result<String> {
        let target = Path::new("..").join(module).join(key.folder());
        loop {
            let temporary = format!("{NEW}{}", staging::fresh());
            match self.dir.symlink_contents(&target, &temporary) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    // The system's own times tick too slowly to tell two links apart.
                    touch(&self.dir, OsStr::new(&temporary))?;
                    return Ok(temporary);
                }
            }
        }
    }

    fn look(&self, name: &OsStr, module: &str) -> io::Result<Option<(i128, VersionKey)>> {
        let metadata = match self.dir.symlink_metadata(name) {
            Ok(metadata) if metadata.is_symlink() => metadata,
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let target = self.dir.read_link_contents(name)?;
        let key = target
            .strip_prefix("..")
            .and_then(|rest| rest.strip_prefix(module))
            .ok()
            .and_then(|folder| VersionKey::from_folder(folder.to_str()?));
        Ok(key.map(|key| (time(&metadata), key)))
    }
}

/// Folder of the links inside the depot's.
pub(super) fn folder(depot: &Path) -> PathBuf {
    depot.join(LINKS)
}

/// When a file was last written or touched, in nanoseconds.
pub(super) fn time(metadata: &cap_std::fs::Metadata) -> i128 {
    i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec())
}

/// Gives a file or link the present time, to the nanosecond.
pub(super) fn touch(dir: &Dir, name: &OsStr) -> io::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: now.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: now.subsec_nanos().into(),
        },
    };
    Ok(utimensat(dir, name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}
