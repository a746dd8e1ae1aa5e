//! What makes writes survive a power cut.
//!
//! Three syncs are needed for a pull and a switch, and each has its place:
//! 1. One `syncfs` after everything is written, before any name is given: a folder that has its name is complete.
//!    It covers contents, names, modes, the list of files and the module's folder at once.
//! 2. One `fsync` of the module's folder after the renames, before a link may lead there: a link never outlives its target.
//! 3. One `fsync` of the links' folder after the switch: what was told as deployed stays deployed.
//!
//! The system begins to write while more is being unpacked, so that in the end little is left to wait for.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use cap_std::fs::{Dir, File};
use rustix::fs::{fsync, syncfs};

/// Threads that `fsync` file by file where `syncfs` is not to be had.
const THREADS: usize = 8;
/// How long `syncfs` may take: it waits for whatever all others have written to the file system, too. After that the own
/// files are synced by themselves.
const PATIENCE: Duration = Duration::from_secs(3);
/// So much that was written is worth a sync in advance: bytes, or files, of which small ones cost most.
const AHEAD: Written = Written {
    bytes: 16 << 20,
    files: 1_000,
};

/// A tree that is being written and shall be durable in the end.
pub(super) struct Settling {
    dir: Dir,
    sync: Option<Sync>,
    patience: Duration,
    written: Written,
    running: Option<Running>,
}

type Sync = Box<dyn FnMut() -> io::Result<()> + Send>;

#[derive(Default)]
struct Written {
    bytes: u64,
    files: u64,
}

/// The thread that waits for the system.
struct Running {
    ask: Sender<Ask>,
    busy: Arc<AtomicBool>,
    told: Receiver<io::Result<()>>,
}

#[derive(PartialEq, Eq)]
enum Ask {
    /// Everything up to here; nobody waits.
    Ahead,
    /// Everything.
    Last,
}

impl Settling {
    /// To be made before the first write: the system tells a handle of the errors since it was opened.
    pub(super) fn new(dir: &Dir) -> io::Result<Self> {
        let whole = readable(dir)?;
        let sync = move || Ok(syncfs(&whole)?);
        Self::by(dir, Box::new(sync), PATIENCE)
    }

    fn by(dir: &Dir, sync: Sync, patience: Duration) -> io::Result<Self> {
        Ok(Self {
            dir: dir.try_clone()?,
            sync: Some(sync),
            patience,
            written: Written::default(),
            running: None,
        })
    }

    /// A file has been written.
    pub(super) fn wrote(&mut self, bytes: u64) {
        self.written.bytes += bytes;
        self.written.files += 1;
        if self.written.bytes < AHEAD.bytes && self.written.files < AHEAD.files {
            return;
        }
        if let Some(running) = self.running()
            && !running.busy.swap(true, Ordering::AcqRel)
        {
            // The thread lives as long as it is asked.
            let _ = running.ask.send(Ask::Ahead);
            self.written = Written::default();
        }
    }

    /// Makes all of it durable: `paths` are its files and folders, relative to `dir`; `dir` itself too.
    pub(super) fn settle(mut self, paths: impl Iterator<Item = impl AsRef<str>>) -> io::Result<()> {
        let patience = self.patience;
        let done = self.running().and_then(|running| {
            running.ask.send(Ask::Last).ok()?;
            running.told.recv_timeout(patience).ok()
        });
        // An error may be about other people's files on the same file system, so the own files decide.
        if matches!(done, Some(Ok(()))) {
            return Ok(());
        }
        let paths: Vec<_> = paths.collect();
        let paths: Vec<&str> = paths.iter().map(AsRef::as_ref).collect();
        each(&self.dir, &paths)
    }

    /// `None` when there is no thread to be had.
    fn running(&mut self) -> Option<&Running> {
        if let Some(sync) = self.sync.take() {
            self.running = Running::start(sync);
        }
        self.running.as_ref()
    }
}

impl Running {
    fn start(mut sync: Sync) -> Option<Self> {
        let (ask, asked) = channel();
        let (tell, told) = channel();
        let busy = Arc::new(AtomicBool::new(false));
        let idle = Arc::clone(&busy);
        // It is left to itself when it takes too long, since nothing ends a `syncfs`, and then holds no more than a handle.
        let work = move || {
            let mut done = Ok(());
            while let Ok(ask) = asked.recv() {
                if done.is_ok() {
                    done = sync();
                }
                idle.store(false, Ordering::Release);
                if ask == Ask::Last {
                    let _ = tell.send(done);
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("sync".to_owned());
        thread.spawn(work).ok()?;
        Some(Self { ask, busy, told })
    }
}

/// Every file and folder by itself.
fn each(dir: &Dir, paths: &[&str]) -> io::Result<()> {
    let next = AtomicUsize::new(0);
    let threads = thread::available_parallelism()
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
    thread::scope(|scope| {
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

    /// A folder with a folder, a file and a link in it.
    fn tree() -> (tempfile::TempDir, Dir) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("d")).unwrap();
        std::fs::write(folder.path().join("d/f"), "x").unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("l")).unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        (folder, dir)
    }

    fn is_missing(done: io::Result<()>) -> bool {
        done.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    #[test]
    fn syncs_file_by_file_where_the_whole_cannot_be_had() {
        let (_folder, dir) = tree();
        each(&dir, &["d", "d/f", "l"]).unwrap();
        each(&dir, &[]).unwrap();
        assert!(is_missing(each(&dir, &["d", "gone"])));
        let failing = || {
            let sync = || Err(io::ErrorKind::Other.into());
            Settling::by(&dir, Box::new(sync), Duration::MAX).unwrap()
        };
        failing().settle(["d", "d/f", "l"].into_iter()).unwrap();
        // Whoever is missing shows that the files were looked at.
        assert!(is_missing(failing().settle(["gone"].into_iter())));
    }

    #[test]
    fn looks_at_no_file_where_the_whole_can_be_had() {
        let (_folder, dir) = tree();
        Settling::new(&dir).unwrap().settle(["gone"].into_iter()).unwrap();
    }

    #[test]
    fn does_not_wait_for_what_others_wrote() {
        let (_folder, dir) = tree();
        let (release, held) = channel::<()>();
        let sync = move || {
            let _ = held.recv();
            Ok(())
        };
        let slow = Settling::by(&dir, Box::new(sync), Duration::from_millis(10)).unwrap();
        assert!(is_missing(slow.settle(["d/f", "gone"].into_iter())));
        drop(release);
    }

    #[test]
    fn syncs_in_advance_and_forgets_no_error_of_it() {
        let (_folder, dir) = tree();
        let (told, calls) = channel();
        let mut first = true;
        let sync = move || {
            told.send(()).unwrap();
            if std::mem::take(&mut first) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            Ok(())
        };
        let mut settling = Settling::by(&dir, Box::new(sync), Duration::MAX).unwrap();
        settling.wrote(AHEAD.bytes - 1);
        assert!(settling.running.is_none(), "nothing is synced for little");
        settling.wrote(1);
        calls.recv().unwrap();
        assert!(is_missing(settling.settle(["gone"].into_iter())));
    }
}
