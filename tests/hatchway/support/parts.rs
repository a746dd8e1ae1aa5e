//! Where the real parts are: kube-apiserver, etcd, kubectl, registries.
//!
//! `hack/parts.sh` alone knows where it put them; it is asked once per test process. A missing part fails the test that
//! wants it: a test that is silently skipped proves nothing.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A program of the control plane: `kube-apiserver`, `etcd` or `kubectl`.
pub(crate) fn asset(program: &str) -> PathBuf {
    present(located("KUBEBUILDER_ASSETS").join(program))
}

/// The registry of the distribution project, version 3: pages of tags, `Link`, every kind of login.
pub(crate) fn distribution_registry() -> PathBuf {
    present(located("HATCHWAY_TEST_REGISTRY"))
}

/// Debian's docker-registry, version 2.8: a second dialect, which ignores `n` and `last` and sends no `Link`.
pub(crate) fn debian_registry() -> PathBuf {
    present(located("HATCHWAY_TEST_DOCKER_REGISTRY"))
}

/// The registry client of go-containerregistry.
pub(crate) fn crane() -> PathBuf {
    present(located("HATCHWAY_TEST_CRANE"))
}

fn located(name: &str) -> PathBuf {
    static PATHS: OnceLock<HashMap<String, PathBuf>> = OnceLock::new();
    PATHS.get_or_init(ask)[name].clone()
}

fn ask() -> HashMap<String, PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("hack/parts.sh");
    let output = Command::new(script)
        .arg("paths")
        .output()
        .expect("hack/parts.sh runs");
    assert!(
        output.status.success(),
        "hack/parts.sh paths: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .expect("paths are UTF-8")
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, path)| (name.to_owned(), PathBuf::from(path)))
        .collect()
}

fn present(path: PathBuf) -> PathBuf {
    assert!(path.is_file(), "{} is not there: run `make deps`", path.display());
    path
}
