//! The file in the state folder of a running fuse that contains the address of its admin port and a token. Only the
//! user of fuse can read it, and each start writes another token.

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fuse_runtime::secrets::Secret;
use serde::{Deserialize, Serialize};

/// The name of the file.
const FILE_NAME: &str = "admin.json";
/// The length of a token, in bytes before it is written in hexadecimal.
const TOKEN_BYTES: usize = 32;

/// Where and how to reach the admin port of a fuse on this machine.
pub(crate) struct Endpoint {
    pub(crate) url: String,
    pub(crate) token: Secret,
}

#[derive(Serialize, Deserialize)]
struct EndpointFile {
    url: String,
    token: String,
}

/// A new token.
pub(crate) fn new_token() -> Result<Secret, String> {
    let mut bytes = [0; TOKEN_BYTES];
    let random = rustls::crypto::ring::default_provider().secure_random;
    random.fill(&mut bytes).map_err(|_| "the system has no random numbers".to_owned())?;
    Ok(Secret::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
}

impl Endpoint {
    /// The endpoint of an admin port that listens at this address.
    pub(crate) fn new(address: SocketAddr, token: Secret, has_tls: bool) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let scheme = if has_tls { "https" } else { "http" };
        Self { url: format!("{scheme}://{}", SocketAddr::new(ip, address.port())), token }
    }

    /// Writes the file, readable by its owner only.
    fn write(&self, state: &Path) -> io::Result<()> {
        let content = EndpointFile { url: self.url.clone(), token: self.token.expose().to_owned() };
        // Created with mode 0600, and complete before it has its name.
        let mut file = tempfile::NamedTempFile::new_in(state)?;
        serde_json::to_writer(&mut file, &content)?;
        file.flush()?;
        file.persist(state.join(FILE_NAME))?;
        Ok(())
    }

    /// Reads the file. `None` if there is none.
    pub(crate) fn read(state: &Path) -> io::Result<Option<Self>> {
        match std::fs::read(state.join(FILE_NAME)) {
            Ok(content) => {
                let EndpointFile { url, token } = serde_json::from_slice(&content)?;
                Ok(Some(Self { url, token: Secret::new(token) }))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// When the file was written.
    pub(crate) fn written(state: &Path) -> Option<SystemTime> {
        std::fs::metadata(state.join(FILE_NAME)).and_then(|file| file.modified()).ok()
    }
}

/// The endpoint of this process. The file is removed when this is dropped, unless another process has written its own.
pub(crate) struct OwnEndpoint {
    state: PathBuf,
    token: Secret,
    has_tls: bool,
}

impl OwnEndpoint {
    /// The endpoint of a fuse with this state folder, whose admin port may serve HTTPS.
    pub(crate) fn new(state: &Path, token: Secret, has_tls: bool) -> Self {
        Self { state: state.to_owned(), token, has_tls }
    }

    /// Writes the file for an admin port that listens at this address.
    pub(crate) fn write(&self, address: SocketAddr) -> io::Result<()> {
        Endpoint::new(address, self.token.clone(), self.has_tls).write(&self.state)
    }
}

impl Drop for OwnEndpoint {
    fn drop(&mut self) {
        let found = Endpoint::read(&self.state).ok().flatten();
        if found.is_some_and(|found| found.token.expose() == self.token.expose()) {
            // The token is worthless by then.
            let _gone = std::fs::remove_file(self.state.join(FILE_NAME));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_removes_only_its_own_file() {
        let state = tempfile::tempdir().unwrap();
        let address = "127.0.0.1:12080".parse().unwrap();
        let own = |token: &str| OwnEndpoint::new(state.path(), Secret::new(token), false);
        let token = || Endpoint::read(state.path()).unwrap().map(|found| found.token);
        let (former, current) = (own("a"), own("b"));
        former.write(address).unwrap();
        current.write(address).unwrap();
        drop(former);
        assert_eq!(token().unwrap().expose(), "b");
        drop(current);
        assert!(token().is_none());
    }
}
