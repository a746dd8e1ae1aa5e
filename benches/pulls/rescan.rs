//! A rescan of modules that did not change: a HEAD for each, by our client and by one that does nothing else, each in a
//! process of its own.

use crate::cost;
use crate::registry::REPOSITORY;
use anyhow::{Context, ensure};
use bytes::Bytes;
use hatchway::registry::{CONNECTIONS, Name, Network, Options, Scheme, Source};
use http::{Request, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// First argument of this program when it scans.
pub const ROLE: &str = "scan";
/// How many modules a source has.
pub const COUNT: usize = 1_000;
/// Our client.
pub const OURS: &str = "hatchway";
/// hyper over as many connections, and nothing else.
pub const BARE: &str = "bare";

const SOURCE: &str = "modules";
const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";

/// What a scan used.
pub struct Scan {
    /// Seconds.
    pub wall: f64,
    /// CPU per request, in milliseconds.
    pub cpu: f64,
}

/// Gives each module a release image under the tag that is asked for: the repository that was pushed to, copied in the
/// registry's store, for the registry syncs three times for each that is pushed.
pub fn prepare(repositories: &Path) -> anyhow::Result<()> {
    let pushed = repositories.join(REPOSITORY);
    for number in 0..COUNT {
        copy(&pushed, &repositories.join(release(number)))?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

/// A scan in a process of its own.
pub fn measure(client: &str, host: &str, tag: &str) -> anyhow::Result<Scan> {
    let output = Command::new(std::env::current_exe()?)
        .args([ROLE, client, host, tag])
        .output()?;
    ensure!(
        output.status.success(),
        "the scan of '{client}' failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let told: Value = serde_json::from_slice(&output.stdout)?;
    let connections = told["connections"].as_u64().context("no connections")?;
    ensure!(
        connections <= CONNECTIONS as u64,
        "'{client}' used {connections} connections"
    );
    let number = |key: &str| told[key].as_f64().context("not a number");
    Ok(Scan {
        wall: number("wall")?,
        cpu: number("cpu")?,
    })
}

/// Scans and prints what that took.
pub fn scan(client: &str, host: &str, tag: &str) -> anyhow::Result<()> {
    let (wall, cpu, connections) = runtime()?.block_on(async {
        // The runtime has some for itself.
        let sockets_before = sockets()?;
        let (before, _) = cost::used(libc::RUSAGE_SELF)?;
        let started = Instant::now();
        if client == BARE {
            each(host, async |sender, number| {
                let path = format!("/v2/{}/manifests/{tag}", release(number));
                head(sender, host, &path).await
            })
            .await?;
        } else {
            ours(host, tag).await?;
        }
        let wall = started.elapsed().as_secs_f64();
        let (after, _) = cost::used(libc::RUSAGE_SELF)?;
        anyhow::Ok((wall, after - before, sockets()?.saturating_sub(sockets_before)))
    })?;
    println!(
        "{}",
        json!({"wall": wall, "cpu": cpu * 1e3 / COUNT as f64, "connections": connections})
    );
    Ok(())
}

/// As a source is scanned: a task per module, and the client's budget holds them back.
async fn ours(host: &str, tag: &str) -> anyhow::Result<()> {
    let client = Network::new(Options::default()).client(Source::new(Scheme::Http, host, SOURCE))?;
    let mut tasks = JoinSet::new();
    for number in 0..COUNT {
        let (client, name) = (client.clone(), Name::tag(tag));
        tasks.spawn(async move {
            let repository = client.releases(&module(number));
            repository.digest(&name).await
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

/// A HEAD for each module, over kept connections side by side.
async fn each(
    host: &str,
    work: impl AsyncFn(&mut SendRequest<Empty<Bytes>>, usize) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let next = AtomicUsize::new(0);
    let worker = async || {
        let mut sender = connect(host).await?;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= COUNT {
                return anyhow::Ok(());
            }
            work(&mut sender, number).await?;
        }
    };
    futures_util::future::try_join_all((0..CONNECTIONS).map(|_| worker())).await?;
    Ok(())
}

async fn connect(host: &str) -> anyhow::Result<SendRequest<Empty<Bytes>>> {
    let stream = TcpStream::connect(host).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// Asks what the tag stands for.
async fn head(sender: &mut SendRequest<Empty<Bytes>>, host: &str, path: &str) -> anyhow::Result<()> {
    let request = Request::head(path)
        .header(header::HOST, host)
        .header(header::ACCEPT, ACCEPT)
        .body(Empty::new())?;
    sender.ready().await?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    ensure!(status.is_success(), "HEAD {path}: {status}");
    ensure!(
        response.headers().contains_key("docker-content-digest"),
        "HEAD {path}: no digest"
    );
    response.into_body().collect().await?;
    Ok(())
}

fn module(number: usize) -> String {
    format!("module-{number:04}")
}

fn release(number: usize) -> String {
    format!("{SOURCE}/{}/release", module(number))
}

/// Sockets of this process.
fn sockets() -> anyhow::Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir("/proc/self/fd")? {
        // The folder's own handle is gone when its turn comes.
        let leads = std::fs::read_link(entry?.path()).unwrap_or_default();
        count += usize::from(leads.to_string_lossy().starts_with("socket:"));
    }
    Ok(count)
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}
