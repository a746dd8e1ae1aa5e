//! Whatever the bytes: no panic, no escape, and a listing that is what unpacking makes.

use std::collections::BTreeSet;

use hatchway::archive::{Limits, check_archive, list_entries};
use hatchway::depot::{Depot, Fill, Verdict, VersionKey, unpack_into};
use proptest::prelude::*;

use super::archives::{Tar, contents, gzip, image, layer, zstd};

#[derive(Debug, Clone)]
enum Op {
    File(String, u8),
    Dir(String),
    Link(String, String),
    HardLink(String, String),
    Whiteout(String),
    Opaque(String),
}

/// Few names, so that entries meet.
fn path() -> impl Strategy<Value = String> {
    let part = prop_oneof![8 => "[abc]", 1 => Just("..".to_owned()), 1 => Just(".".to_owned())];
    prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("/"))
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (path(), any::<u8>()).prop_map(|(path, byte)| Op::File(path, byte)),
        2 => path().prop_map(Op::Dir),
        2 => (path(), path()).prop_map(|(path, target)| Op::Link(path, target)),
        1 => (path(), path()).prop_map(|(path, target)| Op::HardLink(path, target)),
        1 => path().prop_map(Op::Whiteout),
        1 => path().prop_map(Op::Opaque),
    ]
}

fn archive(ops: &[Op]) -> Vec<u8> {
    let split = |path: &str| {
        path.rsplit_once('/')
            .map_or((String::new(), path.to_owned()), |(folder, name)| {
                (format!("{folder}/"), name.to_owned())
            })
    };
    let mut archive = Tar::default();
    for op in ops {
        archive = match op {
            Op::File(path, byte) => archive.file(path, vec![*byte; usize::from(byte % 4)]),
            Op::Dir(path) => archive.dir(path),
            Op::Link(path, target) => archive.link(path, target),
            Op::HardLink(path, target) => archive.hard_link(path, target),
            Op::Whiteout(path) => {
                let (folder, name) = split(path);
                archive.file(&format!("{folder}.wh.{name}"), "")
            }
            Op::Opaque(path) => archive.file(&format!("{path}/.wh..wh..opq"), ""),
        };
    }
    archive.end()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..4_096)) {
        let _ = check_archive(&bytes, Limits::default());
    }

    #[test]
    fn any_damage_is_read_or_refused(
        ops in prop::collection::vec(op(), 0..8),
        packed in 0..3_u8,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let plain = archive(&ops);
        let mut bytes = match packed { 0 => plain, 1 => gzip(&plain), _ => zstd(&plain) };
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = check_archive(&bytes, Limits::default());
        bytes.truncate(cut.index(bytes.len()));
        let _ = check_archive(&bytes, Limits::default());
    }

    #[test]
    fn what_is_listed_is_what_is_unpacked_and_nothing_is_outside(
        layers in prop::collection::vec(prop::collection::vec(op(), 0..6), 1..5),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let key = VersionKey::Release("1.0.0".parse().unwrap());
        let outside = tempfile::tempdir().unwrap();
        let target = outside.path().join("t");
        let layers: Vec<Vec<u8>> = layers.iter().map(|ops| archive(ops)).collect();
        let read = || layers.iter().map(|bytes| layer(bytes)).collect::<Vec<_>>();
        let listed = runtime.block_on(list_entries(Limits::default(), &image("v1"), read()));
        let unpacked = runtime.block_on(unpack_into(&target, Fill::Empty, Limits::default(), &image("v1"), read()));
        match (listed, unpacked) {
            (Ok(listed), Ok(unpacked)) => {
                let found: BTreeSet<String> = contents(&target).into_keys().collect();
                let listed: BTreeSet<String> = listed.into_iter().map(|entry| entry.path).collect();
                prop_assert_eq!(&found, &listed);
                prop_assert_eq!(unpacked.entries, listed.len());
                // The list of the store has every mode, size and digest as they came.
                let store = tempfile::tempdir().unwrap();
                let verdict = runtime.block_on(async {
                    let depot = Depot::open(store.path(), Limits::default()).unwrap();
                    depot.unpack("m", &key, &image("v1"), read()).await.unwrap();
                    depot.verify("m", &key).await.unwrap()
                });
                prop_assert!(matches!(verdict, Verdict::Verified(_)), "{verdict:?}");
            }
            (_, Err(error)) => {
                prop_assert!(error.to_string().starts_with("refused image "), "{error}");
                prop_assert!(contents(outside.path()).is_empty());
            }
            (Err(error), Ok(_)) => prop_assert!(false, "listing refused what unpacking took: {error}"),
        }
    }
}

#[tokio::test]
async fn what_was_unpacked_verifies_whatever_the_umask_and_the_layers_are() {
    let dir = tempfile::tempdir().unwrap();
    let depot = Depot::open(dir.path(), Limits::default()).unwrap();
    let key = VersionKey::Release("1.0.0".parse().unwrap());
    let base = archive(&[
        Op::File("a/b".into(), 1),
        Op::Dir("c".into()),
        Op::Link("l".into(), "a/b".into()),
    ]);
    let upper = archive(&[
        Op::Whiteout("c".into()),
        Op::HardLink("h".into(), "a/b".into()),
        Op::File("a/b".into(), 2),
    ]);
    depot
        .unpack("a", &key, &image("v1"), [layer(&base), layer(&upper)])
        .await
        .unwrap();
    let verdict = depot.verify("a", &key).await.unwrap();
    assert!(matches!(verdict, Verdict::Verified(_)), "{verdict:?}");
}
