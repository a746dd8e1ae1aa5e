//! Registries that send to elsewhere.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{Scene, blobs};
use crate::cli::registry::{module, publish, says};
use crate::support::authority::Authority;
use crate::support::fault_proxy::{Fault, FaultProxy, Rule};
use crate::support::registry::{ALICE, BOTH, Registry, Settings};

#[test]
fn credentials_stay_at_home() {
    for flavour in BOTH {
        // The same module where a password is asked for, and where none is; digests are the same everywhere.
        let closed = Registry::start(&Settings {
            flavour: Some(flavour),
            accounts: &[ALICE],
            ..Settings::default()
        });
        let open = Registry::open(flavour);
        let (home, elsewhere) = (FaultProxy::start(&closed.host()), FaultProxy::start(&open.host()));
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("config.json");
        let auth = STANDARD.encode(format!("{}:{}", ALICE.user, ALICE.password));
        // There is an account for the host that is led to, too: it is not the one that was asked.
        let auths = json!({"auths": {home.host(): {"auth": auth}, elsewhere.host(): {"auth": auth}}});
        std::fs::write(&config, auths.to_string()).unwrap();
        let login = ["--docker-config", config.to_str().unwrap()];
        let module = module();
        publish(module.path(), &format!("{}/modules", open.host()));
        let repo = format!("{}/modules", home.host());
        let dir_of = module.path().to_str().unwrap();
        says(
            &[
                &["publish", dir_of, "--repo", &repo, "--version", "v1.0.0"][..],
                &login,
            ]
            .concat(),
        );
        let image = format!("{repo}/echo:v1.0.0");
        let target = dir.path().join("echo");
        let pull = || {
            says(
                &[
                    &["pull", &image, target.to_str().unwrap(), "--replace"][..],
                    &login,
                ]
                .concat(),
            )
        };
        home.obey(&[]);
        pull();
        let asked = home.asked();
        let blob = blobs(&asked)[0].target.clone();

        // The first request of a pull shows none before it is asked for.
        let asks = Fault::Answer {
            status: 401,
            headers: vec![("www-authenticate", "Basic realm=\"test\"".to_owned())],
            body: String::new(),
        };
        for status in [301, 302, 303, 307, 308] {
            for (path, askings) in [(blob.as_str(), 0), ("/v2/modules/echo/manifests/v1.0.0", 1)] {
                let place = format!("{}{path}?signature=s3cret", elsewhere.url());
                elsewhere.obey(&[]);
                home.obey(&[
                    Rule::first(askings, "GET", path, asks.clone()),
                    Rule::each("GET", path, Fault::redirect(status, place)),
                ]);
                pull();
                let shown = home.asked_for(path);
                assert!(
                    shown.last().unwrap().authorization.is_some(),
                    "{flavour:?} {shown:?}"
                );
                let there = elsewhere.asked();
                assert_eq!(
                    (there.len(), there[0].status),
                    (1, 200),
                    "{flavour:?} {status} {path}"
                );
                assert_eq!(there[0].authorization, None, "{flavour:?} {status} {path}");
                assert!(there[0].target.ends_with("?signature=s3cret"));
            }
        }
    }
}

#[test]
fn a_signed_place_that_refuses_is_told_without_its_signature() {
    let scene = Scene::new(BOTH[0]);
    let elsewhere = FaultProxy::start(&scene.registry.host());
    elsewhere.obey(&[Rule::each(
        "GET",
        "",
        Fault::Answer {
            status: 403,
            headers: Vec::new(),
            body: "expired".into(),
        },
    )]);
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
        let (said, asked) = scene.fails(
            &[Rule::each(
                "GET",
                "/manifests/",
                Fault::redirect(302, own.clone()),
            )],
            2,
        );
        assert_eq!(
            said,
            format!("error: fetch image error: GET {own}: more than 5 redirects\n"),
            "{flavour:?}"
        );
        assert_eq!(asked.len(), 6);
        let nowhere = Fault::Answer {
            status: 302,
            headers: Vec::new(),
            body: String::new(),
        };
        for (fault, reason) in [
            (nowhere, "a redirect without a Location"),
            (
                Fault::redirect(302, "file:///etc/passwd"),
                "a redirect to what is no web address",
            ),
        ] {
            let (said, asked) = scene.fails(&[Rule::each("GET", "/manifests/", fault)], 2);
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
            let place = if part == "/blobs/" {
                scene.blob_url()
            } else {
                scene.manifest_url()
            };
            let place = place.replace(&scene.proxy.url(), &plain.url());
            let rules = [Rule::each("GET", part, Fault::redirect(307, place))];
            let (said, _) = scene.fails_with(&rules, 2, &trust);
            let url = if part == "/blobs/" {
                scene.blob_url()
            } else {
                scene.manifest_url()
            };
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
