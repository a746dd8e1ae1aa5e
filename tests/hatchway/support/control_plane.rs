//! A Kubernetes control plane: etcd and kube-apiserver on loopback, with an administrator's kubeconfig.
//!
//! Whoever only reads, or writes objects under names of its own, takes [`ControlPlane::shared`]. Whoever installs
//! something that the whole cluster feels (CRDs, webhook configurations), stops the API server or counts its requests
//! takes a [`ControlPlane::start`] of its own: everything Hatchway manages is cluster-scoped, so no namespace would
//! keep two tests apart, and a new control plane costs three seconds.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use rcgen::KeyPair;
use serde_json::Value;

use super::authority::Authority;
use super::parts;
use super::port::Port;
use super::process::{Process, Signal};

/// How long a start may take before the test fails. Far more than the three seconds it takes: other tests and builds
/// share the machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// The bearer token of the administrator, who is in `system:masters`. It opens nothing but a loopback port.
const ADMIN_TOKEN: &str = "the-tests-administrator";

/// Every request once, when it has been answered.
const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
";

/// A running control plane; dropping it ends both programs and removes their files.
pub(crate) struct ControlPlane {
    // The order of the fields is the order of their end: the API server before the etcd that takes the folder along.
    api_server: Mutex<Option<Process>>,
    _etcd: Process,
    _turn: Option<Turn>,
    etcd_port: Port,
    port: Port,
    folder: PathBuf,
}

/// What `kubectl` answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl ControlPlane {
    /// The control plane that the tests of this process share, started by the first who asks.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<ControlPlane> = OnceLock::new();
        SHARED.get_or_init(|| Self::begin(None))
    }

    /// A control plane for one test alone. At most two of them run at once: each takes 300 MB of memory and, while it
    /// starts, all of a processor. Whoever comes third waits for its turn.
    pub(crate) fn start() -> Self {
        Self::begin(Some(Turn::take()))
    }

    /// One for an installation that many tests share: it lives as long as the process, so it takes no turn.
    pub(crate) fn start_shared() -> Self {
        Self::begin(None)
    }

    fn begin(turn: Option<Turn>) -> Self {
        let unowned = tempfile::Builder::new()
            .prefix("hatchway-control-plane-")
            .tempdir()
            .expect("a folder for temporary files");
        let folder = unowned.path().to_owned();
        let (etcd_port, peer_port, port) = (Port::reserve(), Port::reserve(), Port::reserve());
        write_files(&folder, &port);

        let etcd = Process::start(
            Command::new(parts::asset("etcd"))
                .arg(format!("--data-dir={}", folder.join("etcd").display()))
                .arg(format!("--listen-client-urls=http://{}", etcd_port.address()))
                .arg(format!("--advertise-client-urls=http://{}", etcd_port.address()))
                .arg(format!("--listen-peer-urls=http://{}", peer_port.address()))
                .arg(format!(
                    "--initial-advertise-peer-urls=http://{}",
                    peer_port.address()
                ))
                .arg(format!(
                    "--initial-cluster=default=http://{}",
                    peer_port.address()
                ))
                // What survives a power cut is of no interest here, and the disk is shared.
                .args(["--unsafe-no-fsync", "--socket-reuse-port", "--log-level=warn"]),
            &folder.join("etcd.log"),
            Some(&folder),
        );
        // From here on the folder goes with etcd.
        let _owned = unowned.keep();
        let plane = Self {
            api_server: Mutex::default(),
            _etcd: etcd,
            _turn: turn,
            etcd_port,
            port,
            folder,
        };
        plane.start_api_server();
        plane
    }

    /// Starts the API server, again after [`ControlPlane::stop_api_server`] on the same port and the same data, and waits
    /// until it is ready.
    pub(crate) fn start_api_server(&self) {
        let mut slot = self.api_server();
        assert!(slot.is_none(), "the API server runs already");
        let process = self.api_server_process();
        process.until("the API server is ready", PATIENCE, || {
            let answer = self.kubectl(&["get", "--raw", "/readyz", "--request-timeout=5s"]);
            (answer.stdout == "ok").then_some(())
        });
        *slot = Some(process);
    }

    /// Kills the API server, as a node that goes away does: connections break, requests are lost.
    pub(crate) fn stop_api_server(&self) {
        let process = self.api_server().take().expect("the API server runs");
        process.signal(Signal::KILL);
        process.wait(Duration::from_secs(10));
    }

    fn api_server(&self) -> MutexGuard<'_, Option<Process>> {
        // A test that panicked while it held this has failed already; the others may go on.
        self.api_server
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn api_server_process(&self) -> Process {
        let file = |name: &str| self.folder.join(name).display().to_string();
        Process::start(
            Command::new(parts::asset("kube-apiserver"))
                .arg(format!("--etcd-servers=http://{}", self.etcd_port.address()))
                .arg(format!("--secure-port={}", self.port.number()))
                // Loopback only; nobody outside looks for an endpoint of the service `kubernetes`.
                .args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"])
                .args(["--permit-port-sharing", "--endpoint-reconciler-type=none"])
                .arg(format!("--tls-cert-file={}", file("server.crt")))
                .arg(format!("--tls-private-key-file={}", file("server.key")))
                .arg(format!("--cert-dir={}", file("made")))
                .arg(format!("--token-auth-file={}", file("tokens.csv")))
                .arg("--authorization-mode=RBAC")
                .arg("--service-account-issuer=https://kubernetes.default.svc")
                .arg(format!(
                    "--service-account-key-file={}",
                    file("service-accounts.pub")
                ))
                .arg(format!(
                    "--service-account-signing-key-file={}",
                    file("service-accounts.key")
                ))
                .arg("--service-cluster-ip-range=10.0.0.0/24")
                // It wants a token volume in every Pod, from a controller that does not run here.
                .arg("--disable-admission-plugins=ServiceAccount")
                .arg(format!("--audit-policy-file={}", file("audit-policy.yaml")))
                .arg(format!("--audit-log-path={}", file("audit.log"))),
            &self.folder.join("kube-apiserver.log"),
            None,
        )
    }

    /// `https://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.port.address())
    }

    /// The administrator's bearer token, for clients other than kubectl.
    pub(crate) fn token() -> &'static str {
        ADMIN_TOKEN
    }

    /// The administrator's kubeconfig, for the programs under test.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// The certificate that signed the API server's, in PEM, for kubeconfigs with other credentials.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// Runs `kubectl` as the administrator.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Answer {
        self.kubectl_with(arguments, "")
    }

    /// Runs `kubectl` as the administrator with something on its standard input, as in `apply -f -`.
    pub(crate) fn kubectl_with(&self, arguments: &[&str], input: &str) -> Answer {
        self.runner().kubectl_with(arguments, input)
    }

    /// Waits until every CRD is served.
    pub(crate) fn established(&self) {
        let wait = [
            "wait",
            "--for=condition=Established",
            "--timeout=60s",
            "crd",
            "--all",
        ];
        let waited = self.kubectl(&wait);
        assert_eq!(waited.code, 0, "{}", waited.stderr);
    }

    /// `kubectl` as the administrator, for threads that outlive a borrow.
    pub(crate) fn runner(&self) -> Runner {
        Runner {
            folder: self.folder.clone(),
        }
    }

    /// The requests that were answered so far, oldest first: `audit.k8s.io/v1` Events, metadata only.
    pub(crate) fn audit(&self) -> Vec<Value> {
        let log = std::fs::read_to_string(self.folder.join("audit.log")).unwrap_or_default();
        log.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }
}

/// See [`ControlPlane::runner`].
pub(crate) struct Runner {
    folder: PathBuf,
}

impl Runner {
    /// Runs `kubectl` with something on its standard input.
    pub(crate) fn kubectl_with(&self, arguments: &[&str], input: &str) -> Answer {
        self.kubectl_in(&[], arguments, input)
    }

    /// Runs `kubectl` with something in its environment, such as an editor.
    pub(crate) fn kubectl_in(&self, environment: &[(&str, &str)], arguments: &[&str], input: &str) -> Answer {
        let mut child = Command::new(parts::asset("kubectl"))
            .env("KUBECONFIG", self.folder.join("kubeconfig"))
            // Discovery is cached there: one cache per control plane, not per developer.
            .env("KUBECACHEDIR", self.folder.join("kubectl-cache"))
            .envs(environment.iter().copied())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl starts");
        let _may_not_read_it = child.stdin.take().expect("piped").write_all(input.as_bytes());
        let output = child.wait_with_output().expect("kubectl ends");
        Answer {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

fn write_files(folder: &Path, port: &Port) {
    let write =
        |name: &str, text: String| std::fs::write(folder.join(name), text).expect("the folder is writable");
    let authority = Authority::new();
    authority.loopback_server(folder, "server");
    write("ca.crt", authority.pem());
    let accounts = KeyPair::generate().expect("a P-256 key");
    write("service-accounts.key", accounts.serialize_pem());
    write("service-accounts.pub", accounts.public_key_pem());
    write(
        "tokens.csv",
        format!("{ADMIN_TOKEN},admin,admin,\"system:masters\"\n"),
    );
    write("audit-policy.yaml", AUDIT_POLICY.to_owned());
    write(
        "kubeconfig",
        format!(
            "\
apiVersion: v1
kind: Config
clusters: [{{name: test, cluster: {{server: 'https://{address}', certificate-authority: '{ca}'}}}}]
users: [{{name: admin, user: {{token: {ADMIN_TOKEN}}}}}]
contexts: [{{name: test, context: {{cluster: test, user: admin}}}}]
current-context: test
",
            address = port.address(),
            ca = folder.join("ca.crt").display(),
        ),
    );
}

/// The right to run a control plane of one's own, given back on drop.
struct Turn;

static FREE_TURNS: Mutex<u8> = Mutex::new(2);
static TURN_GIVEN_BACK: Condvar = Condvar::new();

impl Turn {
    fn take() -> Self {
        let free = FREE_TURNS.lock().unwrap();
        *TURN_GIVEN_BACK.wait_while(free, |free| *free == 0).unwrap() -= 1;
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *FREE_TURNS.lock().unwrap() += 1;
        TURN_GIVEN_BACK.notify_one();
    }
}
