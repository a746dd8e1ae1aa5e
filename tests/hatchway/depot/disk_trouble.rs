//! Disks that are full or read-only, in a mount of their own where the tests may mount. What needs no mount stands beside the
//! commands: a limit on the size of files.

use std::path::{Path, PathBuf};

use hatchway::archive::Limits;
use hatchway::depot::{Depot, Verdict, VersionKey};

use super::archives::{Tar, chain, contents, image, layer};
use crate::support::mounted::Mounted;

fn key() -> VersionKey {
    VersionKey::Release("1.0.0".parse().unwrap())
}

async fn with_an_old_module(dir: &Path) -> Depot {
    let depot = Depot::open(dir, Limits::default()).unwrap();
    depot
        .unpack(
            "a",
            &key(),
            &image("old"),
            [layer(&Tar::default().file("f", "old").end())],
        )
        .await
        .unwrap();
    depot.switch("a", 900, &key()).await.unwrap();
    depot
}

#[tokio::test]
async fn a_full_disk_is_told_and_the_old_module_stays() {
    let Some(disk) = Mounted::new("size=1m") else {
        eprintln!("not run: this process may not mount");
        return;
    };
    let depot = with_an_old_module(disk.path()).await;
    let before = contents(disk.path());
    for target in [key(), VersionKey::Release("1.1.0".parse().unwrap())] {
        let big = Tar::default()
            .file("small", "x")
            .file("big", vec![7; 2 << 20])
            .end();
        let error = depot
            .unpack("a", &target, &image("new"), [layer(&big)])
            .await
            .unwrap_err();
        let said = chain(&error);
        assert!(
            said.starts_with("cannot write \"big\": No space left on device"),
            "{said}"
        );
        assert_eq!(contents(disk.path()), before);
    }
    assert!(matches!(
        depot.verify("a", &key()).await.unwrap(),
        Verdict::Verified(_)
    ));
}

#[tokio::test]
async fn a_disk_without_inodes_is_told_and_the_old_module_stays() {
    let Some(disk) = Mounted::new("size=10m,nr_inodes=40") else {
        eprintln!("not run: this process may not mount");
        return;
    };
    let depot = with_an_old_module(disk.path()).await;
    let before = contents(disk.path());
    let mut many = Tar::default();
    for number in 0..60 {
        many = many.file(&format!("f{number}"), "x");
    }
    let error = depot
        .unpack("a", &key(), &image("new"), [layer(&many.end())])
        .await
        .unwrap_err();
    assert!(
        chain(&error).contains(": No space left on device"),
        "{}",
        chain(&error)
    );
    assert_eq!(contents(disk.path()), before);
}

#[tokio::test]
async fn a_read_only_disk_is_told_and_the_old_module_stays() {
    let Some(disk) = Mounted::new("size=10m") else {
        eprintln!("not run: this process may not mount");
        return;
    };
    let depot = with_an_old_module(disk.path()).await;
    let before = contents(disk.path());
    // The depot's lock is open for writing, which a remount does not allow.
    drop(depot);
    disk.remount("ro");
    let error = Depot::open(disk.path(), Limits::default()).unwrap_err();
    assert!(
        chain(&error).ends_with("Read-only file system (os error 30)"),
        "{}",
        chain(&error)
    );
    assert!(error.to_string().starts_with("cannot write to \""), "{error}");
    assert_eq!(contents(disk.path()), before);
    disk.remount("rw");
    assert!(
        Depot::open(disk.path(), Limits::default())
            .unwrap()
            .active("a")
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn a_folder_in_the_way_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let depot = Depot::open(dir.path(), Limits::default()).unwrap();
    std::fs::write(dir.path().join("a"), "a file").unwrap();
    let error = depot
        .unpack(
            "a",
            &key(),
            &image("x"),
            [layer(&Tar::default().file("f", "x").end())],
        )
        .await
        .unwrap_err();
    let path: PathBuf = dir.path().canonicalize().unwrap().join("a");
    assert_eq!(
        chain(&error),
        format!(
            "cannot make \"{}\": Not a directory (os error 20)",
            path.display()
        )
    );
}

#[tokio::test]
async fn a_module_folder_that_leads_elsewhere_is_not_followed() {
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let depot = Depot::open(dir.path(), Limits::default()).unwrap();
    std::os::unix::fs::symlink(outside.path(), dir.path().join("a")).unwrap();
    let unpacked = depot
        .unpack(
            "a",
            &key(),
            &image("x"),
            [layer(&Tar::default().file("f", "x").end())],
        )
        .await;
    assert!(unpacked.is_err());
    assert!(contents(outside.path()).is_empty());
}
