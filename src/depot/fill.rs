//! An image into a folder of the user's choice, for `registry pull`.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use futures_util::Stream;
use rustix::fs::{RenameFlags, renameat_with};

use super::durable;
use super::error::{Fault, StoreError, UnpackError};
use super::names;
use super::staging::Staging;
use super::store::Unpacked;
use super::sweep;
use crate::archive::{self, Image, Incoming, Layer, Limits};

/// What to do about a folder that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// Fill it when it is missing or empty, refuse it untouched otherwise.
    Empty,
    /// Replace it in one step, whatever is in it.
    Replace,
}

/// Unpacks an image into `target`, durably, by way of a hidden folder beside it, which is removed when the future is
/// dropped (the runtime must be left to finish its blocking threads), and by the next pull after a crash.
///
/// # Errors
/// [`UnpackError`], with [`StoreError::NotEmpty`] for a folder that has something in it; the folder is then as it was.
pub async fn unpack_into<S, E>(
    target: &Path,
    fill: Fill,
    limits: Limits,
    image: &Image,
    layers: impl IntoIterator<Item = Layer<S>>,
) -> Result<Unpacked, UnpackError>
where
    S: Stream<Item = Result<Bytes, E>> + Send + Unpin,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    names::hex(&image.digest)?;
    let target = Target::find(target, fill)?;
    let id = image.clone();
    archive::feed(image, layers, move |incoming| {
        target.unpack(incoming, &id, limits)
    })
    .await
}

struct Target {
    parent: Dir,
    name: String,
    path: PathBuf,
    fill: Fill,
}

impl Target {
    fn find(target: &Path, fill: Fill) -> Result<Self, StoreError> {
        let failed = || StoreError::disk(format!("use \"{}\"", target.display()));
        // A link to a folder means the folder; one that is missing needs only a parent.
        let path = match target.canonicalize() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty());
                let parent = parent
                    .unwrap_or(Path::new("."))
                    .canonicalize()
                    .map_err(failed())?;
                parent.join(
                    target
                        .file_name()
                        .ok_or(io::ErrorKind::InvalidInput.into())
                        .map_err(failed())?,
                )
            }
            found => found.map_err(failed())?,
        };
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(failed()(io::ErrorKind::InvalidInput.into()));
        };
        let parent = Dir::open_ambient_dir(parent, ambient_authority()).map_err(failed())?;
        let name = name
            .to_str()
            .ok_or(io::ErrorKind::InvalidFilename.into())
            .map_err(failed())?
            .to_owned();
        let found = Self {
            parent,
            name,
            path,
            fill,
        };
        if fill == Fill::Empty && found.is_full().map_err(failed())? {
            return Err(StoreError::NotEmpty { dir: found.path });
        }
        Ok(found)
    }

    /// Whether there is something: anything but an empty folder.
    fn is_full(&self) -> io::Result<bool> {
        match self.parent.read_dir(&self.name) {
            Ok(mut entries) => Ok(entries.next().is_some()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn unpack(self, incoming: &mut Incoming, image: &Image, limits: Limits) -> Result<Unpacked, Fault> {
        let prefix = format!(".{}.hatchway-", self.name);
        let failed = || Fault::disk(format!("put \"{}\" in place", self.path.display()));
        // A leftover that cannot be removed is in nobody's way.
        let _ = sweep::sweep_unlocked(&self.parent, &prefix);
        let mut staging = Staging::new(&self.parent, &prefix, &self.path, &())?;
        // Nobody keeps a list of these files, so their digests are not needed: the layers' were checked.
        let tree = staging.fill(incoming, limits, false, &())?;
        staging.settle(&tree, &[], &())?;
        if self.fill == Fill::Empty && self.is_full().map_err(failed())? {
            return Err(StoreError::NotEmpty { dir: self.path }.into());
        }
        self.put(staging).map_err(failed())?;
        durable::sync_dir(&self.parent).map_err(failed())?;
        Ok(Unpacked {
            path: self.path,
            image: image.reference.clone(),
            digest: image.digest.clone(),
            bytes: tree.bytes(),
            entries: tree.len(),
        })
    }

    fn put(&self, staging: Staging) -> io::Result<()> {
        let there = self.parent.symlink_metadata(&self.name).is_ok();
        if there && std::env::current_dir().is_ok_and(|dir| dir == self.path) {
            return self.put_below(&staging);
        }
        if there && self.fill == Fill::Replace {
            // What was there stands under the temporary name then, and goes with it.
            renameat_with(
                &self.parent,
                staging.name(),
                &self.parent,
                &self.name,
                RenameFlags::EXCHANGE,
            )?;
            durable::sync_dir(&self.parent)?;
            drop(staging);
            return Ok(());
        }
        self.parent.rename(staging.name(), &self.parent, &self.name)?;
        staging.keep();
        Ok(())
    }

    /// The working folder is filled where it is, or its user would be left standing in one that is gone.
    fn put_below(&self, staging: &Staging) -> io::Result<()> {
        let dir = self.parent.open_dir(&self.name)?;
        if self.fill == Fill::Replace {
            for entry in dir.entries()? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    dir.remove_dir_all(entry.file_name())?;
                } else {
                    dir.remove_file(entry.file_name())?;
                }
            }
        }
        for entry in staging.dir().entries()? {
            let name = entry?.file_name();
            staging.dir().rename(&name, &dir, &name)?;
        }
        durable::sync_dir(&dir)
    }
}
