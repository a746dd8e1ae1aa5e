//! Power cuts: the disk as it is at each step, without what was only in memory. Ext4 in a file on a loop device; a copy of
//! the file is the disk after a cut, for what the file system has not written out is not in it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use hatchway::depot::{Depot, Limits, Step, Steps, Verdict, VersionKey};

use super::archives::{Tar, gzip, image, layer};

const FILES: usize = 20;

/// A mounted file, unmounted in the end.
struct Disk {
    mount: tempfile::TempDir,
}

impl Disk {
    fn mount(file: &Path) -> Option<Self> {
        let mount = tempfile::tempdir().unwrap();
        let done = Command::new("mount")
            .args(["-o", "loop"])
            .args([file, mount.path()])
            .output();
        done.is_ok_and(|output| output.status.success())
            .then(|| Self { mount })
    }

    fn depot(&self) -> PathBuf {
        self.mount.path().join("depot")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a process that another test is just starting may hold what this one had open for a moment.
        let _ = Command::new("umount")
            .arg("--lazy")
            .arg(self.mount.path())
            .status();
    }
}

fn make(dir: &Path) -> Option<PathBuf> {
    let file = dir.join("disk");
    std::fs::File::create(&file).unwrap().set_len(24 << 20).unwrap();
    let done = Command::new("mkfs.ext4").arg("-q").arg(&file).output();
    done.is_ok_and(|output| output.status.success()).then_some(file)
}

/// Cuts the power, in a copy, at every step.
#[derive(Debug)]
struct Cutter {
    disk: PathBuf,
    cuts: Mutex<Vec<(usize, Step, PathBuf)>>,
    act: Mutex<usize>,
}

impl Steps for Cutter {
    fn passed(&self, step: Step) {
        let mut cuts = self.cuts.lock().unwrap();
        let copy = self.disk.with_file_name(format!("cut-{}", cuts.len()));
        // One entry is as good as another.
        if step == Step::Entry && matches!(cuts.last(), Some((_, Step::Entry, _))) {
            return;
        }
        let copied = Command::new("cp")
            .arg("--sparse=always")
            .args([&self.disk, &copy])
            .status();
        assert!(copied.unwrap().success());
        cuts.push((*self.act.lock().unwrap(), step, copy));
    }
}

fn archive(text: &str) -> Vec<u8> {
    let mut archive = Tar::default();
    for number in 0..FILES {
        archive = archive.file(&format!("d{}/f{number}", number % 3), text.repeat(500));
    }
    gzip(&archive.end())
}

fn key(version: &str) -> VersionKey {
    VersionKey::Release(version.parse().unwrap())
}

/// The module's text through its link, when there is one; in pieces is an error.
fn text(depot: &Path, at: &str) -> Option<String> {
    let links: Vec<PathBuf> = std::fs::read_dir(depot.join("modules"))
        .ok()?
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.'))
        .collect();
    let mut texts: Vec<String> = Vec::new();
    for link in &links {
        for number in 0..FILES {
            let file = link.join(format!("d{}/f{number}", number % 3));
            texts.push(
                std::fs::read_to_string(&file)
                    .unwrap_or_else(|error| panic!("{at}: {}: {error}", file.display())),
            );
        }
    }
    texts.dedup();
    assert!(texts.len() <= 1, "{at}: the link leads to a module in pieces");
    texts.pop().map(|text| text[..text.len() / 500].to_owned())
}

#[tokio::test]
async fn a_power_cut_at_any_step_leaves_one_complete_module() {
    let dir = tempfile::tempdir().unwrap();
    let Some((file, disk)) = make(dir.path()).and_then(|file| Some((file.clone(), Disk::mount(&file)?)))
    else {
        eprintln!("not run: this process may not make and mount an ext4");
        return;
    };
    let cutter = Arc::new(Cutter {
        disk: file,
        cuts: Mutex::default(),
        act: Mutex::default(),
    });
    let steps: Arc<dyn Steps> = Arc::<Cutter>::clone(&cutter);
    let depot = Depot::open_with(&disk.depot(), Limits::default(), steps).unwrap();
    // First install, update, another weight, the active version exchanged, collection.
    let acts = ["one", "two", "two", "new", "new"];
    for (act, name) in acts.into_iter().enumerate() {
        *cutter.act.lock().unwrap() = act;
        match act {
            0 | 1 => {
                let next = key(&format!("1.{act}.0"));
                depot
                    .unpack("a", &next, &image(name), [layer(&archive(name))])
                    .await
                    .unwrap();
                depot.switch("a", 900, &next).await.map(drop)
            }
            2 => depot.switch("a", 20, &key("1.1.0")).await.map(drop),
            3 => {
                depot
                    .unpack("a", &key("1.1.0"), &image("new"), [layer(&archive("new"))])
                    .await
                    .unwrap();
                Ok(())
            }
            _ => depot.collect("a", &[]).await.map(drop),
        }
        .unwrap();
    }
    drop((depot, disk));
    let cuts = std::mem::take(&mut *cutter.cuts.lock().unwrap());
    assert!(cuts.len() > 30, "{} cuts", cuts.len());
    for (act, step, copy) in cuts {
        let at = format!("act {act}, {step:?}");
        let disk = Disk::mount(&copy).unwrap();
        let found = text(&disk.depot(), &at);
        let before = act.checked_sub(1).map(|act| acts[act].to_owned());
        let after = Some(acts[act].to_owned());
        assert!(found == before || found == after, "{at}: {found:?}");
        // What was told as done stays done.
        let told = match act {
            0 | 1 => step == Step::SwitchDurable,
            3 => step == Step::NameDurable,
            _ => true,
        };
        if told {
            assert_eq!(found, after, "{at}");
        }
        let depot = Depot::open(&disk.depot(), Limits::default()).unwrap();
        for version in depot.versions("a").unwrap() {
            let verdict = depot.verify("a", &version).await.unwrap();
            assert!(
                matches!(verdict, Verdict::Verified(_)),
                "{at}: {version}: {verdict:?}"
            );
        }
        drop(depot);
        drop(disk);
        std::fs::remove_file(copy).unwrap();
    }
}
