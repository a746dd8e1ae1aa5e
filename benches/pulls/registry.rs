//! The registry that is pulled from: distribution's, on loopback, with what it holds in a folder.

use crate::images::{self, Image};
use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::json;
use std::env;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where images are pushed.
pub const REPOSITORY: &str = "modules/bench";

/// A registry that was started and is ended when it is dropped.
pub struct Registry {
    /// `127.0.0.1:PORT`.
    pub host: String,
    store: PathBuf,
    child: Child,
}

/// What making an image said of it.
#[derive(Deserialize)]
pub struct Pushed {
    /// Compressed bytes.
    pub size: u64,
    /// Digests, the lowest first.
    pub layers: Vec<String>,
}

impl Registry {
    /// Starts it over an empty store below `folder`.
    pub fn start(folder: &Path) -> anyhow::Result<Self> {
        let program = tool("HATCHWAY_BENCH_REGISTRY")?;
        let (config, log) = (folder.join("registry.json"), folder.join("registry.log"));
        let store = folder.join("store");
        // JSON is YAML.
        let text = json!({
            "version": 0.1,
            "log": {"level": "info", "accesslog": {"disabled": true}},
            "storage": {"filesystem": {"rootdirectory": &store}},
            "http": {"addr": "127.0.0.1:0", "secret": "of no use to a single replica"},
        });
        fs::write(&config, text.to_string())?;
        let child = Command::new(&program)
            // Version 3 sends traces to localhost:4318 unless told not to.
            .env("OTEL_TRACES_EXPORTER", "none")
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let mut registry = Self {
            host: String::new(),
            store,
            child,
        };
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let said = fs::read_to_string(&log)?;
            if let Some(address) = address_in(&said) {
                registry.host = address;
                return Ok(registry);
            }
            ensure!(Instant::now() < until, "the registry does not listen: {said}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Makes the image and pushes it.
    pub fn push(&self, image: &Image, folder: &Path) -> anyhow::Result<Pushed> {
        let layout = folder.join(image.tag());
        let made = Command::new(env::current_exe()?)
            .args([images::ROLE, image.name])
            .arg(&layout)
            .stderr(Stdio::inherit())
            .output()?;
        ensure!(made.status.success(), "cannot make '{}'", image.name);
        let pushed = serde_json::from_slice(&made.stdout)?;
        let output = Command::new(tool("HATCHWAY_BENCH_CRANE")?)
            .arg("push")
            .arg(&layout)
            .arg(self.reference(image))
            .output()?;
        ensure!(
            output.status.success(),
            "cannot push '{}': {}",
            image.name,
            String::from_utf8_lossy(&output.stderr)
        );
        fs::remove_dir_all(&layout)?;
        Ok(pushed)
    }

    /// The folder in which it keeps repositories, each in one of its own.
    pub fn repositories(&self) -> PathBuf {
        self.store.join("docker/registry/v2/repositories")
    }

    /// `127.0.0.1:PORT/modules/bench:TAG`.
    pub fn reference(&self, image: &Image) -> String {
        format!("{}/{REPOSITORY}:{}", self.host, image.tag())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that `hack/bench.sh` names.
pub fn tool(variable: &str) -> anyhow::Result<PathBuf> {
    env::var_os(variable)
        .map(PathBuf::from)
        .with_context(|| format!("{variable} is not set; hack/bench.sh sets it"))
}

fn address_in(log: &str) -> Option<String> {
    let (_, rest) = log.split_once("listening on ")?;
    let address: SocketAddr = rest.split(['"', ',']).next()?.parse().ok()?;
    Some(address.to_string())
}
