//! Layers that break off, lie, or never end.

use super::{Scene, blobs};
use crate::cli::registry::registry;
use crate::support::fault_proxy::{Fault, Rule};
use crate::support::registry::BOTH;

#[test]
fn a_layer_is_taken_up_where_it_broke_off() {
    for flavour in BOTH {
        let scene = Scene::new(flavour);
        for (fault, exact) in [(Fault::Cut(200_000), true), (Fault::CutByReset(200_000), false)] {
            let asked = scene.pulls(&[Rule::first(3, "GET", "/blobs/", fault)]);
            let blobs = blobs(&asked);
            let ranges: Vec<_> = blobs.iter().map(|one| one.range.as_deref()).collect();
            assert_eq!((blobs.len(), ranges[0]), (4, None), "{flavour:?}");
            assert!(ranges[1..].iter().all(Option::is_some), "{flavour:?} {ranges:?}");
            assert_eq!(blobs[3].status, 206, "{flavour:?}");
            if exact {
                let expected = [
                    None,
                    Some("bytes=200000-"),
                    Some("bytes=400000-"),
                    Some("bytes=600000-"),
                ];
                assert_eq!(ranges, expected, "{flavour:?}");
                let sent: usize = blobs.iter().map(|one| one.sent).sum();
                assert_eq!(sent, scene.size, "{flavour:?}: no byte came twice");
            }
        }
    }
}

#[test]
fn a_long_layer_arrives_however_often_the_line_breaks_while_it_moves() {
    for flavour in BOTH {
        let scene = Scene::with_noise(flavour, 6_500_000);
        let asked = scene.pulls(&[Rule::each("GET", "/blobs/", Fault::Cut(1_060_000))]);
        let blobs = blobs(&asked);
        assert_eq!(blobs.len(), scene.size.div_ceil(1_060_000), "{flavour:?}");
        assert_eq!(blobs.iter().map(|one| one.sent).sum::<usize>(), scene.size);
    }
}

#[test]
fn a_layer_that_does_not_move_is_given_up() {
    for flavour in BOTH {
        let scene = Scene::new(flavour);
        let (said, asked) = scene.fails(&[Rule::each("GET", "/blobs/", Fault::Cut(0))], 2);
        let (layer, image, url) = (&scene.layer, scene.image(), scene.blob_url());
        let start = format!(
            "error: cannot read layer {layer} of {image}: GET {url}: the blob broke off at 0 of {} bytes: ",
            scene.size
        );
        assert!(said.starts_with(&start), "{flavour:?}: {said}");
        assert_eq!(blobs(&asked).len(), 5);
    }
}

#[test]
fn ranges_that_are_not_honoured_are_read_over_or_refused() {
    for flavour in BOTH {
        let scene = Scene::new(flavour);
        let cut = Rule::first(1, "GET", "/blobs/", Fault::Cut(200_000));
        // Somewhere else than was asked for.
        let elsewhere = Fault::Header("content-range", format!("bytes 300000-{0}/{0}", scene.size));
        let (said, _) = scene.fails(&[cut.clone(), Rule::each("GET", "/blobs/", elsewhere)], 2);
        assert!(
            said.ends_with(": asked for bytes from 200000, got them from 300000\n"),
            "{flavour:?}: {said}"
        );
        let (said, _) = scene.fails(
            &[
                cut.clone(),
                Rule::each(
                    "GET",
                    "/blobs/",
                    Fault::Header("content-range", "items 1-2/3".into()),
                ),
            ],
            2,
        );
        assert!(
            said.ends_with(": the Content-Range \"items 1-2/3\" cannot be read\n"),
            "{said}"
        );
        // From before it is read over; here that is a lie, and what arrives is not the layer.
        let before = Fault::Header("content-range", format!("bytes 100000-{0}/{0}", scene.size));
        let (said, asked) = scene.fails(&[cut, Rule::nth(1, "GET", "/blobs/", before)], 2);
        assert!(said.contains(" came with other bytes: "), "{said}");
        assert_eq!(blobs(&asked).len(), 3);
    }
}

#[test]
fn lengths_that_lie_cost_a_try_and_nothing_else() {
    for flavour in BOTH {
        let scene = Scene::new(flavour);
        // Too short a promise: the rest is asked for.
        let asked = scene.pulls(&[Rule::first(1, "GET", "/blobs/", Fault::Length(-100_000))]);
        let blobs = blobs(&asked);
        assert_eq!(blobs.len(), 2, "{flavour:?}");
        let range = format!("bytes={}-", scene.size - 100_000);
        assert_eq!(blobs[1].range, Some(range), "{flavour:?}");
        // Too long a promise: every byte was there, and they are the right ones.
        let asked = scene.pulls(&[Rule::each("GET", "/blobs/", Fault::Length(100_000))]);
        assert_eq!(super::blobs(&asked).len(), 1, "{flavour:?}");
    }
}

#[test]
fn other_bytes_are_refused_and_nothing_of_them_stays() {
    for flavour in BOTH {
        let scene = Scene::new(flavour);
        let (layer, image) = (&scene.layer, scene.image());
        // In the head of the compression, in the middle, in the sum behind it.
        for at in [0, scene.size / 2, scene.size - 1] {
            let (said, asked) = scene.fails(&[Rule::each("GET", "/blobs/", Fault::Flip(at))], 2);
            let start =
                format!("error: layer {layer} of {image} came with other bytes: their digest is sha256:");
            assert!(said.starts_with(&start), "{flavour:?} {at}: {said}");
            assert_eq!(blobs(&asked).len(), 1, "{flavour:?} {at}");
        }
    }
}

#[test]
fn a_layer_without_an_end_is_refused_where_it_should_have_ended() {
    for flavour in BOTH {
        let scene = Scene::new(flavour);
        let (said, asked) = scene.fails(&[Rule::each("GET", "/blobs/", Fault::Endless)], 2);
        assert!(
            said.ends_with(&format!(
                "GET {}: the blob is longer than its {} bytes\n",
                scene.blob_url(),
                scene.size
            )),
            "{flavour:?}: {said}"
        );
        let blobs = blobs(&asked);
        assert_eq!(blobs.len(), 1);
        // What the sockets hold goes out, too.
        assert!(blobs[0].sent < scene.size + (16 << 20), "{}", blobs[0].sent);
    }
}

#[test]
fn a_pull_that_fails_leaves_no_folder_where_there_was_none() {
    for flavour in BOTH {
        let scene = Scene::new(flavour);
        let image = scene.image();
        let nowhere = tempfile::tempdir().unwrap();
        let target = nowhere.path().join("echo");
        for fault in [Fault::Flip(scene.size / 2), Fault::Endless] {
            scene.proxy.obey(&[Rule::each("GET", "/blobs/", fault)]);
            let ran = registry(&["pull", &image, target.to_str().unwrap()]);
            assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{}", ran.stderr);
            assert_eq!(std::fs::read_dir(nowhere.path()).unwrap().count(), 0);
            // An empty folder stays one.
            std::fs::create_dir(&target).unwrap();
            assert_eq!(registry(&["pull", &image, target.to_str().unwrap()]).code, 2);
            assert_eq!(std::fs::read_dir(&target).unwrap().count(), 0);
            std::fs::remove_dir(&target).unwrap();
        }
    }
}

#[test]
fn a_layers_content_type_decides_nothing() {
    for flavour in BOTH {
        let scene = Scene::new(flavour);
        for kind in ["text/html", "application/vnd.oci.image.manifest.v1+json", ""] {
            scene.pulls(&[Rule::each(
                "GET",
                "/blobs/",
                Fault::Header("content-type", kind.into()),
            )]);
        }
        // Nor does a transfer's encoding that is none.
        scene.pulls(&[Rule::each(
            "GET",
            "/blobs/",
            Fault::Header("content-encoding", "gzip".into()),
        )]);
    }
}
