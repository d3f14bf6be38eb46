//! The file in the state folder of a running fuse that contains the address of its admin port and a token. Only the
//! user of fuse can read it, and each start writes another token.

use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

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
    pub(crate) fn new(address: SocketAddr, token: Secret) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => "127.0.0.1".to_owned(),
            IpAddr::V6(ip) if ip.is_unspecified() => "[::1]".to_owned(),
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        Self { url: format!("http://{ip}:{}", address.port()), token }
    }

    /// Writes the file, readable by its owner only.
    pub(crate) fn write(&self, state: &Path) -> io::Result<()> {
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

    /// Removes the file when fuse stops.
    pub(crate) fn remove(state: &Path) {
        // The token is worthless by then.
        let _gone = std::fs::remove_file(state.join(FILE_NAME));
    }
}
