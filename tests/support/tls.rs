//! Certificates, and a client over TLS.

#[path = "../../fuse-runtime/src/http/tls/testing.rs"]
mod certificates;

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

pub(crate) use certificates::{Authority, Issued};

/// Writes files into a folder as Kubernetes mounts a Secret: they are links through a link that is swapped.
pub(crate) fn mount(folder: &Path, version: &str, files: &[(&str, &str)]) {
    std::fs::create_dir_all(folder.join(version)).unwrap();
    for (name, text) in files {
        std::fs::write(folder.join(version).join(name), text).unwrap();
        let link = folder.join(name);
        if !link.is_symlink() {
            std::os::unix::fs::symlink(format!("..data/{name}"), link).unwrap();
        }
    }
    std::os::unix::fs::symlink(version, folder.join("..new")).unwrap();
    std::fs::rename(folder.join("..new"), folder.join("..data")).unwrap();
}

/// A connection over TLS.
pub(crate) struct Secured {
    stream: StreamOwned<ClientConnection, TcpStream>,
}

impl Secured {
    /// Connects to a port of this machine, perhaps with a certificate.
    pub(crate) fn connect(
        authority: &Authority,
        port: u16,
        certificate: Option<&Issued>,
    ) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(authority.der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match certificate {
            None => builder.with_no_client_auth(),
            Some(issued) => {
                let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![issued.der.clone()], key).unwrap()
            }
        };
        let name = ServerName::try_from("localhost").unwrap();
        let session = ClientConnection::new(Arc::new(config), name).unwrap();
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        socket.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut stream = StreamOwned::new(session, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self { stream })
    }

    /// The certificate that the server has shown.
    pub(crate) fn shown(&self) -> CertificateDer<'static> {
        self.stream.conn.peer_certificates().unwrap()[0].clone().into_owned()
    }

    /// Sends a request, and reads the head and the JSON object after it.
    pub(crate) fn answer(&mut self, request: &str) -> io::Result<String> {
        let mut answer = self.ask(request)?;
        let mut chunk = [0; 4_096];
        while !answer.ends_with('}') {
            let length = self.stream.read(&mut chunk)?;
            if length == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            answer.push_str(std::str::from_utf8(&chunk[..length]).unwrap());
        }
        Ok(answer)
    }

    /// Sends a request, and reads the head and as much of the body as arrives with it.
    pub(crate) fn ask(&mut self, request: &str) -> io::Result<String> {
        self.stream.write_all(request.as_bytes())?;
        self.stream.flush()?;
        let mut answer = Vec::new();
        let mut chunk = [0; 4_096];
        while !answer.windows(4).any(|four| four == b"\r\n\r\n") {
            let length = self.stream.read(&mut chunk)?;
            if length == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            answer.extend_from_slice(&chunk[..length]);
        }
        Ok(String::from_utf8(answer).unwrap())
    }

    /// The status of a request.
    pub(crate) fn status(&mut self, request: &str) -> io::Result<String> {
        Ok(self.ask(request)?.get(9..12).unwrap_or_default().to_owned())
    }
}

/// A `POST` of `{}`.
pub(crate) fn post(path: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{{}}")
}
