//! Ports for programs that cannot pick one themselves.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

/// A loopback port that stays ours from the moment it was found free: the socket is bound, but does not listen, and
/// lets only a program of the same user that shares ports (`SO_REUSEPORT`) listen there. No race with other tests, and
/// a program that is started again finds its port free. While nothing listens, connections are refused.
pub(crate) struct Port {
    _reserved: TcpSocket,
    address: SocketAddr,
}

impl Port {
    pub(crate) fn reserve() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseport(true).expect("SO_REUSEPORT");
        socket
            .bind((Ipv4Addr::LOCALHOST, 0).into())
            .expect("a free loopback port");
        let address = socket.local_addr().expect("the address just bound");
        Self {
            _reserved: socket,
            address,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn number(&self) -> u16 {
        self.address.port()
    }
}
