//! Starts the built binary on free ports and talks to it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long an effect may take to show before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running server; ended with the value.
pub(crate) struct Hatchway {
    child: Child,
    /// A folder of its own: the standalone world, `ca.crt`, `stderr`.
    pub(crate) dir: TempDir,
    pub(crate) https: SocketAddr,
    pub(crate) ops: SocketAddr,
    /// What its callers have to trust.
    pub(crate) ca: PathBuf,
}

/// A command for the binary, free of whatever the surroundings set.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hatchway"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HATCHWAY_") {
            command.env_remove(name);
        }
    }
    command
}

impl Hatchway {
    /// With a certificate of its own.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ca = dir.path().join("ca.crt");
        let mut all = vec!["--ca-file", ca.to_str().unwrap()];
        all.extend(flags);
        Self::run(dir, ca.clone(), &all)
    }

    /// The same over a world that holds files from the start: names and what they say.
    pub(crate) fn start_on(files: &[(&str, &str)], flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let world = dir.path().join("world");
        std::fs::create_dir_all(&world).unwrap();
        for (name, text) in files {
            std::fs::write(world.join(name), text).unwrap();
        }
        let ca = dir.path().join("ca.crt");
        let all = [&["--ca-file", ca.to_str().unwrap()], flags].concat();
        Self::run(dir, ca.clone(), &all)
    }

    /// With the certificate in `tls`.
    pub(crate) fn start_with_files(tls: &Path, flags: &[&str]) -> Self {
        let mut all = vec!["--tls-dir", tls.to_str().unwrap()];
        all.extend(flags);
        Self::run(tempfile::tempdir().unwrap(), tls.join("ca.crt"), &all)
    }

    /// In the cluster of a kubeconfig, with a certificate of its own for `127.0.0.1`, at home in a namespace that every
    /// cluster has.
    pub(crate) fn start_in_cluster(kubeconfig: &Path, flags: &[&str]) -> Self {
        let flags = [&["--namespace", "default"], flags].concat();
        Self::start_behind("https://127.0.0.1", kubeconfig, &flags)
    }

    /// In the cluster of a kubeconfig, where API servers call `url`.
    pub(crate) fn start_behind(url: &str, kubeconfig: &Path, flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ca = dir.path().join("ca.crt");
        let mut all = vec!["--kubeconfig", kubeconfig.to_str().unwrap(), "--webhook-url", url];
        if !flags.contains(&"--tls-dir") {
            all.extend(["--ca-file", ca.to_str().unwrap()]);
        }
        all.extend(flags);
        Self::spawn(dir, ca.clone(), &all)
    }

    fn run(dir: TempDir, ca: PathBuf, flags: &[&str]) -> Self {
        let world = dir.path().join("world");
        std::fs::create_dir_all(&world).unwrap();
        let mut all = vec!["--standalone", world.to_str().unwrap()];
        all.extend(flags);
        Self::spawn(dir, ca, &all)
    }

    fn spawn(dir: TempDir, ca: PathBuf, flags: &[&str]) -> Self {
        hatchway::certificates::install_provider();
        let mut child = command()
            .args([
                "serve",
                "--https-addr",
                "127.0.0.1:0",
                "--ops-addr",
                "127.0.0.1:0",
            ])
            .args(flags)
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(dir.path().join("stderr")).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let log = || std::fs::read_to_string(dir.path().join("stderr")).unwrap_or_default();
        let ports: serde_json::Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("said {line:?}; {}", log()));
        let address = |name: &str| ports[name].as_str().unwrap().parse().unwrap();
        Self {
            https: address("https"),
            ops: address("ops"),
            child,
            dir,
            ca,
        }
    }

    /// What it wrote to standard error so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("stderr")).unwrap()
    }

    /// Waits until a line that holds `words` was written `times` times, and gives these lines. A log is written after
    /// the metric or the answer that a test has seen.
    pub(crate) async fn log_says(&self, words: &str, times: usize) -> Vec<String> {
        eventually(&format!("the log to say {words:?} {times} times"), async || {
            let log = self.log();
            let lines = log.lines().filter(|line| line.contains(words));
            let lines: Vec<String> = lines.map(str::to_owned).collect();
            (lines.len() >= times).then_some(lines)
        })
        .await
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        eventually("the server to end", async || self.child.try_wait().unwrap()).await
    }

    /// A GET on the ops port: status and body.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let response = super::http::plain_get(self.ops, path).await.unwrap();
        (response.status, response.body)
    }

    /// The value of a series of `/metrics`, written as there; 0 while it is not there.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        let (_, text) = self.get("/metrics").await;
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap())
    }

    /// Waits until a series is at least `value`.
    pub(crate) async fn metric_reaches(&self, series: &str, value: f64) {
        eventually(series, async || {
            (self.metric(series).await >= value).then_some(())
        })
        .await;
    }
}

impl Drop for Hatchway {
    fn drop(&mut self) {
        // Errors mean that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- stderr of the server\n{}", self.log());
        }
    }
}

/// Asks until there is an answer; panics when there is none in time.
pub(crate) async fn eventually<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, ask).await
}

/// The same with a patience of its own.
pub(crate) async fn eventually_within<T>(
    patience: Duration,
    what: &str,
    mut ask: impl AsyncFnMut() -> Option<T>,
) -> T {
    let end = Instant::now() + patience;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
