//! What is published, and what is refused.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::super::root;
use super::{module, other, publish, registry, says};
use crate::support::parts::crane;
use crate::support::registry::{BOTH, Registry};

fn digest(image: &str) -> String {
    String::from_utf8(other(crane(), &["digest", image])).unwrap()
}

#[test]
fn the_same_folder_gives_the_same_digests_whoever_wrote_it_and_when() {
    for flavour in BOTH {
        let (one, two) = (Registry::open(flavour), Registry::open(flavour));
        let repo = |server: &Registry| format!("{}/modules", server.host());
        let first = module();
        publish(first.path(), &repo(&one));
        let second = module();
        // Modes beside the owner's x bit and times are no content.
        let mode = |path: &str, mode| {
            let path = second.path().join(path);
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        mode("module.yaml", 0o600);
        mode("hooks/run", 0o700);
        mode("templates", 0o777);
        let old = std::fs::File::open(second.path().join("templates/a.yaml")).unwrap();
        old.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        publish(second.path(), &repo(&two));
        for image in [
            "/echo:v1.0.0",
            "/echo/release:v1.0.0",
            "/echo/release:alpha",
            ":echo",
        ] {
            assert_eq!(
                digest(&(repo(&one) + image)),
                digest(&(repo(&two) + image)),
                "{image}"
            );
        }
        let again = publish(second.path(), &repo(&one));
        assert_eq!(again.lines().count(), 4);
        assert!(
            again.lines().all(|line| line.ends_with(" (there already)")),
            "{again}"
        );
    }
}

#[test]
fn a_version_is_replaced_only_when_that_is_said() {
    for flavour in BOTH {
        let server = Registry::open(flavour);
        let repo = &format!("{}/modules", server.host());
        let module = module();
        publish(module.path(), repo);
        let before = digest(&format!("{repo}/echo:v1.0.0"));
        std::fs::write(module.path().join("templates/a.yaml"), "a: 2\n").unwrap();
        let command = [
            "publish",
            module.path().to_str().unwrap(),
            "--repo",
            repo,
            "--version",
            "1.0.0",
        ];
        let ran = registry(&command);
        assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
        assert_eq!(
            ran.stderr,
            format!(
                "error: \"{repo}/echo:v1.0.0\" exists with other content ({}): publish a new version, or say \
                 --overwrite\n",
                before.trim()
            )
        );
        assert_eq!(digest(&format!("{repo}/echo:v1.0.0")), before);
        says(&[&command[..], &["--overwrite"]].concat());
        assert_ne!(digest(&format!("{repo}/echo:v1.0.0")), before);
        // The channel was not named, so it stays where it was.
        assert_eq!(says(&["version", "echo", "alpha", "--repo", repo]), "v1.0.0\n");
    }
}

#[test]
fn a_new_version_moves_the_channels_that_are_named() {
    let server = Registry::open(BOTH[0]);
    let repo = &format!("{}/modules", server.host());
    let module = module();
    publish(module.path(), repo);
    let dir = module.path().to_str().unwrap();
    says(&[
        "publish",
        dir,
        "--repo",
        repo,
        "--version",
        "v1.1.0",
        "--channel",
        "beta,EarlyAccess",
        "--channel",
        "stable",
    ]);
    assert_eq!(
        says(&["releases", "echo", "--repo", repo]),
        "v1.0.0\nv1.1.0\nalpha\nbeta\nearly-access\nstable\n"
    );
    for (channel, version) in [
        ("alpha", "v1.0.0\n"),
        ("early-access", "v1.1.0\n"),
        ("stable", "v1.1.0\n"),
    ] {
        assert_eq!(says(&["version", "echo", channel, "--repo", repo]), version);
    }
}

type Spoil = fn(&Path);

#[test]
fn what_is_no_module_is_refused_by_name() {
    let server = Registry::open(BOTH[0]);
    let repo = &format!("{}/modules", server.host());
    let cases: [(Spoil, &str); 5] = [
        (
            |dir| std::fs::remove_file(dir.join("module.yaml")).unwrap(),
            "a module's folder has a module.yaml that names it",
        ),
        (
            |dir| std::fs::write(dir.join("module.yaml"), "weight: 1\n").unwrap(),
            "module.yaml: name: required",
        ),
        (
            |dir| std::fs::write(dir.join("module.yaml"), "name: Echo\n").unwrap(),
            "module.yaml: name: \"Echo\" is no module name",
        ),
        (
            |dir| std::os::unix::fs::symlink("../outside", dir.join("out")).unwrap(),
            "\"out\"",
        ),
        (
            |dir| std::os::unix::fs::symlink("/etc/passwd", dir.join("out")).unwrap(),
            "\"out\"",
        ),
    ];
    for (spoil, said) in cases {
        let module = module();
        spoil(module.path());
        let dir = module.path().to_str().unwrap();
        let ran = registry(&["publish", dir, "--repo", repo, "--version", "v1.0.0"]);
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        assert!(
            ran.stderr.starts_with("error: ") && ran.stderr.contains(said),
            "{}",
            ran.stderr
        );
    }
    let ran = registry(&["modules", "--repo", repo]);
    assert!(
        ran.stderr.contains("NAME_UNKNOWN"),
        "nothing was pushed: {}",
        ran.stderr
    );
}

#[test]
fn a_mistyped_channel_or_version_is_told_before_anything_happens() {
    for (flags, said) in [
        (
            ["--version", "v1.0.0", "--channel", "stabel"],
            "\"stabel\" is no release channel, did you mean \"stable\"?",
        ),
        (["--version", "1.0", "--channel", "alpha"], "'1.0'"),
        (
            ["--version", "v1.0.0", "--channel", "v1.0.0"],
            "is no release channel, use one of",
        ),
    ] {
        let command = [&["publish", ".", "--repo", "registry.example.com/m"][..], &flags].concat();
        let ran = registry(&command);
        assert_eq!(ran.code, 2);
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
    }
    assert_eq!(registry(&["publish", ".", "--version", "v1.0.0"]).code, 2);
}

#[test]
fn the_documentation_shows_the_digests_that_the_example_has() {
    let text = std::fs::read_to_string(root("docs/registry.md")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let echo = dir.path().join("echo");
    other(
        "cp",
        &[
            "-r".as_ref(),
            root("manifests/examples/modules/echo").as_os_str(),
            echo.as_os_str(),
        ],
    );
    let publish = |version: &str, layout: &str| {
        let layout = dir.path().join(layout);
        let at = [
            "publish",
            echo.to_str().unwrap(),
            "--layout",
            layout.to_str().unwrap(),
        ];
        says(&[&at[..], &["--version", version, "--channel", "alpha"]].concat())
    };
    let shown = |said: &str, host: &str| {
        assert_eq!(said.lines().count(), 4);
        for line in said.lines() {
            let line = format!("\n{host}{line}");
            assert!(text.contains(&line), "not in the documentation: {line}");
        }
    };
    let host = "registry.example.com/";
    shown(&publish("v1.0.0", "as-it-is"), host);
    // As the documentation changes it.
    let file = echo.join("templates/configmap.yaml");
    let more = std::fs::read_to_string(&file).unwrap() + "# v1.1.0: a word more\n";
    std::fs::write(file, more).unwrap();
    shown(&publish("v1.1.0", "changed"), host);
    shown(&publish("v1.0.0", "changed-and-first"), "");
}
