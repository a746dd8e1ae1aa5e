//! From layers to a folder with a name.

use std::io;

use cap_std::fs::Dir;
use rustix::fs::{RenameFlags, renameat_with};
use rustix::io::Errno;

use super::error::Fault;
use super::names::{self, NEW, OLD, VersionKey};
use super::record::Record;
use super::staging::{self, Staging};
use super::steps::Step;
use super::store::{Inner, Unpacked, unpacked};
use super::{durable, links};
use crate::archive::{Image, Incoming};

impl Inner {
    pub(super) fn unpack(
        &self,
        module: &str,
        key: &VersionKey,
        image: &Image,
        incoming: &mut Incoming,
    ) -> Result<Unpacked, Fault> {
        let folder = key.folder();
        let path = self.path.join(module).join(&folder);
        let steps = &*self.steps;
        let parent = self.make_module(module)?;
        let mut staging = Staging::new(&parent, NEW, &path, steps)?;
        let tree = staging.fill(incoming, self.limits, true, steps)?;
        let record = Record::new(image, &tree);
        let list = TemporaryList::write(&parent, staging.name(), &record)?;
        staging.settle(&tree, &[&list.name], steps)?;
        self.give_name(module, &parent, &folder, staging, list, &record)
            .map_err(Fault::disk(format!("put \"{}\" in place", path.display())))?;
        Ok(unpacked(path, record))
    }

    /// Gives the new folder its name. In whatever order a power cut keeps the names, a folder without its list does not
    /// verify, and a list without its folder is swept.
    fn give_name(
        &self,
        module: &str,
        parent: &Dir,
        folder: &str,
        staging: Staging,
        list: TemporaryList<'_>,
        record: &Record,
    ) -> io::Result<()> {
        let _names = self.names();
        let steps = &*self.steps;
        let list_name = names::list_name(folder, &record.digest).map_err(io::Error::other)?;
        list.rename(&list_name)?;
        steps.passed(Step::Listed);
        let there = parent.symlink_metadata(folder).is_ok();
        if !there {
            if let Err(error) = parent.rename(staging.name(), parent, folder) {
                let _ = parent.remove_file(&list_name);
                return Err(error);
            }
            steps.passed(Step::Named);
            staging.keep();
        } else if let Err(error) =
            renameat_with(parent, staging.name(), parent, folder, RenameFlags::EXCHANGE)
        {
            let unable = matches!(error, Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP);
            let active = self.links.of(module).map_err(io::Error::other)?;
            if !unable || active.iter().any(|active| active.key.folder() == folder) {
                return Err(error.into());
            }
            // Nobody looks at it, so it may be away for a moment.
            let old = format!("{OLD}{}", staging::fresh());
            parent.rename(folder, parent, &old)?;
            steps.passed(Step::SetAside);
            parent.rename(staging.name(), parent, folder)?;
            staging.keep();
            parent.remove_dir_all(&old)?;
        } else {
            steps.passed(Step::Named);
            // Under the temporary name stands the old folder now, and goes with it once the exchange is durable.
            durable::sync_dir(parent)?;
            drop(staging);
        }
        durable::sync_dir(parent)?;
        steps.passed(Step::NameDurable);
        for other in lists(parent, folder)?
            .into_iter()
            .filter(|name| *name != list_name)
        {
            parent.remove_file(other)?;
        }
        Ok(())
    }
}

/// The lists that belong to a folder, the one last in use last.
pub(super) fn lists(parent: &Dir, folder: &str) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in parent.entries()? {
        let Ok(name) = entry?.file_name().into_string() else {
            continue;
        };
        if names::list_folder(&name) == Some(folder) {
            found.push((links::time(&parent.symlink_metadata(&name)?), name));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, name)| name).collect())
}

/// A list that has no name yet.
struct TemporaryList<'a> {
    parent: &'a Dir,
    name: String,
}

impl<'a> TemporaryList<'a> {
    fn write(parent: &'a Dir, staging: &str, record: &Record) -> Result<Self, Fault> {
        let list = Self {
            parent,
            name: format!("{staging}.list"),
        };
        record
            .write(parent, &list.name)
            .map_err(Fault::disk("write the list of files"))?;
        Ok(list)
    }

    fn rename(self, name: &str) -> io::Result<()> {
        self.parent.rename(&self.name, self.parent, name)
    }
}

impl Drop for TemporaryList<'_> {
    fn drop(&mut self) {
        // Renamed or not; what cannot be removed now is swept at the next start.
        let _ = self.parent.remove_file(&self.name);
    }
}
