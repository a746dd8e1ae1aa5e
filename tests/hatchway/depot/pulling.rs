//! An image into a folder of the user's choice.

use std::os::unix::fs::MetadataExt;

use hatchway::archive::Limits;
use hatchway::depot::{Fill, StoreError, UnpackError, unpack_into};

use super::archives::{Tar, contents, gzip, image, layer, lines, zstd};

fn good() -> Vec<u8> {
    Tar::default().file("f", "new").dir("d").end()
}

async fn pull(target: &std::path::Path, fill: Fill, bytes: &[u8]) -> Result<(), UnpackError> {
    unpack_into(target, fill, Limits::default(), &image("v1"), [layer(bytes)])
        .await
        .map(drop)
}

#[tokio::test]
async fn a_missing_and_an_empty_folder_are_filled() {
    let dir = tempfile::tempdir().unwrap();
    pull(&dir.path().join("missing"), Fill::Empty, &good())
        .await
        .unwrap();
    std::fs::create_dir(dir.path().join("empty")).unwrap();
    pull(&dir.path().join("empty/"), Fill::Empty, &good())
        .await
        .unwrap();
    assert_eq!(
        lines(dir.path()),
        [
            "empty 755 /",
            "empty/d 755 /",
            "empty/f 644 new",
            "missing 755 /",
            "missing/d 755 /",
            "missing/f 644 new"
        ]
    );
}

#[tokio::test]
async fn a_folder_with_something_in_it_is_refused_untouched() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("full");
    std::fs::create_dir(&target).unwrap();
    std::fs::write(target.join(".hidden"), "mine").unwrap();
    let inode = std::fs::metadata(&target).unwrap().ino();
    let error = pull(&target, Fill::Empty, &good()).await.unwrap_err();
    assert!(
        matches!(error, UnpackError::Store(StoreError::NotEmpty { .. })),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .ends_with("is not empty: choose another folder, or replace it"),
        "{error}"
    );
    assert_eq!(lines(dir.path()), ["full 755 /", "full/.hidden 644 mine"]);
    assert_eq!(std::fs::metadata(&target).unwrap().ino(), inode);
}

#[tokio::test]
async fn replace_switches_and_a_refused_image_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("t");
    std::fs::create_dir(&target).unwrap();
    std::fs::write(target.join("old"), "old").unwrap();
    let bad = Tar::default().file("f", "x").file("../evil", "x").end();
    let error = pull(&target, Fill::Replace, &bad).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"refused image registry.example.com/modules/a:v1: entry "../evil": its path leads out of the image"#
    );
    assert_eq!(lines(dir.path()), ["t 755 /", "t/old 644 old"]);
    pull(&target, Fill::Replace, &good()).await.unwrap();
    assert_eq!(lines(dir.path()), ["t 755 /", "t/d 755 /", "t/f 644 new"]);
}

#[tokio::test]
async fn the_next_pull_sweeps_what_a_killed_one_left() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join(".t.hatchway-1-0/half")).unwrap();
    std::fs::create_dir_all(dir.path().join(".other.hatchway-1-0")).unwrap();
    // Somebody else's pull that is still running holds its folder.
    std::fs::create_dir_all(dir.path().join(".t.hatchway-1-1")).unwrap();
    let living = std::fs::File::open(dir.path().join(".t.hatchway-1-1")).unwrap();
    rustix::fs::flock(&living, rustix::fs::FlockOperation::LockExclusive).unwrap();
    pull(&dir.path().join("t"), Fill::Empty, &good()).await.unwrap();
    let names: Vec<String> = contents(dir.path()).into_keys().collect();
    assert_eq!(
        names,
        [".other.hatchway-1-0", ".t.hatchway-1-1", "t", "t/d", "t/f"]
    );
}

#[tokio::test]
async fn a_link_to_a_folder_means_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("real")).unwrap();
    std::os::unix::fs::symlink("real", dir.path().join("link")).unwrap();
    pull(&dir.path().join("link"), Fill::Replace, &good())
        .await
        .unwrap();
    assert_eq!(
        lines(dir.path()),
        ["link -> real", "real 755 /", "real/d 755 /", "real/f 644 new"]
    );
}

#[tokio::test]
async fn a_place_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = pull(&dir.path().join("no/such"), Fill::Empty, &good())
        .await
        .unwrap_err();
    assert!(error.to_string().starts_with("cannot use \""), "{error}");
    std::fs::write(dir.path().join("file"), "").unwrap();
    assert!(
        pull(&dir.path().join("file"), Fill::Empty, &good())
            .await
            .is_err()
    );
    assert_eq!(lines(dir.path()), ["file 644 "]);
}

/// What hardly compresses, so that the layer is a large one, which is decompressed on a thread of its own.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u64;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_le_bytes()[7]
    };
    (0..length).map(next).collect()
}

#[tokio::test]
async fn a_large_layer_is_unpacked_like_a_small_one() {
    let content = noise(5_000_000);
    let plain = Tar::default().file("f", &content).file("g", "after it").end();
    for bytes in [gzip(&plain), zstd(&plain), plain.clone()] {
        assert!(bytes.len() > 2_000_000);
        let dir = tempfile::tempdir().unwrap();
        pull(&dir.path().join("t"), Fill::Empty, &bytes).await.unwrap();
        assert!(std::fs::read(dir.path().join("t/f")).unwrap() == content);
        assert_eq!(std::fs::read(dir.path().join("t/g")).unwrap(), b"after it");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_large_layer_is_told_and_nothing_stays() {
    let content = noise(5_000_000);
    let hostile = Tar::default().file("f", &content).file("../g", "x").end();
    let good = gzip(&Tar::default().file("f", &content).end());
    let mut damaged = good.clone();
    damaged[2_500_000..2_500_100].fill(0);
    for (bytes, said) in [
        (gzip(&hostile), "entry \"../g\": its path leads out of the image"),
        (zstd(&hostile), "entry \"../g\": its path leads out of the image"),
        (damaged, "entry \"f\": cannot be decompressed: "),
        (good[..2_500_000].to_vec(), "entry \"f\": "),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let error = pull(&dir.path().join("t"), Fill::Empty, &bytes)
            .await
            .unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        assert!(lines(dir.path()).is_empty());
    }
    // The stream ends too early: what was there until then is no reason to refuse the image.
    let mut short = layer(&good);
    short.size += 1;
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("t");
    let error = unpack_into(&target, Fill::Empty, Limits::default(), &image("v1"), [short])
        .await
        .unwrap_err();
    assert!(error.to_string().contains("its manifest says"), "{error}");
    assert!(lines(dir.path()).is_empty());
}
