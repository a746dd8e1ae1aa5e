//! What the registries that other tests use really do.

use std::process::Command;
use std::time::Duration;

use crate::support::authority::Authority;
use crate::support::parts;
use crate::support::registry::{ALICE, BOB, Flavour, Registry, Settings};
use crate::support::token_service::TokenService;

/// The status code and the head of an answer, or what curl says of a connection that failed.
fn curl(arguments: &[&str]) -> (String, String) {
    let output = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--max-time",
            "10",
            "--dump-header",
            "-",
            "--output",
            "/dev/null",
        ])
        .args(["--write-out", "%{stderr}%{http_code}"])
        .args(arguments)
        .output()
        .expect("curl is there");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (said, String::from_utf8_lossy(&output.stdout).to_lowercase())
}

fn crane(arguments: &[&str]) -> String {
    let output = Command::new(parts::crane())
        .args(arguments)
        .output()
        .expect("crane runs");
    assert!(
        output.status.success(),
        "crane {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Pushes an image of one empty layer under each of the tags.
fn push(registry: &Registry, repository: &str, tags: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let layer = folder.path().join("layer.tar");
    std::fs::write(&layer, [0; 1024]).unwrap();
    let (first, others) = tags.split_first().unwrap();
    let image = format!("{}/{repository}:{first}", registry.host());
    crane(&[
        "append",
        "--new_layer",
        &layer.display().to_string(),
        "--new_tag",
        &image,
    ]);
    for tag in others {
        crane(&["tag", &image, tag]);
    }
}

#[test]
fn both_registries_answer_and_take_images() {
    for flavour in [Flavour::Distribution, Flavour::Debian] {
        let registry = Registry::open(flavour);
        assert_eq!(
            curl(&[&format!("{}/v2/", registry.url())]).0,
            "200",
            "{flavour:?}"
        );
        push(&registry, "modules/echo", &["stable", "v1.0.0", "v1.0.1"]);
        let tags = crane(&["ls", &format!("{}/modules/echo", registry.host())]);
        let mut tags: Vec<_> = tags.lines().collect();
        tags.sort_unstable();
        assert_eq!(tags, ["stable", "v1.0.0", "v1.0.1"], "{flavour:?}");
    }
}

#[test]
fn only_the_newer_registry_cuts_lists_of_tags_into_pages() {
    for (flavour, pages) in [(Flavour::Distribution, true), (Flavour::Debian, false)] {
        let registry = Registry::open(flavour);
        push(&registry, "modules/echo", &["a", "b", "c"]);
        let (code, head) = curl(&[&format!("{}/v2/modules/echo/tags/list?n=2", registry.url())]);
        assert_eq!(code, "200", "{flavour:?}");
        assert_eq!(head.contains("link: "), pages, "{flavour:?}: {head}");
    }
}

#[test]
fn a_registry_with_accounts_asks_for_the_password_and_follows_its_rotation() {
    let registry = Registry::start(&Settings {
        accounts: &[ALICE],
        ..Settings::default()
    });
    let url = format!("{}/v2/", registry.url());
    let login = |user: &str, password: &str| curl(&["--user", &format!("{user}:{password}"), &url]).0;

    let (code, head) = curl(&[&url]);
    assert_eq!(code, "401");
    assert!(head.contains("www-authenticate: basic realm=\"test\""), "{head}");
    assert_eq!(login(ALICE.user, ALICE.password), "200");
    assert_eq!(login(ALICE.user, BOB.password), "401");

    registry.set_accounts(&[BOB]);
    assert_eq!(login(BOB.user, BOB.password), "200");
    assert_eq!(login(ALICE.user, ALICE.password), "401");
}

#[test]
fn a_registry_with_tls_is_trusted_by_its_authority_alone() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.crt");
    std::fs::write(&ca, authority.pem()).unwrap();
    for flavour in [Flavour::Distribution, Flavour::Debian] {
        let registry = Registry::start(&Settings {
            flavour: Some(flavour),
            tls: Some(&authority),
            ..Settings::default()
        });
        let url = format!("{}/v2/", registry.url());
        assert!(url.starts_with("https://"), "{url}");
        assert_eq!(
            curl(&["--cacert", ca.to_str().unwrap(), &url]).0,
            "200",
            "{flavour:?}"
        );
        let (said, _) = curl(&[&url]);
        assert!(said.contains("certificate"), "{flavour:?}: {said}");
    }
}

#[test]
fn a_registry_with_tokens_takes_those_of_its_service() {
    let tokens = TokenService::start(Some(&ALICE), Duration::from_mins(5));
    let registry = Registry::start(&Settings {
        tokens: Some(&tokens),
        ..Settings::default()
    });

    let list = format!("{}/v2/modules/echo/tags/list", registry.url());
    let (code, head) = curl(&[&list]);
    assert_eq!(code, "401");
    let challenge = format!(
        "www-authenticate: bearer realm=\"{}\",service=\"{}\",scope=\"repository:modules/echo:pull\"",
        tokens.realm(),
        TokenService::SERVICE
    );
    assert!(head.contains(&challenge), "{head}");

    let ask = format!(
        "{}?service={}&scope=repository:modules/echo:pull",
        tokens.realm(),
        TokenService::SERVICE
    );
    assert_eq!(curl(&[&ask]).0, "401");
    let alice = format!("{}:{}", ALICE.user, ALICE.password);
    let answer = Command::new("curl")
        .args(["-s", "--user", &alice, &ask])
        .output()
        .unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(answer["expires_in"], 300);
    assert_eq!(tokens.issued(), ["repository:modules/echo:pull"]);

    // Let in: no such repository is what it says now, and still no to the neighbour's.
    let token = format!("Authorization: Bearer {}", answer["token"].as_str().unwrap());
    assert_eq!(curl(&["--header", &token, &list]).0, "404");
    let other = format!("{}/v2/modules/other/tags/list", registry.url());
    assert_eq!(curl(&["--header", &token, &other]).0, "401");
}
