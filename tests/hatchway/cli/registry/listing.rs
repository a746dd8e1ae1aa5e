//! Each command beside the line of crane that does the same.

use super::{module, other, publish, registry, says};
use crate::support::parts::crane;
use crate::support::registry::{BOTH, Registry};

/// The lines of a text, sorted.
fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}

/// `crane export IMAGE - | tar ARGUMENTS`.
fn exported(image: &str, arguments: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("image.tar");
    std::fs::write(&file, other(crane(), &["export", image, "-"])).unwrap();
    let mut all = vec![arguments[0], file.to_str().unwrap()];
    all.extend(&arguments[1..]);
    String::from_utf8(other("tar", &all)).unwrap()
}

#[test]
fn every_command_says_what_crane_says() {
    for flavour in BOTH {
        let server = Registry::open(flavour);
        let repo = &format!("{}/modules", server.host());
        publish(module().path(), repo);
        let at = ["--repo", repo];
        let ls = |repository: &str| String::from_utf8(other(crane(), &["ls", repository])).unwrap();
        let ours = |arguments: &[&str]| says(&[arguments, &at].concat());

        assert_eq!(ours(&["modules"]), ls(repo));
        assert_eq!(ours(&["tags", "echo"]), ls(&format!("{repo}/echo")));
        let releases = ours(&["releases", "echo"]);
        assert_eq!(releases, "v1.0.0\nalpha\n");
        assert_eq!(sorted(&releases), sorted(&ls(&format!("{repo}/echo/release"))));

        let image = format!("{repo}/echo:v1.0.0");
        // Crane takes the slash behind a folder's name away.
        let files = ours(&["files", "echo", "v1.0.0"]).replace("/\n", "\n");
        assert_eq!(sorted(&files), sorted(&exported(&image, &["-tf"])));
        let theirs: serde_json::Value =
            serde_json::from_str(&exported(&image, &["-Oxf", "images_digests.json"])).unwrap();
        let digests: serde_json::Value =
            serde_json::from_str(&ours(&["digests", "echo", "v1.0.0", "-o", "json"])).unwrap();
        assert_eq!(digests, theirs);
        assert_eq!(
            ours(&["digests", "echo", "v1.0.0"]),
            "backend   sha256:fcb04a7f\nfrontend  sha256:f31f4b7d\n"
        );
        assert_eq!(
            exported(&format!("{repo}/echo/release:alpha"), &["-Oxf", "version.json"]),
            r#"{"version":"v1.0.0"}"#
        );
        assert_eq!(ours(&["version", "echo", "Alpha"]), "v1.0.0\n");
    }
}

#[test]
fn lists_are_json_and_yaml_too() {
    let server = Registry::open(BOTH[0]);
    let repo = &format!("{}/modules", server.host());
    publish(module().path(), repo);
    let said =
        |arguments: &[&str], format: &str| says(&[arguments, &["--repo", repo, "-o", format]].concat());
    assert_eq!(said(&["modules"], "json"), "[\n  \"echo\"\n]\n");
    assert_eq!(said(&["releases", "echo"], "yaml"), "- v1.0.0\n- alpha\n");
    let files: serde_json::Value = serde_json::from_str(&said(&["files", "echo", "v1.0.0"], "json")).unwrap();
    let of = |path: &str| {
        let files = files.as_array().unwrap();
        files.iter().find(|file| file["path"] == path).unwrap().clone()
    };
    assert_eq!(
        of("hooks/run"),
        serde_json::json!({"path": "hooks/run", "kind": "file", "size": 10, "mode": "0755"})
    );
    assert_eq!(of("link")["target"], "templates/a.yaml");
    let version: serde_json::Value =
        serde_json::from_str(&said(&["version", "echo", "alpha"], "json")).unwrap();
    assert_eq!(version["version"], "v1.0.0");
    // By its digest the module's image is the same.
    let digest = String::from_utf8(other(crane(), &["digest", &format!("{repo}/echo:v1.0.0")])).unwrap();
    assert_eq!(
        said(&["files", "echo", digest.trim()], "human"),
        said(&["files", "echo", "v1.0.0"], "human")
    );
}

#[test]
fn names_that_are_no_modules_are_a_warning() {
    let server = Registry::open(BOTH[0]);
    let repo = &format!("{}/modules", server.host());
    publish(module().path(), repo);
    for tag in ["Not_A_Module", "modules", "a.b"] {
        other(crane(), &["tag", &format!("{repo}:echo"), tag]);
    }
    let ran = registry(&["modules", "--repo", repo]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "echo\n"));
    assert_eq!(
        ran.stderr,
        "warning: passed over, since they are no names of modules: \"Not_A_Module\", \"a.b\", \"modules\"\n"
    );
}
