//! Registries that ask to be left alone for a while (rule REG-7).

use std::time::{Duration, SystemTime};

use super::Scene;
use crate::cli::registry::{registry, says};
use crate::support::fault_proxy::{Fault, Rule};
use crate::support::registry::BOTH;

fn limited(status: u16) -> Fault {
    let code = if status == 429 {
        "TOOMANYREQUESTS"
    } else {
        "UNAVAILABLE"
    };
    Fault::refusal(status, code, "slow down")
}

#[test]
fn the_wait_that_was_asked_for_is_kept() {
    for flavour in BOTH {
        let scene = Scene::new(flavour);
        for (status, part, dated) in [
            (429, "/manifests/", false),
            (503, "/blobs/", false),
            (429, "/blobs/", true),
            (503, "/manifests/", true),
        ] {
            // Whole seconds, and far enough away for a busy machine to come to ask before.
            let date = SystemTime::now() + Duration::from_secs(4);
            let date = SystemTime::UNIX_EPOCH
                + Duration::from_secs(date.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs());
            let after = if dated {
                httpdate::fmt_http_date(date)
            } else {
                "2".to_owned()
            };
            let fault = limited(status).with("retry-after", &after);
            let asked = scene.pulls(&[Rule::first(1, "GET", part, fault)]);
            let there: Vec<_> = asked.iter().filter(|one| one.target.contains(part)).collect();
            assert_eq!((there.len(), asked.len()), (2, 3), "{flavour:?} {part}");
            let waited = there[1].at - there[0].at;
            let again = SystemTime::now() - there[1].at.elapsed();
            let kept = if dated {
                again >= date
            } else {
                waited >= Duration::from_secs(2)
            };
            assert!(
                kept && waited < Duration::from_secs(10),
                "{flavour:?} {after}: {waited:?}"
            );
        }
    }
}

#[test]
fn a_long_wait_is_told_and_not_sat_out() {
    for flavour in BOTH {
        let scene = Scene::new(flavour);
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_hours(1));
        for (status, after, code) in [
            (429, "3600", "TOOMANYREQUESTS"),
            (503, "3600", "UNAVAILABLE"),
            (429, &date, "TOOMANYREQUESTS"),
        ] {
            for part in ["/manifests/", "/blobs/"] {
                let fault = limited(status).with("retry-after", after);
                let (said, asked) = scene.fails(&[Rule::each("GET", part, fault)], 2);
                let start = format!("registry {} asks to wait until 2", scene.proxy.host());
                assert!(
                    said.contains(&start) && said.ends_with(&format!("Z: {status} {code}\n")),
                    "{flavour:?}: {said}"
                );
                let there = asked.iter().filter(|one| one.target.contains(part)).count();
                assert_eq!(there, 1, "{flavour:?} {part}");
            }
        }
    }
}

#[test]
fn without_a_wait_that_can_be_read_it_is_a_fault_as_any_other() {
    for flavour in BOTH {
        let scene = Scene::new(flavour);
        for after in ["soon", "-1", "0"] {
            let fault = limited(429).with("retry-after", after);
            let asked = scene.pulls(&[Rule::first(2, "GET", "/manifests/", fault)]);
            assert_eq!(asked.len(), 4, "{flavour:?} {after}");
        }
        let (said, asked) = scene.fails(&[Rule::each("GET", "/manifests/", limited(429))], 2);
        assert_eq!(
            said,
            format!(
                "error: fetch image error: GET {}: TOOMANYREQUESTS: slow down\n",
                scene.manifest_url()
            )
        );
        assert_eq!(asked.len(), 5);
    }
}

#[test]
fn a_wait_that_comes_again_and_again_ends_after_five_tries() {
    let scene = Scene::new(BOTH[0]);
    let fault = limited(429).with("retry-after", "1");
    scene
        .proxy
        .obey(&[Rule::each("GET", "/tags/list", fault.clone())]);
    let command = ["modules", "--repo", &scene.repo()];
    let ran = registry(&command);
    assert_eq!(ran.code, 2);
    let start = format!("error: registry {} asks to wait until 2", scene.proxy.host());
    assert!(
        ran.stderr.starts_with(&start) && ran.stderr.ends_with("Z: 429 TOOMANYREQUESTS\n"),
        "{}",
        ran.stderr
    );
    let asked = scene.proxy.asked();
    assert_eq!(asked.len(), 5);
    assert!(
        asked
            .windows(2)
            .all(|two| two[1].at - two[0].at >= Duration::from_secs(1))
    );
    scene.proxy.obey(&[Rule::first(1, "GET", "/tags/list", fault)]);
    assert_eq!(says(&command), "echo\n");
}
