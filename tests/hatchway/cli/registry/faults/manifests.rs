//! Manifests and listings that lie or never end.

use super::Scene;
use crate::cli::registry::registry;
use crate::support::fault_proxy::{Fault, Rule};
use crate::support::registry::BOTH;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

#[test]
fn a_manifest_with_another_digest_is_refused() {
    for flavour in BOTH {
        let scene = Scene::new(flavour);
        let other = format!("sha256:{}", "0".repeat(64));
        for fault in [
            // Within a word, so that it still is JSON.
            Fault::Flip(40),
            Fault::Header("docker-content-digest", other.clone()),
            Fault::Length(-1),
        ] {
            let (said, asked) = scene.fails(&[Rule::each("GET", "/manifests/", fault.clone())], 2);
            let start = format!(
                "error: fetch image error: GET {}: the manifest's digest is sha256:",
                scene.manifest_url()
            );
            assert!(said.starts_with(&start), "{flavour:?} {fault:?}: {said}");
            assert_eq!(asked.len(), 1, "{flavour:?} {fault:?}");
        }
    }
}

#[test]
fn content_types_that_lie_are_refused_where_they_would_decide() {
    for flavour in BOTH {
        let scene = Scene::new(flavour);
        let lie = |kind: &str| {
            [Rule::each(
                "GET",
                "/manifests/",
                Fault::Header("content-type", kind.into()),
            )]
        };
        for index in [INDEX, "application/vnd.docker.distribution.manifest.list.v2+json"] {
            let (said, asked) = scene.fails(&lie(index), 2);
            assert_eq!(
                said,
                format!(
                    "error: fetch image error: GET {}: content type \"{index}\" does not fit the manifest's mediaType \
                     \"application/vnd.oci.image.manifest.v1+json\"\n",
                    scene.manifest_url()
                ),
                "{flavour:?}"
            );
            assert_eq!(asked.len(), 1);
        }
        // What says nothing of images leaves the word to the manifest itself, whose bytes are checked.
        for kind in ["text/html", "application/json; charset=utf-8", ""] {
            scene.pulls(&lie(kind));
        }
    }
}

#[test]
fn a_web_page_in_a_manifests_place_is_told_as_such() {
    for flavour in BOTH {
        let scene = Scene::new(flavour);
        let page = Fault::Answer {
            status: 200,
            headers: vec![("content-type", "text/html".to_owned())],
            body: "<html>Please log in to the guests' network</html>".to_owned(),
        };
        let (said, asked) = scene.fails(&[Rule::each("GET", "/manifests/", page)], 2);
        let start = format!(
            "error: fetch image error: GET {}: malformed manifest: ",
            scene.manifest_url()
        );
        assert!(said.starts_with(&start), "{flavour:?}: {said}");
        assert_eq!(asked.len(), 1);
    }
}

#[test]
fn answers_without_an_end_are_left_at_their_limit() {
    for flavour in BOTH {
        let scene = Scene::new(flavour);
        let (said, asked) = scene.fails(&[Rule::each("GET", "/manifests/", Fault::Endless)], 2);
        assert_eq!(
            said,
            format!(
                "error: fetch image error: GET {}: the answer is longer than 4194304 bytes\n",
                scene.manifest_url()
            ),
            "{flavour:?}"
        );
        assert_eq!(asked.len(), 1);
        assert!(asked[0].sent < 4 * (16 << 20), "{}", asked[0].sent);

        scene
            .proxy
            .obey(&[Rule::each("GET", "/tags/list", Fault::Endless)]);
        for (command, path) in [
            (&["modules"][..], "modules"),
            (&["tags", "echo"], "modules/echo"),
            (&["releases", "echo"], "modules/echo/release"),
        ] {
            let ran = registry(&[command, &["--repo", &scene.repo()]].concat());
            assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
            let url = format!("{}/v2/{path}/tags/list?n=1000", scene.proxy.url());
            assert_eq!(
                ran.stderr,
                format!("error: GET {url}: the answer is longer than 16777216 bytes\n"),
                "{flavour:?}"
            );
        }
        assert_eq!(scene.proxy.asked().len(), 3);
    }
}

#[test]
fn a_refusal_without_an_end_is_cut_short() {
    let scene = Scene::new(BOTH[0]);
    // The registry's own 404, and then blanks without an end.
    scene
        .proxy
        .obey(&[Rule::each("GET", "/manifests/", Fault::Endless)]);
    let ran = registry(&["version", "echo", "beta", "--repo", &scene.repo()]);
    assert_eq!(ran.code, 2);
    assert_eq!(
        ran.stderr,
        format!(
            "error: fetch image error: GET {}/v2/modules/echo/release/manifests/beta: unexpected status code 404 Not \
             Found\n",
            scene.proxy.url()
        )
    );
    assert_eq!(scene.proxy.asked().len(), 1);
}
