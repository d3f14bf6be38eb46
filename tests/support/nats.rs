//! Real NATS servers: one that stands alone, or three on addresses of their own.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::ConnectErrorKind;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;

use super::relay::Relay;
use super::{free_port, program, skipped, until};

/// The oldest version that fuse takes.
const OLDEST: [u64; 3] = [2, 10, 23];

/// How many lines of the log of each server a test that fails prints.
const LOGGED_LINES: usize = 60;

/// The program, unless there is none, or it is too old.
fn nats_server() -> Option<PathBuf> {
    let path = program("FUSE_TEST_NATS", &["nats-server"])?;
    let output = Command::new(&path).arg("--version").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let version = text.rsplit('v').next().unwrap_or_default();
    let numbers = version.split(['.', '-']).map_while(|part| part.parse().ok());
    if numbers.collect::<Vec<u64>>().as_slice() < OLDEST.as_slice() {
        skipped(&format!("`{}` is {text}, and fuse wants 2.10.23 or later", path.display()));
        return None;
    }
    Some(path)
}

/// A server, or a cluster of three. Dropping it kills them.
pub(crate) struct Nats {
    nodes: Vec<Node>,
    /// What clients connect to instead, one for each server.
    relays: Vec<Relay>,
    _folder: TempDir,
}

struct Node {
    program: PathBuf,
    config: PathBuf,
    address: SocketAddr,
    process: Option<Child>,
}

impl Node {
    fn start(&mut self) {
        let log = self.config.with_extension("log");
        let log = File::options().create(true).append(true).open(log).unwrap();
        let child = Command::new(&self.program)
            .arg("-c")
            .arg(&self.config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.process = Some(child.unwrap());
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for node in &self.nodes {
            let path = node.config.with_extension("log");
            let log = std::fs::read_to_string(&path).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let last = lines.len().saturating_sub(LOGGED_LINES);
            println!("{}, its last lines:\n{}", node.address, lines[last..].join("\n"));
        }
    }
}

impl Nats {
    /// One server that stands alone. `None` if the test is skipped.
    pub(crate) async fn alone() -> Option<Self> {
        Self::start(1).await
    }

    /// One server with more in its configuration.
    pub(crate) async fn with(more: &str) -> Option<Self> {
        Self::start_with(1, more).await
    }

    /// Three servers. `None` if the test is skipped.
    pub(crate) async fn three() -> Option<Self> {
        Self::start(3).await
    }

    async fn start(count: u8) -> Option<Self> {
        Self::start_with(count, "").await
    }

    async fn start_with(count: u8, more: &str) -> Option<Self> {
        let program = nats_server()?;
        // A cluster needs fixed ports: addresses that no other cluster has.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed) + u64::from(std::process::id()) * 8;
        let net = 1 + u8::try_from(number % 250).unwrap();
        let ip = |index: u8| match count {
            1 => Ipv4Addr::LOCALHOST,
            _ => Ipv4Addr::new(127, 77, net, index + 1),
        };
        loop {
            let folder = tempfile::tempdir().unwrap();
            let ports: Vec<(u16, u16)> = (0..count).map(|_| (free_port(), free_port())).collect();
            let routes = ports
                .iter()
                .zip(0..)
                .map(|((_, route), index)| format!("\"nats://{}:{route}\"", ip(index)));
            let routes = routes.collect::<Vec<_>>().join(", ");
            let mut nodes = Vec::new();
            for ((port, route), index) in ports.iter().zip(0..) {
                let cluster = format!(
                    "cluster {{ name: test, listen: \"{}:{route}\", routes: [{routes}], no_advertise: true }}",
                    ip(index)
                );
                let cluster = if count == 1 { more.to_owned() } else { cluster };
                let address = SocketAddr::new(IpAddr::V4(ip(index)), *port);
                let config = write_config(folder.path(), index, address, &cluster);
                let mut node = Node { program: program.clone(), config, address, process: None };
                node.start();
                nodes.push(node);
            }
            let started = Self { nodes, relays: Vec::new(), _folder: folder };
            // Now and then the first votes are split, and the next ones come late.
            if started.is_ready_in_time().await {
                return Some(started);
            }
        }
    }

    /// The URLs of all servers, with commas: those of their relays, if there are any.
    pub(crate) fn url(&self) -> String {
        let addresses: Vec<SocketAddr> = match self.relays.is_empty() {
            true => self.nodes.iter().map(|node| node.address).collect(),
            false => self.relays.iter().map(Relay::address).collect(),
        };
        let urls = addresses.iter().map(|address| format!("nats://{address}"));
        urls.collect::<Vec<_>>().join(",")
    }

    /// Lets clients connect through relays from now on, which can cut their connections.
    pub(crate) async fn with_relays(mut self) -> Self {
        for node in &self.nodes {
            self.relays.push(Relay::to(node.address).await);
        }
        self
    }

    /// Closes all connections through the relay of one server, and new ones for a while.
    pub(crate) async fn cut(&self, node: usize, time: Duration) {
        self.relays[node].cut_for(time).await;
    }

    /// `kill -9` of one server.
    pub(crate) fn kill(&mut self, node: usize) {
        self.nodes[node].kill();
    }

    /// Starts a server again that was killed.
    pub(crate) async fn start_again(&mut self, node: usize) {
        self.nodes[node].start();
        let address = self.nodes[node].address;
        until("the server is back", async || TcpStream::connect(address).await.ok()).await;
    }

    /// Whether a server greets its clients with the demand for TLS. `None` if it does not greet.
    async fn wants_tls(&self) -> Option<bool> {
        let client = TcpStream::connect(self.nodes.first()?.address).await.ok()?;
        let mut greeting = String::new();
        BufReader::new(client).read_line(&mut greeting).await.ok()?;
        Some(greeting.contains("\"tls_required\":true"))
    }

    async fn is_ready_in_time(&self) -> bool {
        for _ in 0..250 {
            let ready = async {
                if self.wants_tls().await? {
                    return Some(());
                }
                let urls: Vec<String> = self.url().split(',').map(str::to_owned).collect();
                let client = match async_nats::connect(urls).await {
                    // Not for us.
                    Err(error) if error.kind() == ConnectErrorKind::AuthorizationViolation => {
                        return Some(());
                    }
                    connected => connected.ok()?,
                };
                async_nats::jetstream::new(client).query_account().await.ok().map(drop)
            };
            if ready.await.is_some() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }
}

fn write_config(folder: &Path, index: u8, address: SocketAddr, cluster: &str) -> PathBuf {
    let store = folder.join(format!("node{index}"));
    let text = format!(
        "server_name: node{index}\nlisten: \"{address}\"\nmax_payload: 8MB\n\
         jetstream {{ store_dir: \"{}\", sync_interval: always }}\n{cluster}\n",
        store.display()
    );
    let config = folder.join(format!("node{index}.conf"));
    std::fs::write(&config, text).unwrap();
    config
}
