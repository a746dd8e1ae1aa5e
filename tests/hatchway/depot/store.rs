//! The store as its users see it: switch, verify, collect.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use hatchway::depot::{
    Depot, Image, Layer, Limits, Step, Steps, StoreError, UnpackError, Verdict, VersionKey,
};

use super::archives::{Blob, Tar, blob, chain, contents, gzip, image, layer};

fn release(version: &str) -> VersionKey {
    VersionKey::Release(version.parse().unwrap())
}

fn archive(text: &str) -> Vec<u8> {
    Tar::default()
        .file("module.yaml", text)
        .file("templates/a.yaml", text)
        .link("l", "module.yaml")
        .end()
}

async fn put(depot: &Depot, key: &VersionKey, text: &str) -> Image {
    let image = image(text);
    depot
        .unpack("a", key, &image, [layer(&archive(text))])
        .await
        .unwrap();
    image
}

fn depot() -> (tempfile::TempDir, Depot) {
    let dir = tempfile::tempdir().unwrap();
    let depot = Depot::open(dir.path(), Limits::default()).unwrap();
    (dir, depot)
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

async fn why_damaged(depot: &Depot, key: &VersionKey) -> String {
    match depot.verify("a", key).await.unwrap() {
        Verdict::Damaged { why } => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_link_leads_to_what_was_switched_to() {
    let (dir, depot) = depot();
    put(&depot, &release("1.0.0"), "one").await;
    assert_eq!(depot.active("a").unwrap(), None);
    assert!(depot.switch("a", 900, &release("1.0.0")).await.unwrap());
    assert_eq!(
        std::fs::read_link(dir.path().join("modules/900-a")).unwrap(),
        Path::new("../a/v1.0.0")
    );
    put(&depot, &release("1.1.0"), "two").await;
    assert_eq!(
        std::fs::read_to_string(dir.path().join("modules/900-a/module.yaml")).unwrap(),
        "one"
    );
    assert!(depot.switch("a", 900, &release("1.1.0")).await.unwrap());
    assert!(!depot.switch("a", 900, &release("1.1.0")).await.unwrap());
    assert_eq!(
        std::fs::read_to_string(dir.path().join("modules/900-a/module.yaml")).unwrap(),
        "two"
    );
    let active = depot.active("a").unwrap().unwrap();
    assert_eq!((active.weight, active.key), (900, release("1.1.0")));
    assert_eq!(depot.versions("a").unwrap(), [release("1.0.0"), release("1.1.0")]);
    assert_eq!(depot.modules().unwrap(), ["a"]);
}

#[tokio::test]
async fn another_weight_gives_the_link_another_name() {
    let (dir, depot) = depot();
    put(&depot, &release("1.0.0"), "one").await;
    depot.switch("a", 900, &release("1.0.0")).await.unwrap();
    assert!(depot.switch("a", 20, &release("1.0.0")).await.unwrap());
    assert_eq!(names(&dir.path().join("modules")), ["20-a"]);
    assert_eq!(depot.active("a").unwrap().unwrap().weight, 20);
    assert!(depot.remove_link("a").await.unwrap());
    assert!(!depot.remove_link("a").await.unwrap());
    assert!(names(&dir.path().join("modules")).is_empty());
    assert!(matches!(
        depot.verify("a", &release("1.0.0")).await.unwrap(),
        Verdict::Verified(_)
    ));
}

#[tokio::test]
async fn nothing_is_switched_to_what_is_not_there() {
    let (dir, depot) = depot();
    let error = depot.switch("a", 900, &release("1.0.0")).await.unwrap_err();
    assert_eq!(error.to_string(), "v1.0.0 of module \"a\" is not on disk");
    // A folder that nobody unpacked is no version.
    std::fs::create_dir_all(dir.path().join("a/v1.0.0")).unwrap();
    assert!(matches!(
        depot.switch("a", 900, &release("1.0.0")).await,
        Err(StoreError::Absent { .. })
    ));
    assert_eq!(
        why_damaged(&depot, &release("1.0.0")).await,
        "its list of files is missing"
    );
    assert_eq!(
        depot.verify("a", &release("2.0.0")).await.unwrap(),
        Verdict::Absent
    );
}

#[tokio::test]
async fn verify_finds_every_kind_of_damage() {
    use std::os::unix::fs::PermissionsExt;
    type Harm = fn(&Path);
    let harms: [(Harm, &str); 9] = [
        (
            |dir| std::fs::write(dir.join("module.yaml"), "eno").unwrap(),
            r#""module.yaml" has other content"#,
        ),
        (
            |dir| std::fs::write(dir.join("module.yaml"), "longer").unwrap(),
            r#""module.yaml" has another size"#,
        ),
        (
            |dir| std::fs::remove_file(dir.join("templates/a.yaml")).unwrap(),
            r#""templates/a.yaml" is missing"#,
        ),
        (
            |dir| std::fs::remove_dir_all(dir.join("templates")).unwrap(),
            r#""templates" is missing"#,
        ),
        (
            |dir| std::fs::write(dir.join("templates/new"), "").unwrap(),
            r#""templates/new" is no part of the image"#,
        ),
        (
            |dir| {
                std::fs::set_permissions(dir.join("module.yaml"), PermissionsExt::from_mode(0o600)).unwrap();
            },
            r#""module.yaml" has another mode"#,
        ),
        (
            |dir| {
                std::fs::remove_file(dir.join("l")).unwrap();
                std::os::unix::fs::symlink("templates", dir.join("l")).unwrap();
            },
            r#""l" leads elsewhere"#,
        ),
        (
            |dir| {
                std::fs::rename(dir.join("templates"), dir.join("../t")).unwrap();
                std::os::unix::fs::symlink("../t", dir.join("templates")).unwrap();
            },
            r#""templates" is no folder any more"#,
        ),
        (|dir| std::fs::remove_dir_all(dir).unwrap(), ""),
    ];
    for (harm, wanted) in harms {
        let (dir, depot) = depot();
        let image = put(&depot, &release("1.0.0"), "one").await;
        let Verdict::Verified(found) = depot.verify("a", &release("1.0.0")).await.unwrap() else {
            panic!("{wanted}");
        };
        assert_eq!((found.digest, found.bytes, found.entries), (image.digest, 6, 4));
        harm(&dir.path().join("a/v1.0.0"));
        if wanted.is_empty() {
            assert_eq!(
                depot.verify("a", &release("1.0.0")).await.unwrap(),
                Verdict::Absent
            );
        } else {
            assert_eq!(why_damaged(&depot, &release("1.0.0")).await, wanted);
        }
    }
}

#[tokio::test]
async fn a_damaged_list_is_damage() {
    let (dir, depot) = depot();
    put(&depot, &release("1.0.0"), "one").await;
    let list = names(&dir.path().join("a"))
        .into_iter()
        .find(|name| name.starts_with(".list-"))
        .unwrap();
    let list = dir.path().join("a").join(list);
    let whole = std::fs::read(&list).unwrap();
    std::fs::write(&list, &whole[..whole.len() / 2]).unwrap();
    assert!(
        why_damaged(&depot, &release("1.0.0"))
            .await
            .starts_with("its list of files is unreadable")
    );
}

#[tokio::test]
async fn an_active_version_is_exchanged_in_one_step() {
    let (dir, depot) = depot();
    put(&depot, &release("1.0.0"), "one").await;
    depot.switch("a", 900, &release("1.0.0")).await.unwrap();
    std::fs::write(dir.path().join("a/v1.0.0/module.yaml"), "broken").unwrap();
    let image = put(&depot, &release("1.0.0"), "again").await;
    let Verdict::Verified(found) = depot.verify("a", &release("1.0.0")).await.unwrap() else {
        panic!("not verified");
    };
    assert_eq!(found.digest, image.digest);
    assert_eq!(
        std::fs::read_to_string(dir.path().join("modules/900-a/module.yaml")).unwrap(),
        "again"
    );
    let names = names(&dir.path().join("a"));
    assert_eq!(names.len(), 2, "{names:?}");
}

#[tokio::test]
async fn collect_keeps_the_active_the_kept_and_one_former_override() {
    let (_dir, depot) = depot();
    for version in ["1.0.0", "1.1.0", "1.2.0"] {
        put(&depot, &release(version), version).await;
    }
    let mut overrides = Vec::new();
    for text in ["dev one", "dev two", "dev three"] {
        let key = VersionKey::dev(&image(text).digest).unwrap();
        put(&depot, &key, text).await;
        overrides.push(key);
    }
    // The first was in use last, though it was unpacked first.
    for key in [&overrides[1], &overrides[0]] {
        depot.switch("a", 900, key).await.unwrap();
    }
    depot.switch("a", 900, &release("1.1.0")).await.unwrap();
    let mut gone = depot.collect("a", &[release("1.2.0")]).await.unwrap();
    gone.sort();
    let mut wanted = vec![release("1.0.0"), overrides[1].clone(), overrides[2].clone()];
    wanted.sort();
    assert_eq!(gone, wanted);
    assert_eq!(
        depot.versions("a").unwrap(),
        [release("1.1.0"), release("1.2.0"), overrides[0].clone()]
    );
    assert_eq!(depot.collect("a", &[release("1.2.0")]).await.unwrap(), []);
    assert!(matches!(
        depot.verify("a", &release("1.1.0")).await.unwrap(),
        Verdict::Verified(_)
    ));
}

#[tokio::test]
async fn purge_leaves_nothing() {
    let (dir, depot) = depot();
    put(&depot, &release("1.0.0"), "one").await;
    put(&depot, &VersionKey::dev(&image("x").digest).unwrap(), "x").await;
    depot.switch("a", 900, &release("1.0.0")).await.unwrap();
    depot.purge("a").await.unwrap();
    assert_eq!(names(dir.path()), [".lock", "modules"]);
    assert!(names(&dir.path().join("modules")).is_empty());
    depot.purge("a").await.unwrap();
    assert!(depot.modules().unwrap().is_empty());
}

#[tokio::test]
async fn one_writer_at_a_time() {
    let (dir, depot) = depot();
    assert!(matches!(
        Depot::open(dir.path(), Limits::default()),
        Err(StoreError::InUse { .. })
    ));
    drop(depot);
    Depot::open(dir.path(), Limits::default()).unwrap();
}

#[tokio::test]
async fn opening_sweeps_what_a_crash_left_and_nothing_else() {
    let (dir, depot) = depot();
    put(&depot, &release("1.0.0"), "one").await;
    depot.switch("a", 900, &release("1.0.0")).await.unwrap();
    drop(depot);
    let before = contents(dir.path());
    let at = |path: &str| dir.path().join(path);
    std::fs::create_dir_all(at("a/.new-1-0/deep/er")).unwrap();
    std::fs::write(at("a/.new-1-0.list"), "{").unwrap();
    std::fs::create_dir_all(at("a/.old-1-1")).unwrap();
    std::fs::write(at("a/.list-v9.9.9-0123456789ab"), "{}").unwrap();
    std::fs::create_dir_all(at("b/.new-1-2")).unwrap();
    std::os::unix::fs::symlink("../a/v0.9.0", at("modules/.new-1-3")).unwrap();
    Depot::open(dir.path(), Limits::default()).unwrap();
    assert_eq!(contents(dir.path()), before);
    // People's own things stay, hidden or not.
    std::fs::create_dir_all(at("lost+found")).unwrap();
    std::fs::write(at("a/.notes"), "mine").unwrap();
    std::os::unix::fs::symlink("/etc", at("modules/mine")).unwrap();
    let before = contents(dir.path());
    let depot = Depot::open(dir.path(), Limits::default()).unwrap();
    assert_eq!(contents(dir.path()), before);
    assert_eq!(depot.modules().unwrap(), ["a"]);
}

#[tokio::test]
async fn names_that_would_leave_are_refused() {
    let (_dir, depot) = depot();
    for name in ["..", "modules", "a/b", ""] {
        let error = depot
            .unpack(name, &release("1.0.0"), &image("x"), [layer(&archive("x"))])
            .await
            .unwrap_err();
        assert!(error.to_string().contains("is no module name"), "{error}");
        assert!(depot.active(name).is_err());
        assert!(depot.collect(name, &[]).await.is_err());
        assert!(depot.purge(name).await.is_err());
    }
}

async fn fails(depot: &Depot, layer: Layer<Blob>) -> UnpackError {
    depot
        .unpack("a", &release("1.0.0"), &image("x"), [layer])
        .await
        .unwrap_err()
}

#[tokio::test]
async fn bytes_that_are_not_what_was_asked_for_are_told_apart_from_bad_images() {
    let (dir, depot) = depot();
    let good = gzip(&archive("x"));
    let mut other = layer(&good);
    other.stream = blob(&gzip(&archive("y")), 64);
    other.size = gzip(&archive("y")).len() as u64;
    assert!(matches!(fails(&depot, other).await, UnpackError::Digest { .. }));
    // Damaged on the way: the decoder stumbles first, the digest has the last word.
    let mut damaged = good.clone();
    for byte in &mut damaged[20..40] {
        *byte ^= 0x55;
    }
    let mut sent = layer(&good);
    sent.stream = blob(&damaged, 8);
    assert!(matches!(fails(&depot, sent).await, UnpackError::Digest { .. }));
    let mut short = layer(&good);
    short.stream = blob(&good[..good.len() - 1], 64);
    let said = fails(&depot, short).await.to_string();
    assert!(
        said.ends_with(&format!(
            "came with {} bytes, its manifest says {}",
            good.len() - 1,
            good.len()
        )),
        "{said}"
    );
    let mut long = layer(&good);
    long.stream = blob(&[&good[..], b"more"].concat(), 64);
    assert!(matches!(fails(&depot, long).await, UnpackError::Length { .. }));
    let mut unknown = layer(&good);
    unknown.digest = "sha512:00".to_owned();
    assert!(matches!(
        fails(&depot, unknown).await,
        UnpackError::Store(StoreError::DigestForm { .. })
    ));
    let mut cut = layer(&good);
    cut.stream = stream::iter(vec![
        Ok(Bytes::copy_from_slice(&good[..30])),
        Err(io::Error::new(
            io::ErrorKind::ConnectionReset,
            "reset by the test",
        )),
    ]);
    let error = fails(&depot, cut).await;
    assert!(
        chain(&error).ends_with("of registry.example.com/modules/a:x: reset by the test"),
        "{}",
        chain(&error)
    );
    assert!(names(&dir.path().join("a")).is_empty());
}

#[tokio::test]
async fn a_dropped_future_leaves_nothing() {
    let (dir, depot) = depot();
    let bytes = archive("x");
    let slow = Layer {
        media_type: "application/vnd.oci.image.layer.v1.tar".to_owned(),
        digest: super::archives::digest(&bytes),
        size: bytes.len() as u64,
        stream: blob(&bytes[..512], 512).chain(stream::pending()),
    };
    let mut steps = tokio::time::interval(std::time::Duration::from_millis(1));
    let (key, image) = (release("1.0.0"), image("x"));
    {
        let mut unpack = std::pin::pin!(depot.unpack("a", &key, &image, [slow]));
        while names(dir.path()).len() < 3 || names(&dir.path().join("a")).is_empty() {
            tokio::select! {
                ended = &mut unpack => panic!("{ended:?}"),
                _ = steps.tick() => {}
            }
        }
    }
    while !names(&dir.path().join("a")).is_empty() {
        steps.tick().await;
    }
}

#[derive(Debug, Default)]
struct Log(Mutex<Vec<Step>>);

impl Steps for Log {
    fn passed(&self, step: Step) {
        self.0.lock().unwrap().push(step);
    }
}

#[tokio::test]
async fn nothing_has_a_name_before_it_is_durable() {
    let dir = tempfile::tempdir().unwrap();
    let log = Arc::new(Log::default());
    let steps: Arc<dyn Steps> = Arc::<Log>::clone(&log);
    let depot = Depot::open_with(dir.path(), Limits::default(), steps).unwrap();
    put(&depot, &release("1.0.0"), "one").await;
    depot.switch("a", 900, &release("1.0.0")).await.unwrap();
    depot.switch("a", 5, &release("1.0.0")).await.unwrap();
    assert_eq!(
        *log.0.lock().unwrap(),
        [
            Step::Staged,
            Step::Entry,
            Step::Entry,
            Step::Entry,
            Step::Entry,
            Step::Written,
            Step::Durable,
            Step::Listed,
            Step::Named,
            Step::NameDurable, // unpacked
            Step::LinkMade,
            Step::Switched,
            Step::SwitchDurable, // switched
            Step::LinkMade,
            Step::Switched,
            Step::SwitchDurable,
            Step::OldLinkGone, // another weight
        ]
    );
}
