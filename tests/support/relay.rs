//! A proxy of TCP connections that can cut them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes connections on to a server. Dropping it ends it.
pub(crate) struct Relay {
    address: SocketAddr,
    is_cut: watch::Sender<bool>,
}

impl Relay {
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((IpAddr::V4(Ipv4Addr::LOCALHOST), 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (is_cut, state) = watch::channel(false);
        tokio::spawn(async move {
            let mut ends = state.clone();
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    ended = ends.wait_for(|_| false) => match ended {
                        Ok(_) => continue,
                        Err(_) => return,
                    },
                };
                let Ok((mut client, _)) = accepted else { continue };
                let mut state = state.clone();
                tokio::spawn(async move {
                    let pass = async {
                        let Ok(mut server) = TcpStream::connect(server).await else { return };
                        let _closed = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                    };
                    // A connection that begins while it is cut ends at once.
                    tokio::select! {
                        () = pass => {}
                        _ = state.wait_for(|is_cut| *is_cut) => {}
                    }
                });
            }
        });
        Self { address, is_cut }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes all connections, and new ones for a while.
    pub(crate) async fn cut_for(&self, time: Duration) {
        self.is_cut.send_replace(true);
        tokio::time::sleep(time).await;
        self.is_cut.send_replace(false);
    }
}
