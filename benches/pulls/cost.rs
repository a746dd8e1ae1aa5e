//! What a command costs: it runs below a small process of its own, which asks the kernel what all that it waited for used.
//! Memory then is that of the largest single process, and nothing of the benchmark's own.

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::process::{Command, Stdio};
use std::time::Instant;

/// First argument of this program when it runs a command and says what that took.
pub const ROLE: &str = "cost";

/// What was used.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Wall clock, in seconds.
    pub wall: f64,
    /// CPU of the command and all its descendants, kernel included, in seconds.
    pub cpu: f64,
    /// Peak resident memory of its largest process, in MiB.
    pub rss: f64,
}

/// Runs the command and tells what it cost; its output is kept for when it fails.
pub fn of<I: AsRef<OsStr>>(command: impl IntoIterator<Item = I>) -> anyhow::Result<Cost> {
    let output = Command::new(std::env::current_exe()?)
        .arg(ROLE)
        .args(command)
        .output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let told: Value = serde_json::from_slice(&output.stdout)?;
    let number = |key: &str| told[key].as_f64().context("not a number");
    Ok(Cost {
        wall: number("wall")?,
        cpu: number("cpu")?,
        rss: number("rss")?,
    })
}

/// The small process.
pub fn tell(command: &[&str]) -> anyhow::Result<()> {
    let (program, args) = command.split_first().context("no command")?;
    let started = Instant::now();
    let status = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {program}"))?;
    let wall = started.elapsed().as_secs_f64();
    ensure!(status.success(), "{program} failed: {status}");
    let (cpu, rss) = used(libc::RUSAGE_CHILDREN)?;
    println!("{}", json!({"wall": wall, "cpu": cpu, "rss": rss}));
    Ok(())
}

/// CPU seconds and peak MiB, of this process (`RUSAGE_SELF`) or of the children that it waited for.
#[allow(unsafe_code, reason = "no crate in the tree wraps getrusage")]
pub fn used(whose: libc::c_int) -> anyhow::Result<(f64, f64)> {
    // SAFETY: the struct is plain numbers, for which zeros are good, and the kernel writes no more than one.
    let (done, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        (libc::getrusage(whose, &raw mut usage), usage)
    };
    ensure!(done == 0, "getrusage: {}", std::io::Error::last_os_error());
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    Ok((
        seconds(usage.ru_utime) + seconds(usage.ru_stime),
        usage.ru_maxrss as f64 / 1024.0,
    ))
}
