//! Registries that send to elsewhere.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{Scene, blobs};
use crate::cli::registry::{publish, says};
use crate::support::authority::Authority;
use crate::support::fault_proxy::{Fault, FaultProxy, Rule};
use crate::support::registry::{ALICE, BOTH, Registry, Settings};

#[test]
fn credentials_stay_at_home() {
    for flavour in BOTH {
        // The same module where a password is asked for, and where none is; digests are the same everywhere.
        let open = Scene::new(flavour);
        let closed = Registry::start(&Settings {
            flavour: Some(flavour),
            accounts: &[ALICE],
            ..Settings::default()
        });
        let home = FaultProxy::start(&closed.host());
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("config.json");
        let auth = STANDARD.encode(format!("{}:{}", ALICE.user, ALICE.password));
        // The very host that is led to has an account, too: still not the one that was asked.
        let auths = json!({"auths": {home.host(): {"auth": auth}, open.proxy.host(): {"auth": auth}}});
        std::fs::write(&config, auths.to_string()).unwrap();
        let login = ["--docker-config", config.to_str().unwrap()];
        let module = crate::cli::registry::module();
        let repo = format!("{}/modules", home.host());
        let arguments = ["publish", module.path().to_str().unwrap(), "--repo", &repo, "--version", "v1.0.0"];
        says(&[&arguments[..], &login].concat());
        publish(module.path(), &format!("{}/modules", open.registry.host()));

        for status in [301, 302, 303, 307, 308] {
            for part in ["/blobs/", "/manifests/"] {
                let to = format!("{}/v2/modules/echo", open.proxy.url());
                let manifest = format!("{to}/manifests/v1.0.0");
                let digest = blob(&home, &login, &repo);
                let place = if part == "/blobs/" { format!("{to}/blobs/{digest}?signature=s3cret") } else { manifest };
                open.proxy.obey(&[]);
                home.obey(&[Rule::nth(1, "GET", part, Fault::redirect(status, place.clone()))]);
                home.obey(&[
                    // The first has no credentials yet, the registry asks for them.
                    Rule::first(1, "GET", part, Fault::Answer {
                        status: 401,
                        headers: vec![("www-authenticate", "Basic realm=\"test\"".to_owned())],
                        body: String::new(),
                    }),
                    Rule::each("GET", part, Fault::redirect(status, place)),
                ]);
                let target = dir.path().join(format!("{status}{}", part.replace('/', "-")));
                let image = format!("{repo}/echo:v1.0.0");
                says(&[&["pull", &image, target.to_str().unwrap()][..], &login].concat());
                assert!(target.join("module.yaml").exists());
                let shown = home.asked();
                assert!(shown.iter().any(|one| one.authorization.is_some()), "{flavour:?} {shown:?}");
                let elsewhere = open.proxy.asked();
                assert_eq!(elsewhere.len(), 1, "{flavour:?} {status} {part}");
                assert_eq!(elsewhere[0].authorization, None, "{flavour:?} {status} {part}");
            }
        }
    }
}

/// The digest of the module's only layer.
fn blob(home: &FaultProxy, login: &[&str], repo: &str) -> String {
    home.obey(&[]);
    says(&[&["files", "echo", "v1.0.0", "--repo", repo][..], login].concat());
    let asked = home.asked();
    let target = &blobs(&asked)[0].target;
    target.rsplit('/').next().unwrap().to_owned()
}

#[test]
fn a_signed_place_that_refuses_is_told_without_its_signature() {
    let scene = Scene::new(BOTH[0]);
    let elsewhere = FaultProxy::start(&scene.registry.host());
    elsewhere.obey(&[Rule::each("GET", "", Fault::Answer { status: 403, headers: Vec::new(), body: "expired".into() })]);
    let place = format!("{}/bucket/blob?signature=s3cret", elsewhere.url());
    let (said, asked) = scene.fails(&[Rule::each("GET", "/blobs/", Fault::redirect(307, place))], 2);
    assert!(
        said.ends_with(&format!(
            ": GET {}/bucket/blob: unexpected status code 403 Forbidden: expired\n",
            elsewhere.url()
        )),
        "{said}"
    );
    assert!(!said.contains("s3cret"), "{said}");
    assert_eq!(blobs(&asked).len(), 1);
}

#[test]
fn a_layer_that_breaks_off_elsewhere_is_asked_for_at_home_again() {
    for flavour in BOTH {
        let scene = Scene::new(flavour);
        let elsewhere = FaultProxy::start(&scene.registry.host());
        elsewhere.obey(&[Rule::first(1, "GET", "/blobs/", Fault::Cut(200_000))]);
        let place = scene.blob_url().replace(&scene.proxy.url(), &elsewhere.url());
        let asked = scene.pulls(&[Rule::each("GET", "/blobs/", Fault::redirect(307, place))]);
        // A signed place may have expired meanwhile.
        assert_eq!(blobs(&asked).len(), 2, "{flavour:?}");
        let there = elsewhere.asked();
        assert_eq!(there[1].range.as_deref(), Some("bytes=200000-"), "{flavour:?}");
        assert_eq!(there[0].sent + there[1].sent, scene.size);
    }
}

#[test]
fn redirects_in_circles_end() {
    for flavour in BOTH {
        let scene = Scene::new(flavour);
        let own = scene.manifest_url();
        let (said, asked) = scene.fails(&[Rule::each("GET", "/manifests/", Fault::redirect(302, own.clone()))], 2);
        assert_eq!(
            said,
            format!("error: fetch image error: GET {own}: more than 5 redirects\n"),
            "{flavour:?}"
        );
        assert_eq!(asked.len(), 6);
        for (place, reason) in [
            ("", "a redirect without a Location"),
            ("file:///etc/passwd", "a redirect to what is no web address"),
        ] {
            let (said, asked) = scene.fails(&[Rule::each("GET", "/manifests/", Fault::redirect(302, place))], 2);
            assert_eq!(said, format!("error: fetch image error: GET {own}: {reason}\n"));
            assert_eq!(asked.len(), 1);
        }
    }
}

#[test]
fn nothing_leads_from_https_down_to_http() {
    let authority = Authority::new();
    let dir = tempfile::tempdir().unwrap();
    let files = authority.loopback_server(dir.path(), "proxy");
    let ca = dir.path().join("ca.crt");
    std::fs::write(&ca, authority.pem()).unwrap();
    for flavour in BOTH {
        let mut scene = Scene::new(flavour);
        let plain = std::mem::replace(
            &mut scene.proxy,
            FaultProxy::secure(&scene.registry.host(), &files),
        );
        let trust = ["--ca", ca.to_str().unwrap()];
        assert_eq!(scene.pulls_with(&[], &trust).len(), 2);
        for part in ["/manifests/", "/blobs/"] {
            plain.obey(&[]);
            let place = if part == "/blobs/" { scene.blob_url() } else { scene.manifest_url() };
            let place = place.replace(&scene.proxy.url(), &plain.url());
            let rules = [Rule::each("GET", part, Fault::redirect(307, place))];
            let (said, _) = scene.fails_with(&rules, 2, &trust);
            let url = if part == "/blobs/" { scene.blob_url() } else { scene.manifest_url() };
            assert!(
                said.ends_with(&format!(
                    "GET {url}: a redirect from HTTPS to HTTP, to host \"127.0.0.1\"\n"
                )),
                "{flavour:?}: {said}"
            );
            assert_eq!(plain.asked().len(), 0, "{flavour:?} {part}");
        }
        // Resumed over TLS as over plain connections, also after a connection that ends without a goodbye.
        for fault in [Fault::Cut(200_000), Fault::CutByReset(200_000)] {
            let asked = scene.pulls_with(&[Rule::first(1, "GET", "/blobs/", fault)], &trust);
            assert!(blobs(&asked)[1].range.is_some(), "{flavour:?}");
        }
    }
}
