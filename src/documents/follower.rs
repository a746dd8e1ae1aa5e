//! Follows the files of a folder as they change.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hasher as _};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Document, Problem, Reading, files};

/// How long after its last change a file may change again without its times showing it: generous for the ten
/// milliseconds or less of a kernel's clock, and for file systems that keep whole seconds.
const BLIND: Duration = Duration::from_secs(2);

/// Follows the documents of a folder. It has no thread and no timer: whoever wants to follow calls
/// [`Follower::look`] again and again.
#[derive(Debug)]
pub struct Follower {
    dir: PathBuf,
    looked: bool,
    files: BTreeMap<PathBuf, Known>,
}

/// What a look found changed.
#[derive(Debug)]
pub struct Changes {
    /// All documents as they are now, by the names of their files and in the order within them.
    pub documents: Vec<Arc<Document>>,
    /// What could not be read of the files that changed since the last look; each is told once per change.
    pub problems: Vec<Problem>,
}

#[derive(Debug, Default)]
struct Known {
    /// `None`: it could not be asked for.
    stamp: Option<Stamp>,
    /// Of the bytes that were read last; `None` when they could not be.
    digest: Option<u64>,
    /// The file was changed so shortly before it was read that its stamp does not prove anything yet.
    fresh: bool,
    documents: Vec<Arc<Document>>,
}

/// What tells a changed file without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    len: u64,
    modified: (i64, i64),
    /// Also moves when only the modification time was set back.
    changed: (i64, i64),
}

impl Follower {
    /// Follows a folder; nothing is read before the first look.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            looked: false,
            files: BTreeMap::new(),
        }
    }

    /// What changed since the last look, which is everything on the first; `None` when nothing did.
    ///
    /// Only files whose times, size or inode changed are read. A file with a problem keeps the documents that it
    /// had; if it had none, those that can be read count. So a file that was caught half-written harms nothing and
    /// is picked up with its next change. A file that is gone takes its documents with it.
    ///
    /// An error means that the folder could not be listed; all documents stay, and the next look tries again.
    pub fn look(&mut self) -> io::Result<Option<Changes>> {
        let paths = files::folder(&self.dir)?;
        let mut known = std::mem::take(&mut self.files);
        let mut problems = Vec::new();
        let mut changed = !std::mem::replace(&mut self.looked, true);
        for path in paths {
            let old = known.remove(&path);
            match read(&path, old, &mut problems) {
                Outcome::Same(file) => drop(self.files.insert(path, file)),
                Outcome::Changed(file) => {
                    changed = true;
                    self.files.insert(path, file);
                }
                Outcome::Gone(had) => changed |= had,
            }
        }
        changed |= known.values().any(|file| !file.documents.is_empty());
        if !changed && problems.is_empty() {
            return Ok(None);
        }
        let documents = self
            .files
            .values()
            .flat_map(|file| file.documents.iter().cloned())
            .collect();
        Ok(Some(Changes { documents, problems }))
    }
}

enum Outcome {
    Same(Known),
    /// Its documents changed.
    Changed(Known),
    /// It went away meanwhile; whether it had documents.
    Gone(bool),
}

fn read(path: &Path, old: Option<Known>, problems: &mut Vec<Problem>) -> Outcome {
    let name = path.to_string_lossy();
    let is_new = old.is_none();
    let is_gone = |error: &io::Error| {
        // A link that leads nowhere is still there, and told.
        error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_err()
    };
    let mut file = old.unwrap_or_default();
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if is_gone(&error) => return Outcome::Gone(!file.documents.is_empty()),
        Err(error) => {
            if is_new || file.stamp.is_some() {
                problems.extend(files::unreadable(&name, &error).problems);
            }
            return Outcome::Same(Known {
                stamp: None,
                digest: None,
                ..file
            });
        }
    };
    let stamp = Stamp::of(&metadata);
    if file.stamp == Some(stamp) && !file.fresh {
        return Outcome::Same(file);
    }
    file.fresh = is_fresh(&metadata);
    // Asked for before the bytes are read: a change in between makes the next stamp differ.
    let before = file.stamp.replace(stamp);
    let text = match files::bytes(path) {
        Ok(text) => text,
        Err(error) if is_gone(&error) => return Outcome::Gone(!file.documents.is_empty()),
        Err(error) => {
            if before != Some(stamp) {
                problems.extend(files::unreadable(&name, &error).problems);
            }
            // Tried again on the next look: what failed may be the disk, not the file.
            (file.digest, file.fresh) = (None, true);
            return Outcome::Same(file);
        }
    };
    let digest = digest(&text);
    if file.digest.replace(digest) == Some(digest) {
        return Outcome::Same(file);
    }
    let Reading {
        documents,
        problems: found,
    } = super::parse(&name, &text);
    let keeps = !found.is_empty() && !file.documents.is_empty();
    problems.extend(found);
    if keeps {
        return Outcome::Same(file);
    }
    file.documents = documents.into_iter().map(Arc::new).collect();
    Outcome::Changed(file)
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            len: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Whether a file was changed just now. Times that lie in the future, of a server with another clock, do not count:
/// such a file would be read on every look for ever.
fn is_fresh(metadata: &fs::Metadata) -> bool {
    let Ok(modified) = metadata.modified() else {
        return false;
    };
    match SystemTime::now().duration_since(modified) {
        Ok(age) => age < BLIND,
        Err(ahead) => ahead.duration() < BLIND,
    }
}

fn digest(text: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(text);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    struct World {
        dir: tempfile::TempDir,
        follower: Follower,
    }

    impl World {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let follower = Follower::new(dir.path());
            Self { dir, follower }
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        /// Sets a file's times back, so that it counts as settled.
        fn age(&self, name: &str, seconds: u64) {
            let file = File::options()
                .write(true)
                .open(self.dir.path().join(name))
                .unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(seconds))
                .unwrap();
        }

        /// The values and the number of problems, in words; empty when nothing changed.
        fn look(&mut self) -> String {
            let Some(changes) = self.follower.look().unwrap() else {
                return String::new();
            };
            let values: Vec<_> = changes
                .documents
                .iter()
                .map(|document| document.value.to_string())
                .collect();
            format!("{} !{}", values.join(" "), changes.problems.len())
        }
    }

    #[test]
    fn tells_an_empty_folder_once() {
        let mut world = World::new();
        assert_eq!(world.look(), " !0");
        assert_eq!(world.look(), "");
        world.write("README.md", "none");
        assert_eq!(world.look(), "");
    }

    #[test]
    fn follows_files_that_come_change_and_go() {
        let mut world = World::new();
        world.write("b.yaml", "b: 1");
        assert_eq!(world.look(), "{\"b\":1} !0");
        assert_eq!(world.look(), "");
        world.write("a/x.yaml", "a: 1\n---\na: 2");
        assert_eq!(world.look(), "{\"a\":1} {\"a\":2} {\"b\":1} !0");
        world.write("b.yaml", "b: 2");
        assert_eq!(
            world.look(),
            "{\"a\":1} {\"a\":2} {\"b\":2} !0",
            "same length, same instant"
        );
        fs::rename(world.dir.path().join("a"), world.dir.path().join("c")).unwrap();
        assert_eq!(world.look(), "{\"b\":2} {\"a\":1} {\"a\":2} !0");
        fs::remove_dir_all(world.dir.path().join("c")).unwrap();
        assert_eq!(world.look(), "{\"b\":2} !0");
        assert_eq!(world.look(), "");
    }

    #[test]
    fn a_touched_file_is_no_change() {
        let mut world = World::new();
        world.write("a.yaml", "a: 1");
        world.look();
        world.age("a.yaml", 60);
        assert_eq!(world.look(), "");
        assert_eq!(world.look(), "");
    }

    #[test]
    fn notices_a_change_that_hides_behind_the_old_time() {
        let mut world = World::new();
        world.write("a.yaml", "a: 1");
        world.age("a.yaml", 60);
        let time = fs::metadata(world.dir.path().join("a.yaml"))
            .unwrap()
            .modified()
            .unwrap();
        assert_eq!(world.look(), "{\"a\":1} !0");
        world.write("a.yaml", "a: 2");
        let file = File::options()
            .write(true)
            .open(world.dir.path().join("a.yaml"))
            .unwrap();
        file.set_modified(time).unwrap();
        assert_eq!(world.look(), "{\"a\":2} !0");
    }

    #[test]
    fn a_file_that_does_not_parse_keeps_what_it_said_and_is_told_once() {
        let mut world = World::new();
        world.write("a.yaml", "a: 1");
        world.write("b.yaml", "b: 1");
        world.look();
        world.write("a.yaml", "a: 2\n---\na: [");
        assert_eq!(world.look(), "{\"a\":1} {\"b\":1} !1");
        assert_eq!(world.look(), "");
        world.age("a.yaml", 60);
        assert_eq!(world.look(), "");
        world.write("a.yaml", "a: 2\n---\na: [3]");
        assert_eq!(world.look(), "{\"a\":2} {\"a\":[3]} {\"b\":1} !0");
        world.write("c.yaml", "c: 1\n---\nc: [");
        assert_eq!(world.look(), "{\"a\":2} {\"a\":[3]} {\"b\":1} {\"c\":1} !1");
        world.write("a.yaml", "a: [");
        fs::remove_file(world.dir.path().join("a.yaml")).unwrap();
        assert_eq!(world.look(), "{\"b\":1} {\"c\":1} !0");
    }

    #[test]
    fn a_link_that_leads_nowhere_keeps_what_its_file_said() {
        let mut world = World::new();
        world.write(".v1/m.yaml", "a: 1");
        std::os::unix::fs::symlink(".v1/m.yaml", world.dir.path().join("m.yaml")).unwrap();
        assert_eq!(world.look(), "{\"a\":1} !0");
        fs::remove_file(world.dir.path().join(".v1/m.yaml")).unwrap();
        assert_eq!(world.look(), "{\"a\":1} !1");
        assert_eq!(world.look(), "");
        world.write(".v1/m.yaml", "a: 2");
        assert_eq!(world.look(), "{\"a\":2} !0");
    }

    #[test]
    fn a_folder_that_is_gone_is_an_error_and_no_deletion() {
        let mut world = World::new();
        world.write("a.yaml", "a: 1");
        world.look();
        let (here, there) = (
            world.dir.path().to_owned(),
            world.dir.path().with_extension("moved"),
        );
        fs::rename(&here, &there).unwrap();
        assert!(world.follower.look().is_err());
        fs::rename(&there, &here).unwrap();
        assert_eq!(world.look(), "");
    }
}
