//! An image into a folder: complete or not at all.

use std::ffi::OsStr;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{hidden, module, other, publish, registry, says, start, tree};
use crate::depot::archives::Tar;
use crate::registry::stub::{Stub, digest, manifest, ok, response, stall};
use crate::support::PATIENCE;
use crate::support::parts::crane;
use crate::support::registry::{BOTH, Registry};

/// Pushes an archive as it is, as an image of one layer.
fn push(archive: &[u8], image: &str) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("layer.tar");
    std::fs::write(&file, archive).unwrap();
    other(crane(), &["append", "-f", file.to_str().unwrap(), "-t", image]);
}

#[test]
fn what_was_published_comes_back_file_for_file() {
    for flavour in BOTH {
        let server = Registry::open(flavour);
        let repo = format!("{}/modules", server.host());
        let module = module();
        publish(module.path(), &repo);
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("echo");
        let said = says(&["pull", &format!("{repo}/echo:v1.0.0"), target.to_str().unwrap()]);
        assert!(
            said.starts_with(&format!("{repo}/echo:v1.0.0 (sha256:")),
            "{said}"
        );
        assert_eq!(tree(&target), tree(module.path()));
        assert_eq!(hidden(dir.path()), [""; 0]);
        // An empty folder is as good as none.
        let empty = tempfile::tempdir().unwrap();
        says(&[
            "pull",
            &format!("{repo}/echo:v1.0.0"),
            empty.path().to_str().unwrap(),
        ]);
        assert_eq!(tree(empty.path()), tree(module.path()));
    }
}

#[test]
fn a_folder_with_something_in_it_is_left_alone_unless_it_is_to_be_replaced() {
    let server = Registry::open(BOTH[0]);
    let repo = format!("{}/modules", server.host());
    let module = module();
    publish(module.path(), &repo);
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("echo");
    std::fs::create_dir(&target).unwrap();
    std::fs::write(target.join("mine"), "kept").unwrap();
    let command = ["pull", &format!("{repo}/echo:v1.0.0"), target.to_str().unwrap()];
    let ran = registry(&command);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert!(ran.stderr.contains("/echo\" is not empty"), "{}", ran.stderr);
    assert_eq!(tree(&target), ["mine 644 kept"]);
    says(&[&command[..], &["--replace"]].concat());
    assert_eq!(tree(&target), tree(module.path()));
    assert_eq!(hidden(dir.path()), [""; 0]);
}

#[test]
fn a_hostile_image_is_refused_by_the_name_of_its_entry() {
    let server = Registry::open(BOTH[0]);
    let image = &format!("{}/modules/echo:bad", server.host());
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("echo");
    let fine = || Tar::default().file("fine", "1");
    for (archive, said) in [
        (
            fine().file("../evil", "x"),
            r#"entry "../evil": its path leads out of the image"#,
        ),
        (
            fine().file("/etc/evil", "x"),
            r#"entry "/etc/evil": its path is absolute"#,
        ),
        (
            fine().link("a", "/etc/passwd"),
            r#"entry "a": it is a link to the absolute path "/etc/passwd""#,
        ),
        (
            fine().link("a", ".").link("b", "a/../x").link("c", "b/../.."),
            r#"entry "c": it is a link to "b/../..", which leads out of the image"#,
        ),
        (
            fine().entry(tar::EntryType::Fifo, b"pipe", b"", 0o644, b""),
            r#"entry "pipe": it is a fifo"#,
        ),
        (
            fine().entry(tar::EntryType::GNUSparse, b"hole", b"", 0o644, b""),
            r#"entry "hole": it is a sparse file"#,
        ),
        (
            fine().file("fine", "2"),
            r#"entry "fine": it stands twice in its layer"#,
        ),
    ] {
        push(&archive.end(), image);
        for flags in [&[][..], &["--replace"]] {
            let ran = registry(&[&["pull", image, target.to_str().unwrap()][..], flags].concat());
            assert_eq!(
                (ran.code, ran.stdout.as_str(), ran.stderr.as_str()),
                (1, "", format!("error: refused image {image}: {said}\n").as_str())
            );
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "{said}");
        }
    }
    // Looking into it says the same.
    let ran = registry(&[
        "files",
        "echo",
        "bad",
        "--repo",
        &format!("{}/modules", server.host()),
    ]);
    assert_eq!(ran.code, 1);
    assert_eq!(
        ran.stderr,
        format!(
            "error: fetch image error: refused image {image}: entry \"fine\": it stands twice in its layer\n"
        )
    );
}

#[test]
fn the_limits_are_flags() {
    let server = Registry::open(BOTH[0]);
    let image = &format!("{}/modules/echo:big", server.host());
    push(
        &Tar::default().file("a", vec![b'x'; 5_000]).file("b", "").end(),
        image,
    );
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("echo");
    for (flags, said) in [
        (["--max-unpacked", "4999"], r#"entry "a": it has 5000 bytes"#),
        (["--max-entries", "1"], r#"entry "b": comes after 1 entries"#),
    ] {
        let ran = registry(&[&["pull", image, target.to_str().unwrap()][..], &flags].concat());
        assert_eq!(ran.code, 1);
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
        assert!(!target.exists());
    }
    says(&[
        "pull",
        image,
        target.to_str().unwrap(),
        "--max-unpacked",
        "5000",
        "--max-entries",
        "2",
    ]);
    // From 16 MiB on it counts what became of each packed byte.
    let bomb = &format!("{}/modules/echo:bomb", server.host());
    push(&Tar::default().file("zeros", vec![0; 17 << 20]).end(), bomb);
    let pull = ["pull", bomb, target.to_str().unwrap(), "--replace"];
    let ran = registry(&pull);
    assert_eq!(ran.code, 1);
    assert_eq!(
        ran.stderr,
        format!(
            "error: refused image {bomb}: entry \"zeros\": unpacks to more than 200 times the size of what is \
             downloaded\n"
        )
    );
    says(&[&pull[..], &["--max-ratio", "2000"]].concat());
    assert_eq!(std::fs::metadata(target.join("zeros")).unwrap().len(), 17 << 20);
}

/// A registry that stops in the middle of the layer.
async fn slow() -> (Stub, Vec<u8>) {
    let layer = Tar::default().file("big", vec![b'x'; 4 << 20]).end();
    let bytes = layer.clone();
    let stub = Stub::start(move |seen| {
        if seen.path.contains("/blobs/") {
            return stall(&bytes, bytes.len() / 2);
        }
        let manifest = manifest(&bytes);
        let digest = digest(manifest.as_bytes());
        let headers = [
            ("content-type", crate::registry::stub::OCI),
            ("docker-content-digest", digest.as_str()),
        ];
        if seen.method == "HEAD" {
            response(200, &headers, "")
        } else {
            response(200, &headers, manifest)
        }
    });
    (stub.await, layer)
}

fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let began = Instant::now();
    while !check() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether a pull has begun to write beside the folder.
fn writes(dir: &Path) -> bool {
    let staging = hidden(dir)
        .into_iter()
        .find(|name| name.starts_with(".echo.hatchway-"));
    staging.is_some_and(|name| dir.join(name).join("big").exists())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_clears_what_a_pull_has_written() {
    let (stub, _) = slow().await;
    for signal in [Signal::TERM, Signal::INT] {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("echo");
        let image = format!("{}/modules/echo:v1", stub.host);
        let mut child = start(&["pull".as_ref(), image.as_ref(), target.as_os_str()]);
        eventually("the pull writes", || writes(dir.path()));
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(2));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_pull_has_left_goes_with_the_next_one() {
    let (stub, layer) = slow().await;
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("echo");
    let image = format!("{}/modules/echo:v1", stub.host);
    let pull: [&OsStr; 3] = ["pull".as_ref(), image.as_ref(), target.as_os_str()];
    let mut child = start(&pull);
    eventually("the pull writes", || writes(dir.path()));
    // Another pull beside it lives: its folder is not swept.
    let mut living = start(&pull);
    let two = || hidden(dir.path()).len() == 2;
    eventually("both pulls write", two);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(two() && !target.exists());

    let good = Stub::start({
        let manifest = manifest(&layer);
        move |seen| {
            if seen.path.contains("/blobs/") {
                ok(layer.clone())
            } else {
                response(
                    200,
                    &[("content-type", crate::registry::stub::OCI)],
                    manifest.clone(),
                )
            }
        }
    })
    .await;
    says(&[
        "pull",
        &format!("{}/modules/echo:v1", good.host),
        target.to_str().unwrap(),
    ]);
    assert_eq!(hidden(dir.path()).len(), 1, "the living one's");
    assert_eq!(std::fs::metadata(target.join("big")).unwrap().len(), 4 << 20);
    living.kill().unwrap();
    living.wait().unwrap();
}
