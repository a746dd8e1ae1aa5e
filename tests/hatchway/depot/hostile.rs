//! Hostile archives: each refused by name, with nothing written outside and nothing left inside.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hatchway::archive::{Layer, Limits, ReadError, check_archive, list_entries};
use hatchway::depot::{Depot, UnpackError, VersionKey};
use tar::EntryType;

use super::archives::{Tar, chain, gzip, header, image, layer, lines, zstd};
use super::hostile_cases::cases;

#[tokio::test]
async fn hostile_archives_are_refused_by_name_and_nothing_stays() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("witness"), "untouched").unwrap();
    let depot = Depot::open(&outside.path().join("depot"), Limits::default()).unwrap();
    let key = VersionKey::Release("1.0.0".parse().unwrap());
    depot
        .unpack(
            "a",
            &key,
            &image("good"),
            [layer(&Tar::default().file("ok", "old").end())],
        )
        .await
        .unwrap();
    let before = lines(outside.path());
    for case in cases() {
        let layers: Vec<_> = case.layers.iter().map(|bytes| layer(bytes)).collect();
        let error = depot
            .unpack("a", &key, &image("v1"), layers)
            .await
            .expect_err(case.name);
        let said = chain(&error);
        assert!(
            matches!(error, UnpackError::Read(ReadError::Refused { .. })),
            "{}: {said}",
            case.name
        );
        let start = "refused image registry.example.com/modules/a:v1: ";
        assert!(
            said.starts_with(start) && said.contains(case.said),
            "{}: {said}",
            case.name
        );
        assert_eq!(lines(outside.path()), before, "{}", case.name);
    }
}

#[tokio::test]
async fn looking_refuses_what_unpacking_refuses_but_for_what_only_a_disk_tells() {
    let mut let_pass = Vec::new();
    for case in cases() {
        let layers: Vec<_> = case.layers.iter().map(|bytes| layer(bytes)).collect();
        match list_entries(Limits::default(), &image("v1"), layers).await {
            Err(error) => {
                let said = chain(&error);
                assert!(said.contains(case.said), "{}: {said}", case.name);
            }
            Ok(_) => let_pass.push((case.name, case.said)),
        }
    }
    // Links over links, which the system follows when all is on disk.
    assert!(
        let_pass.iter().all(|(_, said)| said.contains("it is a link to")),
        "{let_pass:?}"
    );
    assert!(let_pass.len() < 10, "{let_pass:?}");
}

#[tokio::test]
async fn compressed_hostile_archives_are_refused_alike() {
    let dir = tempfile::tempdir().unwrap();
    let depot = Depot::open(dir.path(), Limits::default()).unwrap();
    let key = VersionKey::Release("1.0.0".parse().unwrap());
    for pack in [gzip, zstd] {
        let bytes = pack(&Tar::default().file("ok", "").file("../evil", "x").end());
        let error = depot
            .unpack("a", &key, &image("v1"), [layer(&bytes)])
            .await
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains(r#"entry "../evil": its path leads out of the image"#),
            "{error}"
        );
    }
}

#[tokio::test]
async fn more_entries_than_the_limit_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let depot = Depot::open(
        dir.path(),
        Limits {
            entries: 5_000,
            ..Limits::default()
        },
    )
    .unwrap();
    let key = VersionKey::Release("1.0.0".parse().unwrap());
    let mut archive = Tar::default();
    for number in 0..5_001 {
        archive = archive.file(&format!("f{number}"), "");
    }
    let error = depot
        .unpack("a", &key, &image("v1"), [layer(&gzip(&archive.end()))])
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains(r#"entry "f5000": comes after 5000 entries"#),
        "{error}"
    );
    // Without a disk in between the documented limit is quick to reach; whiteouts count.
    let mut whiteouts = Tar::default();
    for number in 0..100_100 {
        whiteouts.0.extend_from_slice(
            header(EntryType::Regular, format!(".wh.{number}").as_bytes(), b"", 0, 0).as_bytes(),
        );
    }
    let said = check_archive(&whiteouts.end(), Limits::default()).unwrap_err();
    assert!(
        said.contains(r#"entry ".wh.100000": comes after 100000 entries"#),
        "{said}"
    );
}

#[tokio::test]
async fn of_a_million_entries_none_stays() {
    const ENTRIES: u64 = 1_000_000;
    // In memory where there is such a place: 100,000 files are written before the limit speaks.
    let dir = tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap();
    let depot = Depot::open(dir.path(), Limits::default()).unwrap();
    let key = VersionKey::Release("1.0.0".parse().unwrap());
    let good = layer(&Tar::default().file("ok", "old").end());
    depot.unpack("a", &key, &image("good"), [good]).await.unwrap();
    let before = lines(dir.path());
    let made = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&made);
    // Made as they are read, ten folders of empty files at a time.
    let stream = futures_util::stream::iter((0..ENTRIES).step_by(1_000).map(move |first| {
        counted.fetch_add(1_000, Ordering::Relaxed);
        let mut piece = Vec::with_capacity(512 * 1_000);
        for number in first..first + 1_000 {
            let name = format!("{}/{number}", number / 100);
            piece.extend_from_slice(header(EntryType::Regular, name.as_bytes(), b"", 0o644, 0).as_bytes());
        }
        Ok::<_, std::io::Error>(bytes::Bytes::from(piece))
    }));
    let layer = Layer {
        media_type: "application/vnd.oci.image.layer.v1.tar".to_owned(),
        digest: image("never read to its end").digest,
        size: 512 * (ENTRIES + 2),
        stream,
    };
    let error = depot.unpack("a", &key, &image("v1"), [layer]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "refused image registry.example.com/modules/a:v1: entry \"1000/100000\": comes after 100000 entries, the limit of \
         an image"
    );
    assert!(
        made.load(Ordering::Relaxed) < ENTRIES / 5,
        "the rest was not even read"
    );
    assert_eq!(lines(dir.path()), before);
}

#[tokio::test]
async fn limits_count_all_layers_together() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits {
        unpacked: 10_000,
        entries: 3,
        ..Limits::default()
    };
    let depot = Depot::open(dir.path(), limits).unwrap();
    let key = VersionKey::Release("1.0.0".parse().unwrap());
    let big = |name: &str| Tar::default().file(name, vec![7; 6_000]).end();
    let error = depot
        .unpack("a", &key, &image("v1"), [layer(&big("a")), layer(&big("b"))])
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains(r#"entry "b": it has 6000 bytes, with which"#),
        "{error}"
    );
    let small = |name: &str| Tar::default().dir(name).file(&format!("{name}/f"), "").end();
    let error = depot
        .unpack("a", &key, &image("v1"), [layer(&small("a")), layer(&small("b"))])
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains(r#"entry "b/f": comes after 3 entries"#),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_no_layer_of_files_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let depot = Depot::open(dir.path(), Limits::default()).unwrap();
    let key = VersionKey::Release("1.0.0".parse().unwrap());
    let mut chart = layer(&Tar::default().file("a", "").end());
    chart.media_type = "application/vnd.cncf.helm.chart.content.v1.tar+gzip".to_owned();
    let digest = chart.digest.clone();
    let error = depot.unpack("a", &key, &image("v1"), [chart]).await.unwrap_err();
    assert!(
        error.to_string().contains(&format!(
            "layer {digest}: it is of the type \"application/vnd.cncf"
        )),
        "{error}"
    );
}
