//! What passes by itself: server errors, resets, silence.

use super::{Scene, blobs};
use crate::cli::registry::{module, other, registry, says};
use crate::support::fault_proxy::{Fault, Rule};
use crate::support::parts::crane;
use crate::support::registry::BOTH;

fn away(status: u16) -> Fault {
    Fault::Answer {
        status,
        headers: Vec::new(),
        body: "upstream is away".to_owned(),
    }
}

#[test]
fn every_command_gets_over_a_fault_that_passes() {
    for flavour in BOTH {
        let scene = Scene::new(flavour);
        let repo = &scene.repo();
        let commands: [&[&str]; 6] = [
            &["modules"],
            &["tags", "echo"],
            &["files", "echo", "v1.0.0"],
            &["digests", "echo", "v1.0.0"],
            &["releases", "echo"],
            &["version", "echo", "alpha"],
        ];
        for command in commands {
            let command = [command, &["--repo", repo]].concat();
            scene.proxy.obey(&[]);
            let expected = says(&command);
            let without = scene.proxy.asked().len();
            let faults = [
                away(500),
                away(503),
                Fault::Reset,
                Fault::Cut(3),
                Fault::CutByReset(3),
                Fault::Length(1),
            ];
            let count = faults.len();
            for fault in faults {
                scene.proxy.obey(&[Rule::first(1, "GET", "", fault.clone())]);
                assert_eq!(says(&command), expected, "{flavour:?} {command:?} {fault:?}");
                let more = scene.proxy.asked().len() - without;
                assert_eq!(more, 1, "{flavour:?} {command:?} {fault:?} of {count}");
            }
        }
    }
}

#[test]
fn a_pull_gets_over_faults_of_its_manifest_and_its_layer() {
    for flavour in BOTH {
        let scene = Scene::new(flavour);
        for part in ["/manifests/", "/blobs/"] {
            for fault in [away(502), away(504), Fault::Reset] {
                let asked = scene.pulls(&[Rule::first(2, "GET", part, fault.clone())]);
                let there = asked.iter().filter(|one| one.target.contains(part)).count();
                assert_eq!((there, asked.len()), (3, 4), "{flavour:?} {part} {fault:?}");
            }
        }
    }
}

#[test]
fn a_fault_that_stays_is_told_after_five_tries() {
    // Their pauses side by side.
    std::thread::scope(|all| {
        for flavour in BOTH {
            for (part, fault, said) in [
                (
                    "/manifests/",
                    away(503),
                    ": unexpected status code 503 Service Unavailable: upstream is away",
                ),
                (
                    "/blobs/",
                    Fault::refusal(500, "UNKNOWN", "unknown error"),
                    ": UNKNOWN: unknown error",
                ),
                ("/manifests/", Fault::Reset, "reset by peer"),
                ("/blobs/", Fault::Reset, "reset by peer"),
            ] {
                all.spawn(move || {
                    let scene = Scene::new(flavour);
                    let (image, layer) = (scene.image(), &scene.layer);
                    let at = if part == "/blobs/" {
                        format!("cannot read layer {layer} of {image}: GET {}: ", scene.blob_url())
                    } else {
                        format!("fetch image error: GET {}: ", scene.manifest_url())
                    };
                    let (text, asked) = scene.fails(&[Rule::each("GET", part, fault)], 2);
                    assert!(
                        text.starts_with(&format!("error: {at}")) && text.contains(said),
                        "{flavour:?}: {text}"
                    );
                    let there = asked.iter().filter(|one| one.target.contains(part)).count();
                    assert_eq!(there, 5, "{flavour:?} {text}");
                });
            }
        }
    });
}

#[test]
fn pauses_between_tries_grow() {
    let scene = Scene::new(BOTH[0]);
    let (_, asked) = scene.fails(&[Rule::each("GET", "/manifests/", away(503))], 2);
    let pauses: Vec<_> = asked.windows(2).map(|two| two[1].at - two[0].at).collect();
    // 250 ms, doubled with each failure, of which jitter takes up to a half.
    for (number, pause) in pauses.iter().enumerate() {
        assert!(pause.as_millis() >= 125 << number, "{pauses:?}");
    }
}

#[test]
fn a_refusal_is_not_asked_for_again() {
    for flavour in BOTH {
        let scene = Scene::new(flavour);
        for status in [400, 403, 404, 501] {
            let fault = Fault::refusal(status, "DENIED", "requested access to the resource is denied");
            let (said, asked) = scene.fails(&[Rule::each("GET", "/manifests/", fault)], 2);
            assert_eq!(
                said,
                format!(
                    "error: fetch image error: GET {}: DENIED: requested access to the resource is denied\n",
                    scene.manifest_url()
                )
            );
            assert_eq!(asked.len(), 1, "{status}");
        }
    }
}

#[test]
fn a_publication_gets_over_faults_and_stores_the_same_bytes() {
    for flavour in BOTH {
        let scene = Scene::new(flavour);
        let module = module();
        std::fs::write(module.path().join("templates/a.yaml"), "b: 2\n").unwrap();
        let publish = |repo: &str| {
            let dir = module.path().to_str().unwrap();
            says(&["publish", dir, "--repo", repo, "--version", "v2.0.0"])
        };
        let bad = scene.repo();
        scene.proxy.obey(&[
            Rule::first(1, "HEAD", "/manifests/", away(503)),
            Rule::first(1, "POST", "/blobs/uploads", Fault::Reset),
            Rule::first(1, "PUT", "/blobs/uploads", Fault::Reset),
            Rule::nth(2, "PUT", "/blobs/uploads", away(500)),
            Rule::first(1, "PUT", "/manifests/", Fault::Reset),
        ]);
        publish(&bad);
        let good = format!("{}/elsewhere", scene.registry.host());
        publish(&good);
        for image in ["/echo:v2.0.0", "/echo/release:v2.0.0", ":echo"] {
            let digest = |repo: &str| other(crane(), &["digest", &(repo.to_owned() + image)]);
            let repo = format!("{}/modules", scene.registry.host());
            assert_eq!(digest(&repo), digest(&good), "{flavour:?} {image}");
            other(crane(), &["validate", "--remote", &(repo + image)]);
        }

        scene
            .proxy
            .obey(&[Rule::each("PUT", "/blobs/uploads", away(503))]);
        std::fs::write(module.path().join("templates/a.yaml"), "c: 3\n").unwrap();
        let dir = module.path().to_str().unwrap();
        let ran = registry(&["publish", dir, "--repo", &bad, "--version", "v3.0.0"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
        assert!(
            ran.stderr.starts_with(&format!(
                "error: cannot publish: PUT {}/v2/modules/echo/blobs/uploads/",
                scene.proxy.url()
            )) && ran
                .stderr
                .ends_with(": unexpected status code 503 Service Unavailable: upstream is away\n"),
            "{}",
            ran.stderr
        );
        let puts = scene.proxy.asked();
        assert_eq!(
            puts.iter().filter(|one| one.method == "PUT").count(),
            5,
            "{puts:?}"
        );
        // Nobody finds half of it.
        let tags = says(&["tags", "echo", "--repo", &bad]);
        assert_eq!(tags, "v1.0.0\nv2.0.0\n");
    }
}

/// Half a minute without a byte is when a connection is given up (twice here, side by side: a head and a body).
#[test]
fn a_stalled_answer_is_asked_for_anew_after_half_a_minute() {
    std::thread::scope(|all| {
        for (flavour, part, fault) in [
            (BOTH[0], "/blobs/", Fault::Stall(300_000)),
            (BOTH[1], "/manifests/", Fault::Silence),
        ] {
            all.spawn(move || {
                let scene = Scene::new(flavour);
                let asked = scene.pulls(&[Rule::first(1, "GET", part, fault)]);
                let there: Vec<_> = asked.iter().filter(|one| one.target.contains(part)).collect();
                assert_eq!(there.len(), 2);
                let waited = (there[1].at - there[0].at).as_secs();
                // Its clock starts a little before the proxy's.
                assert!((29..60).contains(&waited), "{waited}");
                if part == "/blobs/" {
                    assert_eq!(there[1].range.as_deref(), Some("bytes=300000-"));
                    let sent: usize = blobs(&asked).iter().map(|one| one.sent).sum();
                    assert_eq!(sent, scene.size);
                }
            });
        }
    });
}
