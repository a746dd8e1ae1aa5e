//! One address for several replicas, as a Service is: connections go to them in turn.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Forwards bytes until dropped.
pub(crate) struct Entrance {
    address: SocketAddr,
    replicas: Arc<Mutex<Vec<SocketAddr>>>,
    task: JoinHandle<()>,
}

impl Entrance {
    /// On a free loopback port, leading nowhere.
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let replicas = Arc::<Mutex<Vec<SocketAddr>>>::default();
        let task = tokio::spawn(forward(listener, Arc::clone(&replicas)));
        Self {
            address,
            replicas,
            task,
        }
    }

    /// What API servers call.
    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// From now on also to `replica`.
    pub(crate) fn lead_to(&self, replica: SocketAddr) {
        self.replicas.lock().unwrap().push(replica);
    }

    /// From now on to `replica` alone; connections that are open stay.
    pub(crate) fn lead_only_to(&self, replica: SocketAddr) {
        *self.replicas.lock().unwrap() = vec![replica];
    }
}

impl Drop for Entrance {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(listener: TcpListener, replicas: Arc<Mutex<Vec<SocketAddr>>>) {
    let turn = AtomicUsize::new(0);
    loop {
        let Ok((mut inbound, _)) = listener.accept().await else {
            return;
        };
        let replica = {
            let replicas = replicas.lock().unwrap();
            let turn = turn.fetch_add(1, Ordering::Relaxed);
            (!replicas.is_empty()).then(|| replicas[turn % replicas.len()])
        };
        let Some(replica) = replica else {
            continue;
        };
        tokio::spawn(async move {
            if let Ok(mut outbound) = TcpStream::connect(replica).await {
                let _either_side_may_break_off =
                    tokio::io::copy_bidirectional(&mut inbound, &mut outbound).await;
            }
        });
    }
}
