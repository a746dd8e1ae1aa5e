//! What stands on disk and is no part of the image any more, because a layer replaced or removed it.
//!
//! It is removed when all layers are there, and what is replaced by its like is used again: an ext4 without a journal
//! gives out no inode for a minute after its file was removed, and looks at each such inode whenever a file is made
//! (`recently_deleted` in fs/ext4/ialloc.c). benches/README.md has what that costs.

use std::collections::BTreeMap;
use std::io;

use cap_std::fs::{Dir, File, MetadataExt, OpenOptions};

use crate::archive::{inside, split};

/// Paths, and whether they are folders. In a hidden folder everything is hidden.
#[derive(Debug, Default)]
pub(super) struct Hidden(BTreeMap<String, bool>);

impl Hidden {
    /// The path is no part of the image any more.
    pub(super) fn add(&mut self, path: &str, is_dir: bool) {
        self.0.insert(path.to_owned(), is_dir);
    }

    /// Gives back a folder that is hidden at the path, with whatever is hidden in it, or clears the path. Its mode is the
    /// one it had.
    pub(super) fn dir(&mut self, root: &Dir, path: &str) -> io::Result<bool> {
        let is_there = self.0.get(path) == Some(&true);
        if is_there {
            self.0.remove(path);
        } else {
            self.clear(root, path)?;
        }
        Ok(is_there)
    }

    /// Gives back a file that is hidden at the path and has no other name, or clears the path. `size` bytes are to be
    /// written over what it holds, which is no longer; its mode is the one it had.
    pub(super) fn file(
        &mut self,
        root: &Dir,
        parent: &Dir,
        path: &str,
        size: u64,
    ) -> io::Result<Option<File>> {
        if self.0.get(path) == Some(&false) {
            let name = split(path).1;
            let there = parent.symlink_metadata(name)?;
            if there.is_file()
                && there.nlink() == 1
                // One that its owner may not write is made anew.
                && let Ok(file) = parent.open_with(name, OpenOptions::new().write(true))
            {
                self.0.remove(path);
                if there.len() > size {
                    file.set_len(size)?;
                }
                return Ok(Some(file));
            }
        }
        self.clear(root, path)?;
        Ok(None)
    }

    /// Removes what is hidden at the path and in it.
    pub(super) fn clear(&mut self, root: &Dir, path: &str) -> io::Result<()> {
        let Some(is_dir) = self.0.remove(path) else {
            return Ok(());
        };
        if is_dir {
            let inside: BTreeMap<_, _> = self.0.extract_if(inside(path), |_, _| true).collect();
            Self(inside).finish(root).map_err(|(_, error)| error)?;
        }
        remove(root, path, is_dir)
    }

    /// Removes all of it; the path that could not be removed comes with the error.
    pub(super) fn finish(self, root: &Dir) -> Result<(), (String, io::Error)> {
        // In reverse order what is in a folder comes before the folder.
        for (path, is_dir) in self.0.into_iter().rev() {
            remove(root, &path, is_dir).map_err(|error| (path, error))?;
        }
        Ok(())
    }
}

fn remove(root: &Dir, path: &str, is_dir: bool) -> io::Result<()> {
    if is_dir {
        root.remove_dir(path)
    } else {
        root.remove_file(path)
    }
}
