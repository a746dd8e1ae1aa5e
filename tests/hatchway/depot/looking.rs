//! Looking into images without unpacking them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use hatchway::depot::{Layer, Limits, ListedKind, extract_files, list_entries};

use super::archives::{Tar, digest, gzip, image, layer};

async fn extract(layers: &[Tar], names: &[&str]) -> Vec<(String, String)> {
    let layers = layers.iter().map(|archive| layer(&gzip(&archive.clone().end())));
    let found = extract_files(
        Limits::default(),
        1_000,
        &image("v1"),
        layers.collect::<Vec<_>>(),
        names,
    )
    .await
    .unwrap();
    found
        .into_iter()
        .map(|(name, content)| (name, String::from_utf8(content).unwrap()))
        .collect()
}

#[tokio::test]
async fn lists_what_unpacking_would_make() {
    let base = Tar::default().file("d/a", "12").file("gone", "").link("l", "d");
    let upper = Tar::default()
        .file(".wh.gone", "")
        .file("b", "123")
        .hard_link("h", "b");
    let layers = [layer(&base.end()), layer(&gzip(&upper.end()))];
    let listed = list_entries(Limits::default(), &image("v1"), layers)
        .await
        .unwrap();
    let listed: Vec<_> = listed.into_iter().map(|entry| (entry.path, entry.kind)).collect();
    let file = |size| ListedKind::File { size, mode: 0o644 };
    assert_eq!(
        listed,
        [
            ("b".to_owned(), file(3)),
            ("d".to_owned(), ListedKind::Dir),
            ("d/a".to_owned(), file(2)),
            ("h".to_owned(), file(3)),
            (
                "l".to_owned(),
                ListedKind::Link {
                    target: "d".to_owned()
                }
            ),
        ]
    );
    let bad = layer(&Tar::default().file("../x", "").end());
    let error = list_entries(Limits::default(), &image("v1"), [bad])
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains(r#"entry "../x": its path leads out"#),
        "{error}"
    );
}

#[tokio::test]
async fn the_topmost_file_wins() {
    let base = Tar::default()
        .file("version.json", "old")
        .file("module.yaml", "m");
    let upper = Tar::default().file("./version.json", "new");
    assert_eq!(
        extract(&[base, upper], &["version.json", "module.yaml", "changelog.yaml"]).await,
        [
            ("module.yaml".to_owned(), "m".to_owned()),
            ("version.json".to_owned(), "new".to_owned())
        ]
    );
}

#[tokio::test]
async fn what_an_upper_layer_removed_is_not_found() {
    let base = || Tar::default().file("d/f", "old").file("top", "kept");
    for upper in [
        Tar::default().file("d/.wh.f", ""),
        Tar::default().file(".wh.d", ""),
        Tar::default().file("d/.wh..wh..opq", ""),
        Tar::default().file("d", "now a file"),
        Tar::default().link("d", "elsewhere"),
        Tar::default().dir("d/f"),
    ] {
        assert_eq!(
            extract(&[base(), upper], &["d/f", "top"]).await,
            [("top".to_owned(), "kept".to_owned())]
        );
    }
    let opaque = Tar::default().file("d/f", "new").file(".wh..wh..opq", "");
    assert_eq!(
        extract(&[base(), opaque], &["d/f", "top"]).await,
        [("d/f".to_owned(), "new".to_owned())]
    );
}

#[tokio::test]
async fn large_files_and_links_are_refused_by_name() {
    for (archive, why) in [
        (
            Tar::default().file("f", vec![b'x'; 1_001]),
            r#"entry "f": it has 1001 bytes, and at most 1000 are read"#,
        ),
        (
            Tar::default().link("f", "g"),
            r#"entry "f": it is a link, which is followed only when"#,
        ),
        (
            Tar::default().file("f", "").file("f", ""),
            r#"entry "f": it stands twice in its layer"#,
        ),
    ] {
        let layers = [layer(&archive.end())];
        let error = extract_files(Limits::default(), 1_000, &image("v1"), layers, &["f"])
            .await
            .unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
}

/// A layer that counts how often it was asked for bytes.
fn counted(
    bytes: &[u8],
    polls: &Arc<AtomicUsize>,
) -> Layer<impl Stream<Item = io::Result<Bytes>> + Send + Unpin + use<>> {
    let polls = Arc::clone(polls);
    let stream = futures_util::stream::iter([Ok(Bytes::copy_from_slice(bytes))]).inspect(move |_| {
        polls.fetch_add(1, Ordering::SeqCst);
    });
    Layer {
        media_type: "application/vnd.docker.image.rootfs.diff.tar.gzip".to_owned(),
        digest: digest(bytes),
        size: bytes.len() as u64,
        stream,
    }
}

#[tokio::test]
async fn layers_that_have_no_say_are_not_downloaded() {
    let polls = Arc::new(AtomicUsize::new(0));
    let base = counted(&gzip(&Tar::default().file("big", vec![0; 100_000]).end()), &polls);
    let upper = counted(
        &gzip(&Tar::default().file("version.json", "{}").end()),
        &Arc::default(),
    );
    let found = extract_files(
        Limits::default(),
        1_000,
        &image("v1"),
        [base, upper],
        &["version.json"],
    )
    .await
    .unwrap();
    assert_eq!(found["version.json"], b"{}");
    assert_eq!(polls.load(Ordering::SeqCst), 0);
}
