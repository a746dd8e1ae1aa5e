//! What people see while they wait: a bar on a terminal, nothing elsewhere.

use std::path::Path;
use std::process::{Command, Stdio};

use super::{module, registry};
use crate::support::fault_proxy::{Fault, FaultProxy, Rule};
use crate::support::registry::{BOTH, Registry};

/// Runs a command on a terminal of its own, which `script` makes: all that is drawn.
fn drawn(arguments: &[&str]) -> String {
    let words: Vec<_> = [env!("CARGO_BIN_EXE_hatchway"), "registry"]
        .iter()
        .chain(arguments)
        .map(|word| format!("'{word}'"))
        .collect();
    let output = Command::new("script")
        .args(["--quiet", "--return", "--command", &words.join(" "), "/dev/null"])
        .env_clear()
        .env("TERM", "xterm")
        .env("PATH", std::env::var_os("PATH").unwrap())
        .stdin(Stdio::null())
        .output()
        .expect("script, of bsdutils, is there");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn long_work_shows_how_far_it_is_on_a_terminal_only() {
    let server = Registry::open(BOTH[0]);
    let proxy = FaultProxy::start(&server.host());
    let repo = &format!("{}/modules", proxy.host());
    let module = module();
    let mut random = fastrand::Rng::with_seed(7);
    let noise: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(1 << 20).collect();
    std::fs::write(module.path().join("noise"), noise).unwrap();
    let publish = [
        "publish",
        module.path().to_str().unwrap(),
        "--repo",
        repo,
        "--version",
    ];
    // An upload and a layer that come to a pause on their way.
    proxy.obey(&[Rule::first(1, "PUT", "/blobs/uploads", Fault::Reset)]);
    let said = drawn(&[&publish[..], &["v1.0.0"]].concat());
    assert!(said.contains(&format!("{repo}/echo:v1.0.0 [")), "{said}");
    assert!(said.contains("MiB"), "{said}");
    // The bar is wiped away, what is told stays.
    assert!(said.contains("\u{1b}[2K"), "{said:?}");
    assert!(said.contains(&format!("{repo}/echo:v1.0.0 sha256:")), "{said}");

    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("echo");
    let image = format!("{repo}/echo:v1.0.0");
    let pull = ["pull", &image, target.to_str().unwrap(), "--replace"];
    proxy.obey(&[Rule::first(1, "GET", "/blobs/", Fault::Cut(500_000))]);
    let said = drawn(&pull);
    assert!(said.contains("KiB/1.00 MiB") && said.contains('['), "{said}");
    assert!(said.contains(" is in \""), "{said}");
    assert!(Path::new(&target).join("noise").exists());

    // `says` finds standard error empty.
    for command in [&pull[..], &[&publish[..], &["v1.1.0"]].concat()] {
        let ran = registry(command);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        assert!(!ran.stdout.contains('\u{1b}'), "{}", ran.stdout);
    }
}
