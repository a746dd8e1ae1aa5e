//! etcd and kube-apiserver on loopback, and Hatchway in front of their webhooks.

use crate::process::Server;
use anyhow::{Context, ensure};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The administrator's bearer token; it opens nothing but a loopback port.
pub const TOKEN: &str = "the-benchmarks-administrator";

/// A running control plane; dropping it ends both programs.
pub struct Plane {
    // Ended in this order, the folder last.
    _api_server: Running,
    _etcd: Running,
    /// Where the API server listens.
    pub address: String,
    folder: TempDir,
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Plane {
    /// Starts both and waits until the API server is ready.
    pub fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (client, peer, secure) = (free_port()?, free_port()?, free_port()?);
        let etcd = Command::new(asset("etcd")?)
            .arg(format!("--data-dir={}", path("etcd")))
            .arg(format!("--listen-client-urls=http://127.0.0.1:{client}"))
            .arg(format!("--advertise-client-urls=http://127.0.0.1:{client}"))
            .arg(format!("--listen-peer-urls=http://127.0.0.1:{peer}"))
            .arg(format!("--initial-advertise-peer-urls=http://127.0.0.1:{peer}"))
            .arg(format!("--initial-cluster=default=http://127.0.0.1:{peer}"))
            // What survives a power cut is of no interest here.
            .args(["--unsafe-no-fsync", "--log-level=error"])
            .stdout(Stdio::null())
            .stderr(fs::File::create(path("etcd.log"))?)
            .spawn()
            .context("cannot start etcd")?;
        let etcd = Running(etcd);
        write_files(folder.path(), secure)?;
        let api_server = Command::new(asset("kube-apiserver")?)
            .arg(format!("--etcd-servers=http://127.0.0.1:{client}"))
            .arg(format!("--secure-port={secure}"))
            .args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"])
            .arg("--endpoint-reconciler-type=none")
            .arg(format!("--tls-cert-file={}", path("server.crt")))
            .arg(format!("--tls-private-key-file={}", path("server.key")))
            .arg(format!("--cert-dir={}", path("made")))
            .arg(format!("--token-auth-file={}", path("tokens.csv")))
            .arg("--authorization-mode=RBAC")
            .arg("--service-account-issuer=https://kubernetes.default.svc")
            .arg(format!("--service-account-key-file={}", path("server.pub")))
            .arg(format!(
                "--service-account-signing-key-file={}",
                path("server.key")
            ))
            .arg("--service-cluster-ip-range=10.0.0.0/24")
            .arg("--disable-admission-plugins=ServiceAccount")
            // The caller is one user on few connections: what is measured is not how callers share a server.
            .arg("--enable-priority-and-fairness=false")
            .stdout(Stdio::null())
            .stderr(fs::File::create(path("kube-apiserver.log"))?)
            .spawn()
            .context("cannot start kube-apiserver")?;
        let plane = Self {
            _api_server: Running(api_server),
            _etcd: etcd,
            address: format!("127.0.0.1:{secure}"),
            folder,
        };
        let until = Instant::now() + Duration::from_mins(2);
        while plane.kubectl(&["get", "--raw", "/readyz"], "").is_err() {
            ensure!(
                Instant::now() < until,
                "the API server is not ready within two minutes"
            );
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(plane)
    }

    /// The authority that callers of the API server trust.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// Runs kubectl as the administrator; what it says on standard error is the error.
    pub fn kubectl(&self, arguments: &[&str], input: &str) -> anyhow::Result<String> {
        let mut child = Command::new(asset("kubectl")?)
            .env("KUBECONFIG", self.folder.path().join("kubeconfig"))
            .env("KUBECACHEDIR", self.folder.path().join("kubectl-cache"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start kubectl")?;
        // It may end without having read all of it.
        let _ = child.stdin.take().context("piped")?.write_all(input.as_bytes());
        let output = child.wait_with_output()?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "kubectl {}: {error}",
            arguments.join(" ")
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Hatchway on `port`, ready; it reads its world from here.
    pub fn serve(&self, port: u16) -> anyhow::Result<Server> {
        Server::start(
            "hatchway",
            Command::new(crate::hatchway())
                // As the Deployment sets it.
                .env("MIMALLOC_PURGE_DELAY", "1")
                .args(["serve", "--ops-addr", "127.0.0.1:0", "--log", "warn"])
                .args(["--https-addr", &format!("127.0.0.1:{port}")])
                .args(["--webhook-url", &format!("https://127.0.0.1:{port}")])
                .arg("--kubeconfig")
                .arg(self.folder.path().join("kubeconfig")),
        )
    }
}

/// What `hatchway manifests` prints for a server at `port` of this machine.
pub fn manifests(what: &str, port: u16) -> anyhow::Result<String> {
    let url = format!("https://127.0.0.1:{port}");
    let output = Command::new(crate::hatchway())
        .args(["manifests", what, "--webhook-url", &url])
        .output()?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "hatchway manifests {what}: {error}");
    Ok(String::from_utf8(output.stdout)?)
}

/// A port that is free now.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn asset(program: &str) -> anyhow::Result<PathBuf> {
    let assets =
        std::env::var_os("KUBEBUILDER_ASSETS").context("KUBEBUILDER_ASSETS is not set: run hack/bench.sh")?;
    Ok(Path::new(&assets).join(program))
}

fn write_files(folder: &Path, port: u16) -> anyhow::Result<()> {
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_certificate = ca.self_signed(&ca_key)?;
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate()?;
    let names = ["localhost", "127.0.0.1"].map(str::to_owned);
    let certificate = CertificateParams::new(names)?.signed_by(&key, &issuer)?;
    fs::write(folder.join("ca.crt"), ca_certificate.pem())?;
    fs::write(folder.join("server.crt"), certificate.pem())?;
    fs::write(folder.join("server.key"), key.serialize_pem())?;
    fs::write(folder.join("server.pub"), key.public_key_pem())?;
    fs::write(
        folder.join("tokens.csv"),
        format!("{TOKEN},admin,admin,\"system:masters\"\n"),
    )?;
    let kubeconfig = format!(
        "\
apiVersion: v1
kind: Config
clusters: [{{name: bench, cluster: {{server: 'https://127.0.0.1:{port}', certificate-authority: '{ca}'}}}}]
users: [{{name: admin, user: {{token: {TOKEN}}}}}]
contexts: [{{name: bench, context: {{cluster: bench, user: admin}}}}]
current-context: bench
",
        ca = folder.join("ca.crt").display(),
    );
    fs::write(folder.join("kubeconfig"), kubeconfig)?;
    Ok(())
}
