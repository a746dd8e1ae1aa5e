//! The commands in front of real registries on a bad line: what comes through, what is told, what stays on disk, and how
//! often the registry was asked.

mod blobs;
mod manifests;
mod redirects;
mod throttling;
mod tokens;
mod transient;

use std::path::PathBuf;

use super::{hidden, module, other, publish, registry, says, tree};
use crate::support::fault_proxy::{Asked, FaultProxy, Rule};
use crate::support::parts::crane;
use crate::support::registry::{Flavour, Registry};

/// A registry with a module, a proxy in front of it, and a folder that an older pull has filled.
struct Scene {
    registry: Registry,
    proxy: FaultProxy,
    dir: tempfile::TempDir,
    /// What a pull has to bring.
    new: Vec<String>,
    layer: String,
    size: usize,
}

impl Scene {
    fn new(flavour: Flavour) -> Self {
        Self::with_noise(flavour, 1 << 20)
    }

    /// The module has a file of so many bytes that cannot be compressed.
    fn with_noise(flavour: Flavour, bytes: usize) -> Self {
        let registry = Registry::open(flavour);
        let module = module();
        let noise: Vec<u8> = std::iter::repeat_with({
            let mut random = fastrand::Rng::with_seed(7);
            move || random.u8(..)
        })
        .take(bytes)
        .collect();
        std::fs::write(module.path().join("templates/noise"), noise).unwrap();
        let repo = format!("{}/modules", registry.host());
        publish(module.path(), &repo);
        let manifest = other(crane(), &["manifest", &format!("{repo}/echo:v1.0.0")]);
        let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
        let layer = &manifest["layers"][0];
        let scene = Self {
            proxy: FaultProxy::start(&registry.host()),
            registry,
            dir: tempfile::tempdir().unwrap(),
            new: tree(module.path()),
            layer: layer["digest"].as_str().unwrap().to_owned(),
            size: usize::try_from(layer["size"].as_u64().unwrap()).unwrap(),
        };
        scene.make_old();
        scene
    }

    /// Through the proxy.
    fn repo(&self) -> String {
        format!("{}/modules", self.proxy.host())
    }

    fn image(&self) -> String {
        format!("{}/echo:v1.0.0", self.repo())
    }

    fn manifest_url(&self) -> String {
        format!("{}/v2/modules/echo/manifests/v1.0.0", self.proxy.url())
    }

    fn blob_url(&self) -> String {
        format!("{}/v2/modules/echo/blobs/{}", self.proxy.url(), self.layer)
    }

    fn target(&self) -> PathBuf {
        self.dir.path().join("echo")
    }

    fn make_old(&self) {
        let _none_yet = std::fs::remove_dir_all(self.target());
        std::fs::create_dir(self.target()).unwrap();
        std::fs::write(self.target().join("old"), "as it was").unwrap();
    }

    /// Pulls over the old module under the rules, which has to work: what the proxy was asked.
    #[track_caller]
    fn pulls(&self, rules: &[Rule]) -> Vec<Asked> {
        self.pulls_with(rules, &[])
    }

    #[track_caller]
    fn pulls_with(&self, rules: &[Rule], flags: &[&str]) -> Vec<Asked> {
        self.make_old();
        self.proxy.obey(rules);
        let (image, target) = (self.image(), self.target());
        let command = ["pull", &image, target.to_str().unwrap(), "--replace"];
        says(&[&command[..], flags].concat());
        assert!(tree(&target) == self.new, "other files than published: {rules:?}");
        assert_eq!(hidden(self.dir.path()), [""; 0], "{rules:?}");
        self.proxy.asked()
    }

    /// Pulls over the old module under the rules, which has to fail with the code and leave everything as it was: what is
    /// said, and what the proxy was asked.
    #[track_caller]
    fn fails(&self, rules: &[Rule], code: i32) -> (String, Vec<Asked>) {
        self.fails_with(rules, code, &[])
    }

    #[track_caller]
    fn fails_with(&self, rules: &[Rule], code: i32, flags: &[&str]) -> (String, Vec<Asked>) {
        self.make_old();
        self.proxy.obey(rules);
        let (image, target) = (self.image(), self.target());
        let command = ["pull", &image, target.to_str().unwrap(), "--replace"];
        let ran = registry(&[&command[..], flags].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{}", ran.stderr);
        assert_eq!(tree(&target), ["old 644 as it was"], "{rules:?}");
        let beside = std::fs::read_dir(self.dir.path()).unwrap().count();
        assert_eq!(beside, 1, "{rules:?} left something");
        (ran.stderr, self.proxy.asked())
    }
}

/// Those that are about blobs.
fn blobs(asked: &[Asked]) -> Vec<&Asked> {
    asked
        .iter()
        .filter(|one| one.target.contains("/blobs/"))
        .collect()
}
