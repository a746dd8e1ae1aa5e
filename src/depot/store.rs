//! The depot: the one writer of a modules folder.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, File};
use futures_util::Stream;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::durable;
use super::error::{StoreError, UnpackError};
use super::flow::{self, Image, Layer};
use super::install::lists;
use super::limits::Limits;
use super::links::{self, Active, Links};
use super::names::{self, OLD, VersionKey};
use super::record::Record;
use super::staging;
use super::steps::{Step, Steps};
use super::sweep;
use super::verify::{self, Verdict};

const LOCK: &str = ".lock";

/// What stands in a version's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    /// The folder.
    pub path: PathBuf,
    /// The image as its user knew it.
    pub image: String,
    /// The image's digest.
    pub digest: String,
    /// Bytes of all files.
    pub bytes: u64,
    /// Files, folders and links.
    pub entries: usize,
}

/// Modules on disk (rules REG-6, DISK-1, DISK-2). Cheap to clone; the folder is free again when the last clone and the
/// last call are gone. Everything that touches the disk for long runs on tokio's blocking threads, and is finished
/// there even when the future is dropped, unpacking excepted, which cleans up.
#[derive(Debug, Clone)]
pub struct Depot {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) path: PathBuf,
    pub(super) root: Dir,
    pub(super) links: Links,
    pub(super) limits: Limits,
    pub(super) steps: Arc<dyn Steps>,
    lock: File,
    /// Held while names change; unpacking itself goes side by side.
    names: Mutex<()>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Closing is not enough: a process that is just being started has a copy of the handle until it is.
        let _ = flock(&self.lock, FlockOperation::Unlock);
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Depot")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Depot {
    /// Opens the folder, makes it when it is missing, and removes what a crash has left. Blocking, for the start.
    ///
    /// # Errors
    /// [`StoreError::InUse`] while another process has it open, [`StoreError::Disk`] when it cannot be read or written.
    pub fn open(dir: &Path, limits: Limits) -> Result<Self, StoreError> {
        Self::open_with(dir, limits, Arc::new(()))
    }

    /// [`Depot::open`], with somebody who is told of every [`Step`].
    ///
    /// # Errors
    /// As [`Depot::open`].
    pub fn open_with(dir: &Path, limits: Limits, steps: Arc<dyn Steps>) -> Result<Self, StoreError> {
        let failed = |what: &str| StoreError::disk(format!("{what} \"{}\"", dir.display()));
        std::fs::create_dir_all(dir).map_err(failed("make"))?;
        let path = dir.canonicalize().map_err(failed("find"))?;
        let root = Dir::open_ambient_dir(&path, ambient_authority()).map_err(failed("open"))?;
        let lock = root.create(LOCK).map_err(failed("write to"))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => return Err(StoreError::InUse { dir: path }),
            // Without locks in the file system two writers cannot be told apart; one is all that is ever set up.
            Ok(()) | Err(Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOLCK) => {}
            Err(error) => return Err(failed("lock")(error.into())),
        }
        root.create_dir_all(names::LINKS).map_err(failed("write to"))?;
        durable::sync_dir(&root).map_err(failed("sync"))?;
        let links = Links::new(
            root.open_dir(names::LINKS).map_err(failed("open"))?,
            links::folder(&path),
        );
        let inner = Inner {
            path,
            root,
            links,
            limits,
            steps,
            lock,
            names: Mutex::new(()),
        };
        sweep::sweep(&inner)?;
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The depot's folder, absolute.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Where a version stands or would stand.
    pub fn folder(&self, module: &str, key: &VersionKey) -> PathBuf {
        self.inner.path.join(module).join(key.folder())
    }

    /// Unpacks an image into the version's folder, complete and durable before it has its name (rule REG-6). Nothing is
    /// switched. A folder that is there already is exchanged in one step, also while it is active.
    ///
    /// # Errors
    /// [`UnpackError`]; then nothing stays of it, and what was there is untouched.
    pub async fn unpack<S, E>(
        &self,
        module: &str,
        key: &VersionKey,
        image: &Image,
        layers: impl IntoIterator<Item = Layer<S>>,
    ) -> Result<Unpacked, UnpackError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + Unpin,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        names::check_module(module)?;
        let (inner, module, key, id) = (
            Arc::clone(&self.inner),
            module.to_owned(),
            key.clone(),
            image.clone(),
        );
        flow::feed(image, layers, move |incoming| {
            inner.unpack(&module, &key, &id, incoming)
        })
        .await
    }

    /// Compares a version's folder with the list written when it was unpacked: names, modes, sizes, contents.
    ///
    /// # Errors
    /// [`StoreError`] when the disk cannot be read; a damaged folder is a [`Verdict`].
    pub async fn verify(&self, module: &str, key: &VersionKey) -> Result<Verdict, StoreError> {
        let (module, key) = (module.to_owned(), key.clone());
        self.blocking(move |inner| inner.verify(&module, &key)).await
    }

    /// Lets the module's link lead to a version that was unpacked (rule DISK-1), durably. With another weight than
    /// before the new link is there before the old one goes. `false` when all was so already, and nothing was written.
    ///
    /// # Errors
    /// [`StoreError::Absent`] when the version is not on disk, [`StoreError::Disk`] when the disk refuses; the old link
    /// then stands as it was.
    pub async fn switch(&self, module: &str, weight: u32, key: &VersionKey) -> Result<bool, StoreError> {
        let (module, key) = (module.to_owned(), key.clone());
        self.blocking(move |inner| inner.switch(&module, weight, &key))
            .await
    }

    /// The active version. Reads one folder.
    ///
    /// # Errors
    /// [`StoreError`] when the disk cannot be read.
    pub fn active(&self, module: &str) -> Result<Option<Active>, StoreError> {
        names::check_module(module)?;
        Ok(self.inner.links.of(module)?.into_iter().next())
    }

    /// The versions on disk, in order, overrides last. Complete ones only, but not verified.
    ///
    /// # Errors
    /// [`StoreError`] when the disk cannot be read.
    pub fn versions(&self, module: &str) -> Result<Vec<VersionKey>, StoreError> {
        names::check_module(module)?;
        self.inner.versions(module)
    }

    /// The modules that have anything on disk, by name.
    ///
    /// # Errors
    /// [`StoreError`] when the disk cannot be read.
    pub fn modules(&self) -> Result<Vec<String>, StoreError> {
        let mut modules = self.inner.modules()?;
        modules.extend(self.inner.links.modules()?);
        modules.sort();
        modules.dedup();
        Ok(modules)
    }

    /// Removes the versions that are neither active nor in `keep`, the override that was last in use excepted. What was
    /// removed is returned.
    ///
    /// # Errors
    /// [`StoreError`] when the disk refuses; what is half removed then is hidden, and goes with the next start.
    pub async fn collect(&self, module: &str, keep: &[VersionKey]) -> Result<Vec<VersionKey>, StoreError> {
        let (module, keep) = (module.to_owned(), keep.to_vec());
        self.blocking(move |inner| inner.collect(&module, &keep)).await
    }

    /// Removes the module's link; its versions stay. `false` when there was none.
    ///
    /// # Errors
    /// [`StoreError`] when the disk refuses.
    pub async fn remove_link(&self, module: &str) -> Result<bool, StoreError> {
        let module = module.to_owned();
        self.blocking(move |inner| inner.remove_link(&module)).await
    }

    /// Removes the module's link and then everything of it.
    ///
    /// # Errors
    /// [`StoreError`] when the disk refuses.
    pub async fn purge(&self, module: &str) -> Result<(), StoreError> {
        let module = module.to_owned();
        self.blocking(move |inner| inner.purge(&module)).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = Arc::clone(&self.inner);
        let dir = inner.path.clone();
        tokio::task::spawn_blocking(move || work(&inner))
            .await
            .unwrap_or(Err(StoreError::Interrupted { dir }))
    }
}

impl Inner {
    fn verify(&self, module: &str, key: &VersionKey) -> Result<Verdict, StoreError> {
        let folder = key.folder();
        let path = self.path.join(module).join(&folder);
        let failed = || StoreError::disk(format!("verify \"{}\"", path.display()));
        let Some(parent) = self.module(module)? else {
            return Ok(Verdict::Absent);
        };
        let Ok(dir) = parent.open_dir(&folder) else {
            return Ok(if parent.symlink_metadata(&folder).is_ok() {
                Verdict::Damaged {
                    why: format!("\"{folder}\" is no folder"),
                }
            } else {
                Verdict::Absent
            });
        };
        let mut why = "its list of files is missing".to_owned();
        // Two lists only when a crash came while one image took another's place: one of them is right.
        for list in lists(&parent, &folder).map_err(failed())? {
            match Record::read(&parent, &list) {
                Ok(record) => match verify::compare(&dir, &record).map_err(failed())? {
                    None => return Ok(Verdict::Verified(unpacked(path, record))),
                    Some(found) => why = found,
                },
                Err(error) => why = format!("its list of files is unreadable: {error}"),
            }
        }
        Ok(Verdict::Damaged { why })
    }

    fn switch(&self, module: &str, weight: u32, key: &VersionKey) -> Result<bool, StoreError> {
        let _names = self.names();
        let folder = key.folder();
        let absent = || StoreError::Absent {
            module: module.to_owned(),
            key: folder.clone(),
        };
        let failed = || StoreError::disk(format!("switch module \"{module}\" to {folder}"));
        let parent = self.module(module)?.ok_or_else(absent)?;
        let list = lists(&parent, &folder).map_err(failed())?.pop();
        let (Ok(_), Some(list)) = (parent.open_dir(&folder), list) else {
            return Err(absent());
        };
        let changed = self.links.switch(module, weight, key, &*self.steps)?;
        if changed {
            // The override that was last in use is the one that stays: see `collect`.
            links::touch(&parent, list.as_ref()).map_err(failed())?;
        }
        Ok(changed)
    }

    fn collect(&self, module: &str, keep: &[VersionKey]) -> Result<Vec<VersionKey>, StoreError> {
        names::check_module(module)?;
        let _names = self.names();
        let active: Vec<VersionKey> = self
            .links
            .of(module)?
            .into_iter()
            .map(|active| active.key)
            .collect();
        let Some(parent) = self.module(module)? else {
            return Ok(Vec::new());
        };
        let mut going = self.versions(module)?;
        going.retain(|key| !keep.contains(key) && !active.contains(key));
        let used = |key: &VersionKey| {
            let list = lists(&parent, &key.folder()).ok()?.pop()?;
            Some(links::time(&parent.symlink_metadata(list).ok()?))
        };
        let former = going
            .iter()
            .filter(|key| matches!(key, VersionKey::Dev(_)))
            .max_by_key(|key| used(key))
            .cloned();
        going.retain(|key| Some(key) != former.as_ref());
        for key in &going {
            self.remove(&parent, module, &key.folder())?;
        }
        Ok(going)
    }

    /// Removes a version: out of sight in one step, then piece by piece.
    fn remove(&self, parent: &Dir, module: &str, folder: &str) -> Result<(), StoreError> {
        let path = self.path.join(module).join(folder);
        let failed = || StoreError::disk(format!("remove \"{}\"", path.display()));
        let old = format!("{OLD}{}", staging::fresh());
        parent.rename(folder, parent, &old).map_err(failed())?;
        self.steps.passed(Step::SetAside);
        for list in lists(parent, folder).map_err(failed())? {
            parent.remove_file(list).map_err(failed())?;
        }
        self.steps.passed(Step::ListGone);
        parent.remove_dir_all(&old).map_err(failed())?;
        self.steps.passed(Step::Removed);
        Ok(())
    }

    fn remove_link(&self, module: &str) -> Result<bool, StoreError> {
        names::check_module(module)?;
        let _names = self.names();
        let links = self.links.of(module)?;
        self.links.remove(module, &links)?;
        Ok(!links.is_empty())
    }

    fn purge(&self, module: &str) -> Result<(), StoreError> {
        self.remove_link(module)?;
        let _names = self.names();
        let Some(parent) = self.module(module)? else {
            return Ok(());
        };
        for key in self.versions(module)? {
            self.remove(&parent, module, &key.folder())?;
        }
        // Something of it may just be unpacked; then the folder stays.
        let _ = self.root.remove_dir(module);
        Ok(())
    }

    pub(super) fn modules(&self) -> Result<Vec<String>, StoreError> {
        let failed = || StoreError::disk(format!("read \"{}\"", self.path.display()));
        let mut found = Vec::new();
        for entry in self.root.entries().map_err(failed())? {
            let entry = entry.map_err(failed())?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if names::check_module(&name).is_ok() && entry.file_type().map_err(failed())?.is_dir() {
                found.push(name);
            }
        }
        found.sort();
        Ok(found)
    }

    pub(super) fn versions(&self, module: &str) -> Result<Vec<VersionKey>, StoreError> {
        let Some(parent) = self.module(module)? else {
            return Ok(Vec::new());
        };
        let failed = || StoreError::disk(format!("read \"{}\"", self.path.join(module).display()));
        let mut found = Vec::new();
        for entry in parent.entries().map_err(failed())? {
            let entry = entry.map_err(failed())?;
            found.extend(entry.file_name().to_str().and_then(VersionKey::from_folder));
        }
        found.sort();
        Ok(found)
    }

    /// The module's folder.
    pub(super) fn module(&self, module: &str) -> Result<Option<Dir>, StoreError> {
        names::check_module(module)?;
        match self.root.open_dir(module) {
            Ok(dir) => Ok(Some(dir)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::disk(format!(
                "open \"{}\"",
                self.path.join(module).display()
            ))(error)),
        }
    }

    pub(super) fn make_module(&self, module: &str) -> Result<Dir, StoreError> {
        let failed = || StoreError::disk(format!("make \"{}\"", self.path.join(module).display()));
        // Under the lock, since `purge` removes the folder when it finds it empty.
        let _names = self.names();
        match self.root.create_dir(module) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => {
                made.map_err(failed())?;
                durable::sync_dir(&self.root).map_err(failed())?;
            }
        }
        self.root.open_dir(module).map_err(failed())
    }

    pub(super) fn names(&self) -> MutexGuard<'_, ()> {
        // The lock guards the disk, which is consistent at every step.
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn unpacked(path: PathBuf, record: Record) -> Unpacked {
    Unpacked {
        path,
        entries: record.entries.len(),
        image: record.image,
        digest: record.digest,
        bytes: record.bytes,
    }
}
