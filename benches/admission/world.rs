//! The other objects: a cluster of middling size.

use crate::settings;
use anyhow::Context as _;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Modules besides those that are reviewed.
const MODULES: usize = 200;

/// Files that servers are started with.
pub struct Files {
    /// One JSON List of all objects.
    pub objects: PathBuf,
    /// The folder that holds it and nothing else.
    pub folder: PathBuf,
    /// The folder with `tls.crt` and `tls.key`.
    pub tls: PathBuf,
}

/// Writes them below `folder`.
pub fn write(folder: &Path) -> anyhow::Result<Files> {
    let files = Files {
        objects: folder.join("objects/world.json"),
        folder: folder.join("objects"),
        tls: folder.join("tls"),
    };
    fs::create_dir_all(&files.folder)?;
    fs::create_dir_all(&files.tls)?;
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects()});
    fs::write(&files.objects, list.to_string())?;
    // P-256: an RSA key costs four times as much per connection.
    let key = rcgen::KeyPair::generate().context("cannot make a key")?;
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()])?.self_signed(&key)?;
    fs::write(files.tls.join("tls.crt"), certificate.pem())?;
    fs::write(files.tls.join("tls.key"), key.serialize_pem())?;
    Ok(files)
}

fn objects() -> Vec<Value> {
    let source = |name: &str| {
        resource(
            "ModuleSource",
            name,
            "spec",
            &json!({"registry": {"repo": format!("registry-0.example.com/{name}/modules")}}),
        )
    };
    let policy = |name: &str| {
        resource(
            "ModuleUpdatePolicy",
            name,
            "spec",
            &json!({"releaseChannel": "Stable", "update": {"mode": "Auto"}}),
        )
    };
    let module = |name: &str| {
        let properties = json!({"availableSources": ["main", "extra"], "source": "main", "version": "v1.36.1", "weight": 900});
        resource("Module", name, "properties", &properties)
    };
    let mut objects = vec![
        source("main"),
        source("extra"),
        policy("stable"),
        policy("canary"),
        module("shop"),
        module(settings::MODULE),
    ];
    for i in 0..MODULES {
        let name = format!("module-{i}");
        objects.push(module(&name));
        objects.push(resource(
            "ModuleConfig",
            &name,
            "spec",
            &json!({"enabled": i % 2 == 0, "source": "main"}),
        ));
    }
    objects.push(settings::definition(settings::MODULE));
    objects
}

fn resource(kind: &str, name: &str, body_name: &str, body: &Value) -> Value {
    json!({"apiVersion": "deckhouse.io/v1alpha1", "kind": kind, "metadata": {"name": name}, body_name: body})
}
