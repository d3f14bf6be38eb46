//! Real NATS servers for tests: one process alone, or three in a cluster on addresses of their own.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The environment variable with the path of `nats-server`.
const VARIABLE: &str = "FUSE_TEST_NATS";

/// The program, or `None` if there is none, which is an error in CI.
fn program() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(VARIABLE) {
        return Some(path.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join("nats-server"));
    let found = found.filter(|file| file.is_file()).find(|file| is_new_enough(file));
    assert!(
        found.is_some() || std::env::var_os("CI").is_none(),
        "CI needs nats-server 2.10.23 or later, in the PATH or named by {VARIABLE}"
    );
    if found.is_none() {
        eprintln!("skipped: no nats-server 2.10.23 or later in the PATH or named by {VARIABLE}");
    }
    found
}

fn is_new_enough(program: &PathBuf) -> bool {
    let Ok(output) = Command::new(program).arg("--version").output() else { return false };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.rsplit('v').next().unwrap_or_default().trim().to_owned();
    let numbers: Vec<u64> = version.split(['.', '-']).map_while(|part| part.parse().ok()).collect();
    numbers.as_slice() >= [2, 10, 23].as_slice()
}

/// A server, or a cluster of them. Dropping it kills them.
pub(super) struct Nats {
    nodes: Vec<Node>,
    /// The URLs of all of them, with commas.
    pub(super) url: String,
    _folder: TempDir,
}

struct Node {
    config: PathBuf,
    program: PathBuf,
    address: SocketAddr,
    process: Child,
}

impl Drop for Nats {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            node.kill();
        }
    }
}

impl Node {
    fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    fn start(&mut self) {
        self.process = spawn(&self.program, &self.config);
    }
}

fn spawn(program: &PathBuf, config: &PathBuf) -> Child {
    let log = File::create(config.with_extension("log")).unwrap();
    Command::new(program)
        .arg("-c")
        .arg(config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

fn free_port(ip: Ipv4Addr) -> u16 {
    TcpListener::bind((ip, 0)).unwrap().local_addr().unwrap().port()
}

impl Nats {
    /// One server that stands alone. `None` if there is no program.
    pub(super) async fn single() -> Option<Self> {
        Self::start(1).await
    }

    /// `count` servers.
    pub(super) async fn start(count: u8) -> Option<Self> {
        let program = program()?;
        let folder = tempfile::tempdir().unwrap();
        // Addresses of their own, because a cluster needs fixed ports.
        let base = u8::try_from(std::process::id() % 200).unwrap() + 20;
        let ip = |index: u8| match count {
            1 => Ipv4Addr::LOCALHOST,
            _ => Ipv4Addr::new(127, base, 0, index + 1),
        };
        let ports: Vec<(u16, u16)> =
            (0..count).map(|index| (free_port(ip(index)), free_port(ip(index)))).collect();
        let routes: Vec<String> = ports
            .iter()
            .zip(0..)
            .map(|((_, route), index)| format!("nats://{}:{route}", ip(index)))
            .collect();
        let mut nodes = Vec::new();
        for ((port, route), index) in ports.iter().zip(0..) {
            let (ip, dir) = (ip(index), folder.path().join(format!("node{index}")));
            let cluster = match count {
                1 => String::new(),
                _ => format!(
                    "cluster {{ name: test, listen: \"{ip}:{route}\", routes: [{}] }}\n",
                    routes.iter().map(|one| format!("\"{one}\"")).collect::<Vec<_>>().join(", ")
                ),
            };
            let text = format!(
                "server_name: node{index}\nlisten: \"{ip}:{port}\"\nmax_payload: 8MB\n\
                 jetstream {{ store_dir: \"{}\", sync_interval: always }}\n{cluster}",
                dir.display()
            );
            let config = folder.path().join(format!("node{index}.conf"));
            std::fs::write(&config, text).unwrap();
            let process = spawn(&program, &config);
            let address = SocketAddr::new(IpAddr::V4(ip), *port);
            nodes.push(Node { config, program: program.clone(), address, process });
        }
        let url = nodes.iter().map(|node| format!("nats://{}", node.address));
        let url = url.collect::<Vec<_>>().join(",");
        let started = Self { nodes, url, _folder: folder };
        started.until_ready().await;
        Some(started)
    }

    /// Waits until JetStream works.
    async fn until_ready(&self) {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let ready = async {
                let client = async_nats::connect(self.url.split(',').collect::<Vec<_>>()).await;
                let context = async_nats::jetstream::new(client.ok()?);
                context.query_account().await.ok()
            };
            if ready.await.is_some() {
                return;
            }
            assert!(Instant::now() < until, "NATS does not start");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Kills a server, as kill -9 does.
    pub(super) fn kill(&mut self, node: usize) {
        self.nodes.get_mut(node).unwrap().kill();
    }

    /// Starts a server again that was killed.
    pub(super) fn restart(&mut self, node: usize) {
        self.nodes.get_mut(node).unwrap().start();
    }
}
