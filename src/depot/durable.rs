//! What makes writes survive a power cut.
//!
//! Three syncs are needed for a pull and a switch, and each has its place:
//! 1. One `syncfs` after everything is written, before any name is given: a folder that has its name is complete.
//!    It covers contents, names, modes, the list of files and the module's folder at once.
//! 2. One `fsync` of the module's folder after the renames, before a link may lead there: a link never outlives its target.
//! 3. One `fsync` of the links' folder after the switch: what was told as deployed stays deployed.

use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

use cap_std::fs::{Dir, File};
use rustix::fs::{fsync, syncfs};

/// Threads that `fsync` file by file where `syncfs` is not to be had.
const THREADS: usize = 8;

/// Makes a tree that was just written durable: `paths` are its files and folders, relative to `dir`; `dir` itself too.
pub(super) fn settle<'a>(dir: &Dir, paths: impl Iterator<Item = &'a str>) -> io::Result<()> {
    // An error may be about other people's files on the same file system, so the own files decide.
    if syncfs(readable(dir)?).is_ok() {
        return Ok(());
    }
    each(dir, &paths.collect::<Vec<_>>())
}

/// Every file and folder by itself.
pub(super) fn each(dir: &Dir, paths: &[&str]) -> io::Result<()> {
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism()
        .map_or(1, NonZeroUsize::get)
        .max(THREADS)
        .min(paths.len());
    let work = || -> io::Result<()> {
        while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
            let metadata = dir.symlink_metadata(path)?;
            if metadata.is_dir() {
                sync_dir(&dir.open_dir(path)?)?;
            } else if metadata.is_file() {
                fsync(dir.open(path)?)?;
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into())))
    })?;
    sync_dir(dir)
}

/// Makes the names in a folder durable.
pub(super) fn sync_dir(dir: &Dir) -> io::Result<()> {
    Ok(fsync(readable(dir)?)?)
}

/// A `Dir` is opened only to look things up (`O_PATH`), which the system neither syncs nor locks.
pub(super) fn readable(dir: &Dir) -> io::Result<File> {
    dir.open(".")
}

#[cfg(test)]
mod tests {
    use cap_std::ambient_authority;

    use super::*;

    #[test]
    fn syncs_file_by_file_where_the_whole_cannot_be_had() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("d")).unwrap();
        std::fs::write(folder.path().join("d/f"), "x").unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("l")).unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        each(&dir, &["d", "d/f", "l"]).unwrap();
        each(&dir, &[]).unwrap();
        settle(&dir, ["d", "d/f", "l"].into_iter()).unwrap();
        let missing = each(&dir, &["d", "gone"]).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
