//! Kill -9 at every step, with a reader looking all the time.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hatchway::depot::{Depot, Limits, Step, Steps, Verdict, VersionKey};
use rustix::fs::{Mode, OFlags, openat};
use rustix::process::{Signal, getpid, kill_process};

use super::archives::{Tar, gzip, image, layer};

const DIR: &str = "HATCHWAY_TEST_CRASH_DIR";
const AT: &str = "HATCHWAY_TEST_CRASH_AT";
const FILES: usize = 30;

/// Kills its own process when the step has been passed so many times.
#[derive(Debug)]
struct Killer {
    at: Option<Step>,
    left: AtomicUsize,
}

impl Steps for Killer {
    fn passed(&self, step: Step) {
        if Some(step) == self.at && self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            kill_process(getpid(), Signal::KILL).unwrap();
        }
    }
}

/// Every file holds the name of the version, so that a mixture shows.
fn archive(text: &str) -> Vec<u8> {
    let mut archive = Tar::default();
    for number in 0..FILES {
        archive = archive.file(&format!("d{}/f{number}", number % 5), text);
    }
    gzip(&archive.end())
}

fn key(version: &str) -> VersionKey {
    VersionKey::Release(version.parse().unwrap())
}

/// What a run does: bring up a version, switch to it, replace what is active, change the weight, collect.
async fn live(depot: &Depot, round: usize) {
    let version = format!("1.{round}.0");
    let next = key(&version);
    if !matches!(depot.verify("a", &next).await.unwrap(), Verdict::Verified(_)) {
        depot
            .unpack("a", &next, &image(&version), [layer(&archive(&version))])
            .await
            .unwrap();
    }
    depot.switch("a", 900, &next).await.unwrap();
    let renewed = format!("{version}-renewed");
    depot
        .unpack("a", &next, &image(&renewed), [layer(&archive(&renewed))])
        .await
        .unwrap();
    depot
        .switch("a", 10 + u32::try_from(round % 2).unwrap(), &next)
        .await
        .unwrap();
    depot.collect("a", &[]).await.unwrap();
}

/// Runs in a process of its own, started by the tests below; by itself it has nothing to do.
#[tokio::test]
async fn acts_until_it_is_killed() {
    let (Ok(dir), Ok(at)) = (std::env::var(DIR), std::env::var(AT)) else {
        return;
    };
    let (step, count) = at.split_once(':').unwrap();
    let at = Step::ALL.into_iter().find(|known| format!("{known:?}") == step);
    let killer = Killer {
        at,
        left: AtomicUsize::new(count.parse().unwrap()),
    };
    let depot = Depot::open_with(Path::new(&dir), Limits::default(), Arc::new(killer)).unwrap();
    for round in 0.. {
        live(&depot, round).await;
        if at.is_some() && round > 4 {
            return;
        }
    }
}

fn start(dir: &Path, at: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["depot::crash::acts_until_it_is_killed", "--exact", "--nocapture"])
        .env(DIR, dir)
        .env(AT, at)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Reads the module through its link, over and over. The folder is held open, so a version that is collected or exchanged
/// while it is being read shows as missing files; then the link must lead elsewhere by now.
fn look(dir: &Path, stop: &AtomicBool) -> usize {
    let mut looks = 0;
    while !stop.load(Ordering::Relaxed) {
        if let Some(module) = active(dir) {
            let mut texts: Vec<String> = Vec::new();
            for number in 0..FILES {
                texts.extend(read(&module, &format!("d{}/f{number}", number % 5)));
            }
            texts.dedup();
            let whole =
                texts.len() == 1 && (0..FILES).all(|n| read(&module, &format!("d{}/f{n}", n % 5)).is_some());
            if !whole {
                let now = active(dir).unwrap();
                let same =
                    rustix::fs::fstat(&now).unwrap().st_ino == rustix::fs::fstat(&module).unwrap().st_ino;
                assert!(!same, "the link leads to a module in pieces: {texts:?}");
            }
            looks += 1;
        }
    }
    looks
}

/// The folder that the link leads to. Once there has been a link there always is one that leads somewhere.
fn active(dir: &Path) -> Option<OwnedFd> {
    loop {
        let mut seen = false;
        for entry in std::fs::read_dir(dir.join("modules")).ok()? {
            let entry = entry.ok()?;
            if entry.file_name().to_str().unwrap().starts_with('.') {
                continue;
            }
            seen = true;
            // A link of the former weight may go between the listing and the opening.
            match std::fs::File::open(entry.path()) {
                Ok(file) => return Some(file.into()),
                Err(_) => assert!(
                    std::fs::read_link(entry.path()).is_err(),
                    "the link leads nowhere"
                ),
            }
        }
        if !seen {
            return None;
        }
    }
}

fn read(module: impl AsFd, path: &str) -> Option<String> {
    let file = openat(module, path, OFlags::RDONLY, Mode::empty()).ok()?;
    std::io::read_to_string(std::fs::File::from(file))
        .ok()
        .filter(|text| !text.is_empty())
}

/// After a restart everything has converged: the link leads to a version that verifies, and nothing is left over.
async fn check(dir: &Path, at: &str) {
    let depot = Depot::open(dir, Limits::default()).unwrap();
    if let Some(active) = depot.active("a").unwrap() {
        let verdict = depot.verify("a", &active.key).await.unwrap();
        assert!(matches!(verdict, Verdict::Verified(_)), "{at}: {verdict:?}");
    }
    for folder in ["a", "modules"] {
        for entry in std::fs::read_dir(dir.join(folder)).into_iter().flatten() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(
                !name.starts_with(".new-") && !name.starts_with(".old-"),
                "{at}: {folder}/{name} is left"
            );
        }
    }
    for key in depot.versions("a").unwrap() {
        let verdict = depot.verify("a", &key).await.unwrap();
        assert!(matches!(verdict, Verdict::Verified(_)), "{at}: {key} {verdict:?}");
    }
    assert!(
        std::fs::read_dir(dir.join("modules")).unwrap().count() <= 1,
        "{at}"
    );
}

/// In memory where there is such a place: a killed process leaves the kernel's view of files as it was, whatever they are
/// kept on, and many rounds need no disk. Power cuts are another test's.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_step_leaves_one_complete_module() {
    let dir = scratch();
    let stop = Arc::new(AtomicBool::new(false));
    let reader = {
        let (dir, stop) = (dir.path().to_owned(), Arc::clone(&stop));
        std::thread::spawn(move || look(&dir, &stop))
    };
    let mut killed = 0;
    for step in Step::ALL {
        for count in [1, 2, 3, 40] {
            let at = format!("{step:?}:{count}");
            let status = start(dir.path(), &at).wait().unwrap();
            killed += usize::from(status.signal() == Some(9));
            assert!(status.success() || status.signal() == Some(9), "{at}: {status}");
            check(dir.path(), &at).await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    let looks = reader.join().unwrap();
    assert!(killed >= 35, "{killed} rounds ended with a kill");
    assert!(looks > 100, "{looks} looks");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_time_leaves_one_complete_module() {
    let dir = scratch();
    let stop = Arc::new(AtomicBool::new(false));
    let reader = {
        let (dir, stop) = (dir.path().to_owned(), Arc::clone(&stop));
        std::thread::spawn(move || look(&dir, &stop))
    };
    for round in 0..40_u64 {
        let mut child = start(dir.path(), "Never:0");
        // Any time will do; the spread takes in the start, the sweep and several versions.
        tokio::time::sleep(Duration::from_millis(5 + round * 7 % 120)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        check(dir.path(), &format!("round {round}")).await;
    }
    stop.store(true, Ordering::Relaxed);
    reader.join().unwrap();
}

#[tokio::test]
async fn what_verifies_after_a_crash_is_not_pulled_again() {
    let dir = scratch();
    // Killed after the name was durable: the version is there, only the switch is missing.
    assert_eq!(
        start(dir.path(), "NameDurable:1").wait().unwrap().signal(),
        Some(9)
    );
    let depot = Depot::open(dir.path(), Limits::default()).unwrap();
    assert_eq!(depot.active("a").unwrap(), None);
    let verdict = depot.verify("a", &key("1.0.0")).await.unwrap();
    assert!(matches!(verdict, Verdict::Verified(found) if found.digest == image("1.0.0").digest));
    assert!(depot.switch("a", 900, &key("1.0.0")).await.unwrap());
}

#[tokio::test]
async fn a_tight_umask_changes_no_mode() {
    let dir = scratch();
    let status = Command::new("sh")
        .args(["-c", "umask 077; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["depot::crash::acts_until_it_is_killed", "--exact"])
        .env(DIR, dir.path())
        .env(AT, "Swept:1000000")
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    // The list holds the archive's modes, so a folder with others would not verify.
    check(dir.path(), "umask 077").await;
    let depot = Depot::open(dir.path(), Limits::default()).unwrap();
    let file = depot.active("a").unwrap().unwrap().link.join("d0/f0");
    assert_eq!(
        std::fs::metadata(file).unwrap().permissions().mode() & 0o7777,
        0o644
    );
}
