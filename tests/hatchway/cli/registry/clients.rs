//! What is published here others can read, and what others push can be read here.

use std::path::Path;

use super::{module, other, publish, says, skopeo, tree};
use crate::support::parts::crane;
use crate::support::registry::{BOTH, Registry};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Pulls an image into a new folder: its tree.
#[track_caller]
fn pulled(image: &str) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("image");
    says(&["pull", image, text(&target)]);
    tree(&target)
}

#[test]
fn crane_skopeo_and_umoci_read_what_is_published() {
    for flavour in BOTH {
        let server = Registry::open(flavour);
        let repo = format!("{}/modules", server.host());
        let module = module();
        publish(module.path(), &repo);
        for image in ["echo:v1.0.0", "echo/release:v1.0.0", "echo/release:alpha"] {
            other(crane(), &["validate", "--remote", &format!("{repo}/{image}")]);
        }
        let dir = tempfile::tempdir().unwrap();
        let layout = dir.path().join("layout");
        let from = format!("docker://{repo}/echo:v1.0.0");
        skopeo(&[
            "--src-tls-verify=false",
            &from,
            &format!("oci:{}:x", text(&layout)),
        ]);
        let bundle = dir.path().join("bundle");
        let image = format!("{}:x", text(&layout));
        other(
            "umoci",
            &["unpack", "--rootless", "--image", &image, text(&bundle)],
        );
        assert_eq!(tree(&bundle.join("rootfs")), tree(module.path()));
    }
}

#[test]
fn skopeo_and_umoci_read_a_layout_that_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, theirs) = (dir.path().join("ours"), dir.path().join("theirs"));
    let module = module();
    says(&[
        "publish",
        text(module.path()),
        "--layout",
        text(&ours),
        "--version",
        "v1.0.0",
    ]);
    skopeo(&[
        &format!("oci:{}:modules/echo:v1.0.0", text(&ours)),
        &format!("oci:{}:x", text(&theirs)),
    ]);
    let bundle = dir.path().join("bundle");
    let image = format!("{}:x", text(&theirs));
    other(
        "umoci",
        &["unpack", "--rootless", "--image", &image, text(&bundle)],
    );
    assert_eq!(tree(&bundle.join("rootfs")), tree(module.path()));
}

/// An image of several layers in a layout, made by umoci on top of what is published here: a file more, one less, and a
/// folder whose content is replaced.
fn layered(server: &Registry, dir: &Path) -> String {
    let work = format!("{}:x", text(&dir.join("work")));
    let from = format!("docker://{}/modules/echo:v1.0.0", server.host());
    skopeo(&["--src-tls-verify=false", &from, &format!("oci:{work}")]);
    let (file, folder) = (dir.join("file"), dir.join("folder"));
    std::fs::write(&file, "b: 2\n").unwrap();
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("values.yaml"), "type: array\n").unwrap();
    let insert = |more: &[&str]| {
        other(
            "umoci",
            &[&["insert", "--rootless", "--image", &work], more].concat(),
        );
    };
    insert(&[text(&file), "/templates/b.yaml"]);
    insert(&["--whiteout", "/changelog.yaml"]);
    insert(&["--opaque", text(&folder), "/openapi"]);
    format!("oci:{work}")
}

#[test]
fn reads_layers_of_others_however_they_are_packed() {
    for flavour in BOTH {
        let server = Registry::open(flavour);
        let repo = format!("{}/modules", server.host());
        publish(module().path(), &repo);
        let dir = tempfile::tempdir().unwrap();
        let image = &layered(&server, dir.path());
        let to = |tag: &str| format!("docker://{repo}/echo:{tag}");
        let push = |options: &[&str], from: &str, tag: &str| {
            let to = to(tag);
            skopeo(&[options, &["--dest-tls-verify=false", from, &to]].concat());
        };
        push(&["--format", "v2s2"], image, "docker");
        push(&["--format", "oci"], image, "oci");
        push(
            &["--format", "oci", "--dest-compress-format", "zstd"],
            image,
            "zstd",
        );
        let plain = format!("dir:{}", text(&dir.path().join("plain")));
        skopeo(&["--dest-decompress", image, &plain]);
        push(&["--preserve-digests"], &plain, "plain");
        let docker_plain = format!("dir:{}", text(&dir.path().join("docker-plain")));
        skopeo(&["--format", "v2s2", "--dest-decompress", image, &docker_plain]);
        push(&["--preserve-digests"], &docker_plain, "docker-plain");

        let bundle = dir.path().join("bundle");
        let layout = image.strip_prefix("oci:").unwrap();
        other(
            "umoci",
            &["unpack", "--rootless", "--image", layout, text(&bundle)],
        );
        let expected = tree(&bundle.join("rootfs"));
        let files = "hooks/\nhooks/run\nimages_digests.json\nlink\nmodule.yaml\nopenapi/\nopenapi/values.yaml\n\
                     templates/\ntemplates/a.yaml\ntemplates/b.yaml\n";
        for tag in ["docker", "oci", "zstd", "plain", "docker-plain"] {
            assert_eq!(
                pulled(&format!("{repo}/echo:{tag}")),
                expected,
                "{flavour:?} {tag}"
            );
            assert_eq!(says(&["files", "echo", tag, "--repo", &repo]), files, "{tag}");
            assert_eq!(
                says(&["digests", "echo", tag, "--repo", &repo]),
                "backend   sha256:fcb04a7f\nfrontend  sha256:f31f4b7d\n"
            );
        }
    }
}

#[test]
fn takes_the_image_of_this_machine_out_of_an_index() {
    for flavour in BOTH {
        let server = Registry::open(flavour);
        let repo = format!("{}/modules", server.host());
        let dir = tempfile::tempdir().unwrap();
        let mut index = vec!["index".to_owned(), "append".to_owned()];
        for architecture in ["amd64", "arm64", "s390x"] {
            let folder = dir.path().join(architecture);
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join("for"), architecture).unwrap();
            let archive = dir.path().join(format!("{architecture}.tar"));
            other("tar", &["-cf", text(&archive), "-C", text(&folder), "for"]);
            let image = format!("{repo}/echo:{architecture}");
            other(crane(), &["append", "-f", text(&archive), "-t", &image]);
            let platform = format!("linux/{architecture}");
            other(
                crane(),
                &["mutate", "--set-platform", &platform, "-t", &image, &image],
            );
            index.extend(["-m".to_owned(), image]);
        }
        let mine = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        for (tag, kind) in [("oci", None), ("docker", Some("--docker-empty-base"))] {
            let image = format!("{repo}/echo:{tag}");
            let mut command = index.clone();
            command.extend(["-t".to_owned(), image.clone()]);
            command.extend(kind.map(str::to_owned));
            other(crane(), &command);
            assert_eq!(pulled(&image), [format!("for 644 {mine}")], "{flavour:?} {tag}");
        }
    }
}
