//! Errors in the registry's own words, behind the method and the URL (rule REG-4).

use super::{module, other, publish, registry};
use crate::depot::archives::Tar;
use crate::registry::stub::{OCI, Stub, digest, manifest, response};
use crate::support::parts::crane;
use crate::support::registry::{Flavour, Registry};

#[track_caller]
fn fails(arguments: &[&str], code: i32) -> String {
    let ran = registry(arguments);
    assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{}", ran.stderr);
    ran.stderr
}

#[test]
fn real_registries_are_quoted() {
    for (flavour, detail) in [
        (Flavour::Distribution, "unknown tag=stable"),
        (Flavour::Debian, "map[Tag:stable]"),
    ] {
        let server = Registry::open(flavour);
        let repo = &format!("{}/modules", server.host());
        publish(module().path(), repo);
        let at = ["--repo", repo];
        let url = format!("{}/v2/modules/echo", server.url());
        assert_eq!(
            fails(&[&["version", "echo", "stable"][..], &at].concat(), 2),
            format!(
                "error: fetch image error: GET {url}/release/manifests/stable: MANIFEST_UNKNOWN: manifest unknown; \
                 {detail}\n"
            )
        );
        let missing = format!("{repo}/echo:stable");
        let target = tempfile::tempdir().unwrap();
        let said = fails(&["pull", &missing, target.path().to_str().unwrap()], 2);
        assert_eq!(
            said,
            format!(
                "error: fetch image error: GET {url}/manifests/stable: MANIFEST_UNKNOWN: manifest unknown; {detail}\n"
            )
        );
        assert_eq!(
            fails(&[&["tags", "nothing"][..], &at].concat(), 2),
            format!(
                "error: GET {}/v2/modules/nothing/tags/list?n=1000: NAME_UNKNOWN: repository name not known to \
                 registry; map[name:modules/nothing]\n",
                server.url()
            )
        );
        // Pushed without what a release image has to hold.
        let dir = tempfile::tempdir().unwrap();
        let layer = dir.path().join("layer.tar");
        std::fs::write(&layer, Tar::default().file("readme", "").end()).unwrap();
        let image = format!("{repo}/echo/release:beta");
        other(crane(), &["append", "-f", layer.to_str().unwrap(), "-t", &image]);
        assert_eq!(
            fails(&[&["version", "echo", "beta"][..], &at].concat(), 1),
            "error: metadata malformed: no version found\n"
        );
        assert_eq!(
            fails(&[&["digests", "echo/release", "beta"][..], &at].concat(), 2)
                .lines()
                .next(),
            Some(
                "error: invalid value 'echo/release' for '<MODULE>': \"echo/release\" is not a module name, write \
                  lower-case letters, digits and '-', with a letter or digit first and last"
            )
        );
    }
}

/// A registry with an image of one layer under every tag, and what it answers when it is asked for the layer.
async fn with_layer(answer: impl Fn() -> axum::response::Response + Send + Sync + 'static) -> Stub {
    let layer = Tar::default()
        .file("version.json", r#"{"version":"v1.0.0"}"#)
        .end();
    Stub::start(move |seen| {
        if seen.path.contains("/blobs/") {
            answer()
        } else {
            response(200, &[("content-type", OCI)], manifest(&layer))
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_does_not_come_is_told_with_its_url() {
    let unknown = r#"{"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown to registry","detail":{"digest":"x"}}]}"#;
    let stub = with_layer(move || response(404, &[], unknown)).await;
    let layer = digest(
        &Tar::default()
            .file("version.json", r#"{"version":"v1.0.0"}"#)
            .end(),
    );
    let (image, url) = (
        format!("{}/modules/echo/release:alpha", stub.host),
        format!("http://{}/v2/modules/echo/release/blobs/{layer}", stub.host),
    );
    let repo = format!("{}/modules", stub.host);
    let said = fails(&["version", "echo", "alpha", "--repo", &repo], 2);
    assert_eq!(
        said,
        format!(
            "error: fetch image error: cannot read layer {layer} of {image}: GET {url}: BLOB_UNKNOWN: blob unknown to \
             registry; map[digest:x]\n"
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn other_bytes_than_the_manifest_says_are_told() {
    let layer = Tar::default()
        .file("version.json", r#"{"version":"v1.0.0"}"#)
        .end();
    let other = Tar::default()
        .file("version.json", r#"{"version":"v6.6.6"}"#)
        .end();
    let stub = with_layer(move || response(200, &[], other.clone())).await;
    let repo = format!("{}/modules", stub.host);
    let said = fails(&["version", "echo", "alpha", "--repo", &repo], 2);
    let start = format!(
        "error: fetch image error: layer {} of {repo}/echo/release:alpha came with other bytes: their digest is sha256:",
        digest(&layer)
    );
    assert!(said.starts_with(&start), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_wants_to_be_left_alone_says_until_when() {
    let limited = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}"#;
    let stub = Stub::start(move |_| response(429, &[("retry-after", "3600")], limited)).await;
    let repo = format!("{}/modules", stub.host);
    let said = fails(&["modules", "--repo", &repo], 2);
    let start = format!("error: registry {} asks to wait until 2", stub.host);
    assert!(
        said.starts_with(&start) && said.ends_with("Z: 429 TOOMANYREQUESTS\n"),
        "{said}"
    );
    assert_eq!(stub.seen().len(), 1);
}

#[test]
fn nobody_there_is_told_with_the_reason() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let said = fails(&["modules", "--repo", &format!("127.0.0.1:{port}/modules")], 2);
    let start = format!("error: GET http://127.0.0.1:{port}/v2/modules/tags/list?n=1000: ");
    assert!(
        said.starts_with(&start) && said.contains("onnection refused"),
        "{said}"
    );
}

#[test]
fn an_address_that_is_none_is_told_before_anything_is_asked() {
    for (arguments, said) in [
        (
            &["modules", "--repo", "https://registry.example.com/m"][..],
            "leave out \"https://\"",
        ),
        (&["modules"], "--repo <REPO>|--source <NAME>"),
        (
            &["modules", "--repo", "registry.example.com/m", "--source", "a"],
            "cannot be used with",
        ),
        (
            &["pull", "registry.example.com/m/echo", "x"],
            "names no tag, write HOST/PATH:TAG",
        ),
        (
            &["tags", "Echo", "--repo", "registry.example.com/m"],
            "\"Echo\" is not a module name",
        ),
    ] {
        let text = fails(arguments, 2);
        assert!(text.contains(said), "{text}");
    }
}
