//! Small disks, to be filled and shut.

use std::path::Path;
use std::process::Command;

/// A small file system of its own, unmounted in the end.
pub(crate) struct Mounted {
    dir: tempfile::TempDir,
}

impl Mounted {
    /// `None` where the process may not mount.
    pub(crate) fn new(options: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(dir.path())
            .output();
        mounted
            .is_ok_and(|output| output.status.success())
            .then(|| Self { dir })
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn remount(&self, options: &str) {
        // Busy while a process that another test is just starting has a copy of a handle.
        let tries = (0..100).any(|_| {
            let options = format!("remount,{options}");
            let status = Command::new("mount")
                .args(["-o", &options])
                .arg(self.path())
                .status();
            status.unwrap().success()
        });
        assert!(tries, "cannot remount");
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily: a process that another test is just starting may hold what this one had open for a moment.
        let _ = Command::new("umount").arg("--lazy").arg(self.dir.path()).status();
    }
}
