//! What a Service is in a cluster with a kube-proxy: one address, behind which new connections go to replicas that are
//! ready. It asks each `/readyz` as a kubelet does, and keeps connections that are open.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use crate::support::PATIENCE;
use crate::support::http::plain_get;

/// How often replicas are asked; a kubelet does it every few seconds.
const PERIOD: Duration = Duration::from_millis(200);
/// How long an answer may take. A replica that is slower than that gets no new connections.
const PROBE_PATIENCE: Duration = Duration::from_secs(3);

/// What is known of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    /// Its ops port does not answer.
    Gone,
    /// It answers, but is not ready.
    Unready,
    Ready,
}

/// A running balancer; it ends with the value, and so do its connections.
pub(super) struct Balancer {
    address: SocketAddr,
    members: Members,
    /// Its end is the end of the balancer.
    _runtime: Runtime,
}

type Members = Arc<Mutex<Vec<Member>>>;

struct Member {
    name: String,
    https: SocketAddr,
    ops: SocketAddr,
    state: State,
    /// Connections that it was given: the next goes to whom has got the fewest.
    given: usize,
}

impl Balancer {
    pub(super) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("balancer")
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime
            .block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .unwrap();
        let members = Members::default();
        let address = listener.local_addr().unwrap();
        runtime.spawn(watch(Arc::clone(&members)));
        runtime.spawn(accept(listener, Arc::clone(&members)));
        Self {
            address,
            members,
            _runtime: runtime,
        }
    }

    /// Where callers connect.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on this replica is asked whether it is ready.
    pub(super) fn add(&self, name: &str, https: SocketAddr, ops: SocketAddr) {
        let mut members = lock(&self.members);
        // Who joins is level with the others, or it would get the next hundred connections alone.
        let given = members.iter().map(|member| member.given).min().unwrap_or(0);
        members.push(Member {
            name: name.to_owned(),
            https,
            ops,
            state: State::Gone,
            given,
        });
    }

    /// From now on it is not, as a Pod that was deleted.
    pub(super) fn remove(&self, name: &str) {
        lock(&self.members).retain(|member| member.name != name);
    }

    /// What was last seen of a replica.
    pub(super) fn state(&self, name: &str) -> State {
        let members = lock(&self.members);
        let member = members.iter().find(|member| member.name == name);
        member.map_or(State::Gone, |member| member.state)
    }

    /// Waits until a replica was seen in this state.
    pub(super) fn until(&self, name: &str, state: State) {
        let end = Instant::now() + PATIENCE;
        while self.state(name) != state {
            assert!(
                Instant::now() < end,
                "{name} is {:?}, not {state:?}",
                self.state(name)
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

async fn watch(members: Members) {
    let mut ticks = tokio::time::interval(PERIOD);
    loop {
        ticks.tick().await;
        let asked: Vec<_> = lock(&members)
            .iter()
            .map(|member| (member.name.clone(), member.ops))
            .collect();
        // Side by side: one that hangs does not keep the news of the others back.
        let probes = asked.into_iter().map(|(name, ops)| {
            let members = Arc::clone(&members);
            async move {
                let state = match tokio::time::timeout(PROBE_PATIENCE, plain_get(ops, "/readyz")).await {
                    Ok(Ok(answer)) if answer.status == 200 => State::Ready,
                    Ok(Ok(_)) | Err(_) => State::Unready,
                    Ok(Err(_)) => State::Gone,
                };
                let mut members = lock(&members);
                if let Some(member) = members.iter_mut().find(|member| member.name == name) {
                    member.state = state;
                }
            }
        });
        futures_util::future::join_all(probes).await;
    }
}

async fn accept(listener: TcpListener, members: Members) {
    while let Ok((mut caller, _)) = listener.accept().await {
        let chosen = choose(&members);
        tokio::spawn(async move {
            // Nobody tries another replica: a kube-proxy does not, either.
            let Some(to) = chosen else { return };
            let Ok(mut replica) = TcpStream::connect(to).await else {
                return;
            };
            let _ended_somehow = tokio::io::copy_bidirectional(&mut caller, &mut replica).await;
        });
    }
}

/// A ready replica; while there is none, one that lives: conversions have to be answered before anybody is ready, for
/// which a cluster has the Service that publishes addresses that are not ready.
fn choose(members: &Members) -> Option<SocketAddr> {
    let mut members = lock(members);
    let best = members.iter().map(|member| member.state).max()?;
    let chosen = members
        .iter_mut()
        .filter(|member| member.state == best && best != State::Gone)
        .min_by_key(|member| member.given)?;
    chosen.given += 1;
    Some(chosen.https)
}

fn lock(members: &Members) -> std::sync::MutexGuard<'_, Vec<Member>> {
    members.lock().unwrap_or_else(PoisonError::into_inner)
}
