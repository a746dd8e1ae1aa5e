//! Pulls onto disks that are full, shut, or left in the middle: the old folder stays, or the new one is complete.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::{Ran, hidden, module, publish, registry, run, says, start, tree};
use crate::support::mounted::Mounted;
use crate::support::registry::{BOTH, Registry};

/// A registry with a module of two megabytes, one file behind the other.
fn with_a_large_module() -> (Registry, String) {
    let server = Registry::open(BOTH[0]);
    let module = module();
    for name in ["large", "larger"] {
        let size = 1 << (if name == "large" { 19 } else { 21 });
        std::fs::write(module.path().join("templates").join(name), vec![b'x'; size]).unwrap();
    }
    let repo = format!("{}/modules", server.host());
    publish(module.path(), &repo);
    (server, format!("{repo}/echo:v1.0.0"))
}

fn make_old(dir: &Path) -> String {
    let target = dir.join("echo");
    std::fs::create_dir(&target).unwrap();
    std::fs::write(target.join("old"), "as it was").unwrap();
    target.to_str().unwrap().to_owned()
}

#[track_caller]
fn nothing_changed(ran: &Ran, target: &str, said: &str) {
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{}", ran.stderr);
    assert!(
        ran.stderr.starts_with("error: ") && ran.stderr.ends_with(said),
        "{}",
        ran.stderr
    );
    let target = Path::new(target);
    assert_eq!(tree(target), ["old 644 as it was"]);
    assert_eq!(hidden(target.parent().unwrap()), [""; 0]);
}

#[test]
fn a_full_disk_is_told_and_the_old_folder_stays() {
    let Some(disk) = Mounted::new("size=1m") else {
        eprintln!("not run: this process may not mount");
        return;
    };
    let (_server, image) = with_a_large_module();
    let target = make_old(disk.path());
    let ran = registry(&["pull", &image, &target, "--replace"]);
    let said = "error: cannot write \"templates/larger\": No space left on device (os error 28)\n";
    nothing_changed(&ran, &target, said);
}

#[test]
fn a_read_only_disk_is_told_and_the_old_folder_stays() {
    let Some(disk) = Mounted::new("size=10m") else {
        eprintln!("not run: this process may not mount");
        return;
    };
    let (_server, image) = with_a_large_module();
    let target = make_old(disk.path());
    disk.remount("ro");
    let ran = registry(&["pull", &image, &target, "--replace"]);
    assert!(
        ran.stderr.contains(disk.path().to_str().unwrap()),
        "{}",
        ran.stderr
    );
    nothing_changed(&ran, &target, "Read-only file system (os error 30)\n");
}

#[test]
fn a_file_that_may_not_grow_is_told_and_the_old_folder_stays() {
    let (_server, image) = with_a_large_module();
    let dir = tempfile::tempdir().unwrap();
    let target = make_old(dir.path());
    // 2,048 blocks of 512 bytes; the signal for it is ignored, so that the write itself fails.
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$0\" \"$@\""])
        .arg(env!("CARGO_BIN_EXE_hatchway"))
        .args(["registry", "pull", &image, &target, "--replace"])
        .env_clear()
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let ran = run(command, b"");
    let said = "error: cannot write \"templates/larger\": File too large (os error 27)\n";
    nothing_changed(&ran, &target, said);
}

#[test]
fn a_pull_that_is_killed_at_any_time_leaves_the_old_or_the_new_folder() {
    let server = Registry::open(BOTH[0]);
    let repo = format!("{}/modules", server.host());
    let module = module();
    let mut trees = Vec::new();
    for version in ["v1.0.0", "v1.1.0"] {
        for number in 0..40 {
            std::fs::write(module.path().join(format!("templates/{number}.yaml")), version).unwrap();
        }
        let dir = module.path().to_str().unwrap();
        says(&["publish", dir, "--repo", &repo, "--version", version]);
        trees.push(tree(module.path()));
    }
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("echo");
    let image = |minor: usize| format!("{repo}/echo:v1.{minor}.0");
    let began = Instant::now();
    says(&["pull", &image(0), target.to_str().unwrap()]);
    let whole = began.elapsed();

    let stop = AtomicBool::new(false);
    let mut replaced = 0;
    std::thread::scope(|all| {
        // Whoever looks finds a module there, at every instant.
        let reader = all.spawn(|| {
            let mut looks = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                std::fs::File::open(target.join("module.yaml")).expect("a module, old or new");
                looks += 1;
            }
            looks
        });
        for round in 0..300 {
            // On a machine that has become slower since, later: some round has to come to its end.
            if round >= 30 && replaced > 0 {
                break;
            }
            let before = tree(&target);
            let image = image(usize::from(before == trees[0]));
            let mut child = start(&[
                "pull".as_ref(),
                image.as_ref(),
                target.as_os_str(),
                "--replace".as_ref(),
            ]);
            // Any time will do; the spread takes in the start, the unpacking, the exchange and the end.
            std::thread::sleep(whole * round / 25);
            child.kill().unwrap();
            child.wait().unwrap();
            let now = tree(&target);
            assert!(trees.contains(&now), "round {round}: {now:?}");
            replaced += usize::from(now != before);
        }
        stop.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > 100);
    });
    assert!(replaced > 0, "no round came to its end");
    // The next one takes away what they left.
    says(&["pull", &image(1), target.to_str().unwrap(), "--replace"]);
    assert_eq!(tree(&target), trees[1]);
    assert_eq!(hidden(dir.path()), [""; 0]);
}
