//! A registry out of a folder.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::super::hatchway;
use super::{module, other, registry, says, skopeo, tree};
use crate::support::parts::crane;

/// A registry that is being served; killed with the value.
struct Served {
    child: Child,
    host: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _gone = self.child.wait();
    }
}

impl Served {
    fn start(layout: &Path) -> Self {
        let arguments = [
            "registry",
            "serve",
            layout.to_str().unwrap(),
            "--addr",
            "127.0.0.1:0",
        ];
        let mut child = hatchway(Path::new("."), &arguments)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut host = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut host).unwrap();
        Self {
            child,
            host: host.trim_end().to_owned(),
        }
    }

    fn end(mut self, signal: Signal) -> (Option<i32>, String) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        let code = self.child.wait().unwrap().code();
        let mut said = String::new();
        let mut errors = self.child.stderr.take().unwrap();
        errors.read_to_string(&mut said).unwrap();
        (code, said)
    }
}

#[test]
fn what_is_published_into_a_layout_is_served_and_pulled() {
    let dir = tempfile::tempdir().unwrap();
    let (layout, target) = (dir.path().join("layout"), dir.path().join("echo"));
    let module = module();
    let publish = |version: &str| {
        says(&[
            "publish",
            module.path().to_str().unwrap(),
            "--layout",
            layout.to_str().unwrap(),
            "--version",
            version,
            "--channel",
            "alpha",
        ])
    };
    let said = publish("v1.0.0");
    let names: Vec<_> = said.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(
        names,
        [
            "modules/echo:v1.0.0",
            "modules/echo/release:v1.0.0",
            "modules/echo/release:alpha",
            "modules:echo"
        ]
    );
    let served = Served::start(&layout);
    let repo = &format!("{}/modules", served.host);
    assert_eq!(says(&["modules", "--repo", repo]), "echo\n");
    assert_eq!(says(&["version", "echo", "alpha", "--repo", repo]), "v1.0.0\n");
    says(&["pull", &format!("{repo}/echo:v1.0.0"), target.to_str().unwrap()]);
    assert_eq!(tree(&target), tree(module.path()));
    // What is published while it runs is served.
    publish("v1.1.0");
    assert_eq!(says(&["tags", "echo", "--repo", repo]), "v1.0.0\nv1.1.0\n");
    assert_eq!(says(&["version", "echo", "alpha", "--repo", repo]), "v1.1.0\n");

    other(crane(), &["validate", "--remote", &format!("{repo}/echo:v1.1.0")]);
    let copy = format!("oci:{}:x", dir.path().join("copy").display());
    skopeo(&[
        "--src-tls-verify=false",
        &format!("docker://{repo}/echo:v1.1.0"),
        &copy,
    ]);

    let (code, said) = served.end(Signal::TERM);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("not for production"), "{said}");
    let (code, said) = Served::start(&layout).end(Signal::INT);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn names_in_a_layout_follow_the_repository_that_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let layout = dir.path().join("layout");
    let said = says(&[
        "publish",
        module().path().to_str().unwrap(),
        "--layout",
        layout.to_str().unwrap(),
        "--repo",
        "registry.example.com/deckhouse/modules",
        "--version",
        "v1.0.0",
    ]);
    assert!(
        said.starts_with("deckhouse/modules/echo:v1.0.0 sha256:"),
        "{said}"
    );
    let served = Served::start(&layout);
    let repo = format!("{}/deckhouse/modules", served.host);
    assert_eq!(says(&["modules", "--repo", &repo]), "echo\n");
}

#[test]
fn what_is_no_layout_or_no_port_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let ran = registry(&["serve", dir.path().to_str().unwrap()]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.stderr.contains(dir.path().to_str().unwrap()),
        "{}",
        ran.stderr
    );
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let layout = dir.path().join("layout");
    says(&[
        "publish",
        module().path().to_str().unwrap(),
        "--layout",
        layout.to_str().unwrap(),
        "--version",
        "v1.0.0",
    ]);
    let ran = registry(&["serve", layout.to_str().unwrap(), "--addr", &address]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(
        ran.stderr
            .starts_with(&format!("error: cannot listen on --addr {address}: ")),
        "{}",
        ran.stderr
    );
}
