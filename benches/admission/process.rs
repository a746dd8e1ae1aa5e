//! Servers as processes, and what they use.

use anyhow::Context;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that was started and is ended when it is dropped.
pub struct Server {
    /// How it is called in the tables.
    pub name: &'static str,
    /// Where it listens.
    pub address: String,
    child: Child,
}

impl Server {
    /// Starts it and waits until it says where it listens, and is ready where it has a port for that.
    pub fn start(name: &'static str, command: &mut Command) -> anyhow::Result<Self> {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let mut line = String::new();
        let output = child.stdout.take().context("no standard output")?;
        let read = BufReader::new(output).read_line(&mut line);
        let mut server = Self {
            name,
            address: String::new(),
            child,
        };
        read?;
        let ports: Value = serde_json::from_str(&line).with_context(|| format!("{name} did not start"))?;
        server.address = port(&ports, "https").context("no address")?;
        if let Some(ops) = port(&ports, "ops") {
            await_ready(&ops)?;
        }
        Ok(server)
    }

    /// CPU time used so far.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        cpu_of(&self.child.id().to_string())
    }

    /// Memory, in MiB.
    pub fn rss(&self) -> anyhow::Result<f64> {
        rss_of(&self.child.id().to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU time that a process has used. The kernel tells hundredths of a second: rounds have to be long beside that.
pub fn cpu_of(pid: &str) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The program's name may hold spaces; fields are counted after it: utime and stime are the 14th and 15th.
    let (_, fields) = stat.rsplit_once(')').context("no stat")?;
    let ticks = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<u64>)
        .sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(10 * ticks))
}

/// Resident memory of a process, in MiB.
pub fn rss_of(pid: &str) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("no VmRSS")?;
    let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes / 1024.0)
}

/// Tells the parent where this process listens, as `hatchway serve` does.
pub fn announce(address: SocketAddr) {
    println!("{}", json!({"https": address.to_string()}));
}

fn port(ports: &Value, name: &str) -> Option<String> {
    ports[name].as_str().map(str::to_owned)
}

fn await_ready(address: &str) -> anyhow::Result<()> {
    let until = Instant::now() + Duration::from_mins(1);
    loop {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        if line.contains(" 200 ") {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < until, "not ready within a minute: {line}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
