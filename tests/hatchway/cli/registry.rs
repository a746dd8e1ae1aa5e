//! The registry commands against registries that others wrote, beside clients that others wrote.

mod access;
mod clients;
mod disk;
mod errors;
mod faults;
mod listing;
mod proxies;
mod publish;
mod pull;
mod serve;
mod terminal;

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{Ran, hatchway, run};

/// Runs one of the commands to its end.
fn registry<A: AsRef<OsStr>>(arguments: &[A]) -> Ran {
    with_environment(arguments, &[])
}

fn with_environment<A: AsRef<OsStr>>(arguments: &[A], environment: &[(&str, &Path)]) -> Ran {
    let mut command = hatchway(Path::new("."), &["registry"]);
    command.args(arguments).envs(environment.iter().copied());
    run(command, b"")
}

/// The same for one that has to succeed in silence: what it prints.
#[track_caller]
fn says<A: AsRef<OsStr>>(arguments: &[A]) -> String {
    let ran = registry(arguments);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
    ran.stdout
}

/// Starts one of the commands beside the test.
fn start(arguments: &[&OsStr]) -> Child {
    let mut command = hatchway(Path::new("."), &["registry"]);
    command.args(arguments).stdin(Stdio::null()).spawn().unwrap()
}

/// Runs another program, which has to succeed: its standard output.
#[track_caller]
fn other<A: AsRef<OsStr>>(program: impl AsRef<OsStr>, arguments: &[A]) -> Vec<u8> {
    let mut command = Command::new(program);
    command.args(arguments);
    let output = command.output().expect("the program is there: run `make deps`");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

fn skopeo(arguments: &[&str]) {
    let all = [&["--insecure-policy", "copy", "-q"][..], arguments].concat();
    other("skopeo", &all);
}

/// A module with a file of every kind, each with the same content in every test.
fn module() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, content) in [
        ("module.yaml", "name: echo\nweight: 910\n"),
        ("changelog.yaml", "features: [louder]\n"),
        (
            "images_digests.json",
            r#"{"backend":"sha256:fcb04a7f","frontend":"sha256:f31f4b7d"}"#,
        ),
        ("openapi/config-values.yaml", "type: object\n"),
        ("templates/a.yaml", "a: 1\n"),
        ("hooks/run", "#!/bin/sh\n"),
    ] {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(dir.path().join("hooks/run"), executable).unwrap();
    std::os::unix::fs::symlink("templates/a.yaml", dir.path().join("link")).unwrap();
    dir
}

/// Publishes the module as v1.0.0 on alpha.
#[track_caller]
fn publish(dir: &Path, repo: &str) -> String {
    let dir = dir.to_str().unwrap();
    says(&[
        "publish",
        dir,
        "--repo",
        repo,
        "--version",
        "v1.0.0",
        "--channel",
        "alpha",
    ])
}

/// Every path below a folder with its mode (files only, in octal) and content or target, sorted.
fn tree(dir: &Path) -> Vec<String> {
    crate::depot::archives::lines(dir)
}

/// What stands beside a folder and is hidden.
fn hidden(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap().map(|entry| {
        let name = entry.unwrap().file_name();
        name.into_string().unwrap()
    });
    names.filter(|name| name.starts_with('.')).collect()
}
