//! The beginning of a connection to a port with TLS.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::{ClientCertificate, ConnectionStream, ServerCertificate};
use crate::http::ServedPort;
use crate::http::activity::Activity;
use crate::http::close_reason::CloseReason;
use crate::http::transport::Transport;

/// A connection whose handshake is complete.
pub(in crate::http) struct Secured {
    pub(in crate::http) stream: ConnectionStream,
    /// The certificate that the client has shown.
    pub(in crate::http) client: Option<Arc<ClientCertificate>>,
}

/// The answer to a client that sends HTTP without TLS.
const PLAIN_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    content-type: application/json\r\n\
    content-length: 65\r\n\
    connection: close\r\n\
    \r\n\
    {\"error\":\"this port uses TLS: send requests to `https://` URLs\"}\n";

/// Performs the handshake. `None` if the connection ends before it is complete.
pub(in crate::http) async fn secure(
    port: &ServedPort,
    activity: &Arc<Activity>,
    certificate: &ServerCertificate,
    (mut stream, remote): (TcpStream, SocketAddr),
) -> Option<Secured> {
    let Some(config) = certificate.in_use() else {
        port.server.closed(CloseReason::NoCertificate);
        return None;
    };
    activity.begin_handshake();
    let accepting = async {
        if is_plain_http(&stream).await? {
            let error = io::Error::new(ErrorKind::InvalidData, "the client sent HTTP without TLS");
            failed(port, remote, &error);
            // Its answer may not be read.
            let _sent = answer_plain_http(port, activity, &mut stream).await;
            return Ok(None);
        }
        TlsAcceptor::from(config).accept(stream).await.map(Some)
    };
    let accepted = tokio::select! {
        // In this order: a connection that something else closed is already counted.
        biased;
        () = activity.closed() => return None,
        () = port.stop.requested() => {
            port.server.closed(CloseReason::Stopping);
            return None;
        }
        accepted = accepting => accepted,
    };
    match accepted {
        Ok(Some(stream)) => {
            activity.end_handshake(Instant::now());
            let (_, session) = stream.get_ref();
            let shown = session.peer_certificates().and_then(<[_]>::first);
            let client = shown.map(|der| Arc::new(ClientCertificate::from_der(der)));
            Some(Secured { stream: ConnectionStream::Tls(Box::new(stream)), client })
        }
        Ok(None) => None,
        Err(error) => {
            failed(port, remote, &error);
            None
        }
    }
}

/// Whether the first byte is that of a method, such as `GET`, instead of a handshake.
async fn is_plain_http(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    let length = stream.peek(&mut first).await?;
    Ok(length > 0 && first.iter().all(u8::is_ascii_uppercase))
}

async fn answer_plain_http(
    port: &ServedPort,
    activity: &Arc<Activity>,
    stream: &mut TcpStream,
) -> io::Result<()> {
    let mut transport = Transport::new(stream, Arc::clone(activity), port.server.limits().linger);
    transport.write_all(PLAIN_HTTP).await?;
    transport.shutdown().await
}

fn failed(port: &ServedPort, remote: SocketAddr, error: &io::Error) {
    port.server.closed(CloseReason::HandshakeFailed);
    let peer = remote.ip().to_canonical();
    // Checks of load balancers, and scanners, connect and close.
    if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) {
        tracing::debug!(address = %port.address, %peer, "a connection ended before its TLS handshake");
    } else if let Some(left_out) = port.handshakes.pass() {
        tracing::info!(address = %port.address, %peer, %error, left_out, "a TLS handshake failed");
    }
}
