//! The image that hack/image.sh writes: put together from the program under test, read by those who read images.
//! That the program of a real image is static is for `make image`, which takes minutes to build it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::PATIENCE;
use crate::support::http::plain_get;
use crate::support::process::{Process, Signal};

/// A layout of a program, in `folder`.
fn layout(folder: &Path, name: &str, program: &str) -> PathBuf {
    let layout = folder.join(name);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("hack/image.sh");
    let mut command = Command::new(script);
    command.arg(&layout);
    command.env("HATCHWAY_IMAGE_BINARY", program);
    // So that the test also passes where there is no git.
    command.env("SOURCE_DATE_EPOCH", "1767225600");
    succeed(&mut command);
    layout
}

/// Runs a program that has to succeed; its standard output.
fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn read(file: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

/// The file of a digest in a folder of skopeo's.
fn blob(folder: &Path, descriptor: &Value) -> PathBuf {
    let digest = descriptor["digest"].as_str().unwrap();
    folder.join(digest.strip_prefix("sha256:").unwrap())
}

#[test]
fn skopeo_copies_the_image_and_finds_what_a_pod_needs() {
    let folder = tempfile::tempdir().unwrap();
    let layout = layout(folder.path(), "image", env!("CARGO_BIN_EXE_hatchway"));
    let copy = folder.path().join("copy");
    let version = env!("CARGO_PKG_VERSION");
    succeed(
        Command::new("skopeo")
            .args(["copy", "--quiet"])
            .arg(format!("oci:{}:{version}", layout.display()))
            .arg(format!("dir:{}", copy.display())),
    );

    let manifest = read(&copy.join("manifest.json"));
    let config = read(&blob(&copy, &manifest["config"]));
    assert_eq!(config["created"], "2026-01-01T00:00:00Z");
    assert_eq!(config["os"], "linux");
    assert_eq!(
        config["config"],
        json!({
            // A number, since `runAsNonRoot` cannot look names up.
            "User": "65532:65532",
            "Env": ["PATH=/usr/bin"],
            "Entrypoint": ["/usr/bin/hatchway"],
            "Cmd": ["serve"],
            "WorkingDir": "/",
            "Labels": {
                "org.opencontainers.image.title": "hatchway",
                "org.opencontainers.image.description": env!("CARGO_PKG_DESCRIPTION"),
                "org.opencontainers.image.version": version,
                "org.opencontainers.image.licenses": env!("CARGO_PKG_LICENSE"),
            },
        })
    );
    // Whole archives: GNU tar complains of one that ends early.
    let mut entries = Vec::new();
    for layer in manifest["layers"].as_array().unwrap() {
        let listing = succeed(
            Command::new("tar")
                .args(["--list", "--gzip", "--verbose", "--numeric-owner", "--file"])
                .arg(blob(&copy, layer)),
        );
        entries.extend(listing.lines().map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            format!("{} {} {}", columns[0], columns[1], columns[5])
        }));
    }
    assert_eq!(
        entries,
        [
            "drwxr-xr-x 0/0 etc/ssl/certs/",
            "-rw-r--r-- 0/0 etc/ssl/certs/ca-certificates.crt",
            "drwxr-xr-x 65532/65532 var/lib/hatchway/",
            "drwxr-xr-x 0/0 usr/bin/",
            "-rwxr-xr-x 0/0 usr/bin/hatchway",
        ]
    );
}

#[test]
fn the_same_program_gives_the_same_image() {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] =
        ["one", "other"].map(|name| read(&layout(folder.path(), name, "/bin/true").join("index.json")));
    assert_eq!(one, other);
}

#[tokio::test]
async fn the_unpacked_image_runs() {
    let folder = tempfile::tempdir().unwrap();
    let layout = layout(folder.path(), "image", env!("CARGO_BIN_EXE_hatchway"));
    let bundle = folder.path().join("bundle");
    let version = env!("CARGO_PKG_VERSION");
    succeed(
        Command::new("umoci")
            .args(["unpack", "--rootless", "--image"])
            .arg(format!("{}:{version}", layout.display()))
            .arg(&bundle),
    );
    let process = &read(&bundle.join("config.json"))["process"];
    assert_eq!(process["user"], json!({"uid": 65532, "gid": 65532}));
    let arguments = process["args"].as_array().unwrap();
    let arguments: Vec<&str> = arguments
        .iter()
        .map(|argument| argument.as_str().unwrap())
        .collect();
    let (program, arguments) = arguments.split_first().unwrap();
    let program = bundle.join("rootfs").join(program.trim_start_matches('/'));
    assert_eq!(
        succeed(Command::new(&program).arg("--version")),
        format!("hatchway {version}\n")
    );

    let world = folder.path().join("world");
    std::fs::create_dir(&world).unwrap();
    let mut command = Command::new(&program);
    command
        .args(arguments)
        .args([
            "--https-addr",
            "127.0.0.1:0",
            "--ops-addr",
            "127.0.0.1:0",
            "--drain-delay",
            "0s",
        ])
        .arg("--standalone")
        .arg(&world)
        .current_dir(folder.path());
    let process = Process::start(&command, &folder.path().join("log"), None);
    let ports: Value = process.until("its ports are told", PATIENCE, || {
        let log = process.log();
        let line = log.lines().find(|line| line.starts_with("{\"https\""));
        line.and_then(|line| serde_json::from_str(line).ok())
    });
    let ops = ports["ops"].as_str().unwrap().parse().unwrap();
    crate::support::eventually("the image's server to be ready", async || {
        let answer = plain_get(ops, "/readyz").await.ok()?;
        (answer.status == 200).then_some(())
    })
    .await;
    process.signal(Signal::TERM);
    assert_eq!(process.wait(Duration::from_secs(30)), 0);
}
