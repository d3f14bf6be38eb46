//! A real `fuse` in a temporary folder, for tests that look at it from outside.

mod admin;
pub(crate) mod cluster;
mod disk;
mod http;
mod nats;
mod ports;
mod process;
mod program;
mod relay;
mod setup;
pub(crate) mod tls;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;

pub(crate) use disk::SmallDisk;
pub(crate) use http::{Reply, client};
pub(crate) use nats::Nats;
pub(crate) use ports::{Ports, free as free_port};
use process::{ActsOn, Process};
pub(crate) use process::{Reader, Resources};
pub(crate) use program::{program, skipped};
pub(crate) use setup::{JOB_OF_LINE, Setup};

/// How often something is looked for before a test gives up, and the wait in between: a minute,
/// so that a busy machine fails no test.
const TRIES: usize = 6_000;
const BETWEEN: Duration = Duration::from_millis(10);

/// Where the seed's events arrive: the port as the rules have it, and the path.
pub(crate) type Door = (u16, &'static str);
pub(crate) const ALERTS: Door = (12_000, "/webhook");
pub(crate) const PROVISION: Door = (12_001, "/backstage/provision");
pub(crate) const NOTIFICATION: Door = (12_002, "/argocd/notifications");

/// One of the seed's example events.
pub(crate) fn example(name: &str) -> String {
    let path = root().join("rules/events").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Asks until there is an answer, but not for ever.
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..TRIES {
        if let Some(answer) = ask().await {
            return answer;
        }
        tokio::time::sleep(BETWEEN).await;
    }
    panic!("{what}: not within {:?}", BETWEEN * TRIES as u32);
}

/// A `fuse run` in its folder: killed when dropped, if it still runs.
pub(crate) struct Fuse {
    folder: TempDir,
    ports: Ports,
    setup: Setup,
    process: Option<Process>,
    /// What former processes wrote to standard error.
    said: String,
    client: reqwest::Client,
}

impl Fuse {
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.folder().join("manifests")
    }

    /// The real port for one of the rules'.
    pub(crate) fn port(&self, port: u16) -> u16 {
        self.ports.of(port)
    }

    /// Everything said to standard error, in all lives.
    pub(crate) fn log(&self) -> String {
        let now = self.process.as_ref().map(Process::said);
        format!("{}{}", self.said, now.unwrap_or_default())
    }

    pub(crate) fn set(&mut self, variable: &str, value: &str) {
        self.setup.variables.insert(variable.into(), value.into());
    }

    /// From the next start on, the cluster that the kubeconfig names.
    pub(crate) fn act_on(&mut self, kubeconfig: PathBuf) {
        self.setup.acts_on = ActsOn::Cluster(kubeconfig);
    }

    fn write_rules(&mut self) {
        let rules = self.folder().join("rules");
        std::fs::create_dir_all(&rules).unwrap();
        for (name, text) in &self.setup.rules {
            std::fs::write(rules.join(name), self.ports.put_into(text)).unwrap();
        }
        if let Some(text) = &self.setup.toml {
            std::fs::write(self.folder().join("fuse.toml"), text).unwrap();
        }
    }

    fn process(&self) -> Process {
        let Setup { variables, acts_on, reader, arguments, .. } = &self.setup;
        let arguments = (self.ports.admin(), arguments.as_slice());
        Process::start(self.folder(), arguments, variables, acts_on, *reader)
    }

    /// Starts the process. `Err` with its exit code and what it said, where it ended at once.
    pub(crate) async fn try_start(&mut self) -> Result<(), String> {
        assert!(self.process.is_none(), "it runs already");
        let mut process = self.process();
        let ready = self.url(Ports::ADMIN, "/readyz");
        let client = self.client.clone();
        let mut looks = 0;
        let started = until("fuse starts", async || {
            if let Some(code) = process.ended() {
                return Some(Err(format!("exit code {code:?}\n{}", process.said())));
            }
            looks += 1;
            if looks == TRIES {
                return Some(Err(format!("it does not listen\n{}", process.said())));
            }
            client.get(&ready).send().await.ok().map(|_| Ok(()))
        })
        .await;
        match started {
            Ok(()) => self.process = Some(process),
            Err(_) => {
                process.kill();
                self.said.push_str(&process.finish());
            }
        }
        started
    }

    /// Starts again on the same folders and ports.
    pub(crate) async fn start_again(&mut self) {
        for _ in 0..20 {
            match self.try_start().await {
                Ok(()) => return,
                // The ports are to stay: whoever has one will let go of it.
                Err(why) if why.contains("cannot listen") => {
                    tokio::time::sleep(BETWEEN * 5).await;
                }
                Err(why) => panic!("fuse did not start again: {why}"),
            }
        }
        panic!("the ports did not become free again:\n{}", self.log());
    }

    /// Starts it where that must fail: the exit code and what it said.
    pub(crate) async fn start_in_vain(&mut self) -> (Option<i32>, String) {
        let mut process = self.process();
        let code = until("fuse gives up", async || process.ended()).await;
        (code, process.finish())
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
            self.said.push_str(&process.finish());
        }
    }

    /// Runs another command of fuse in the folder: its exit code, and what it printed.
    pub(crate) fn command(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_fuse"))
            .args(arguments)
            .current_dir(self.folder())
            .output()
            .unwrap();
        let printed = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(printed).unwrap())
    }

    /// The URL of the admin port.
    pub(crate) fn server(&self) -> String {
        self.url(Ports::ADMIN, "")
    }

    /// `kill -TERM`, without waiting for the end.
    pub(crate) fn terminate(&self) {
        self.process.as_ref().expect("it runs").signal("TERM");
    }

    /// `kill -STOP`: it does nothing any more, and its connections stay open.
    pub(crate) fn pause(&self) {
        self.process.as_ref().expect("it runs").signal("STOP");
    }

    /// `kill -CONT`.
    pub(crate) fn resume(&self) {
        self.process.as_ref().expect("it runs").signal("CONT");
    }

    /// `kill -HUP`.
    pub(crate) fn hang_up(&self) {
        self.process.as_ref().expect("it runs").signal("HUP");
    }

    /// What the process uses now.
    pub(crate) fn resources(&self) -> Resources {
        self.process.as_ref().expect("it runs").resources()
    }

    /// Looks for a while whether it ends, which it must not. Cannot fail where it does not.
    pub(crate) async fn assert_stays(&mut self, time: Duration) {
        let start = std::time::Instant::now();
        while start.elapsed() < time {
            let process = self.process.as_mut().expect("it runs");
            assert_eq!(process.ended(), None, "{}", process.said());
            tokio::time::sleep(BETWEEN).await;
        }
    }

    /// Waits for the end: the exit code.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        let mut process = self.process.take().expect("it runs");
        let code = until("fuse ends", async || process.ended()).await;
        self.said.push_str(&process.finish());
        code
    }

    pub(crate) fn url(&self, port: u16, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port(port))
    }

    pub(crate) async fn request(
        &self,
        method: Method,
        door: (u16, &str),
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Reply {
        let url = self.url(door.0, door.1);
        let mut request = self.client.request(method, &url).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => panic!("{url}: {error:?}\n{}", self.log()),
        };
        Reply::of(response).await.unwrap()
    }

    pub(crate) async fn post(&self, door: Door, body: impl Into<reqwest::Body>) -> Reply {
        self.request(Method::POST, door, &[], body).await
    }

    /// Posts with the headers of a cloud event, so that names of objects are known beforehand.
    pub(crate) async fn post_as(
        &self,
        door: Door,
        id: &str,
        body: impl Into<reqwest::Body>,
    ) -> Reply {
        let headers = [("ce-id", id), ("ce-source", "test")];
        self.request(Method::POST, door, &headers, body).await
    }

    /// What `/decisions` says once the event is settled.
    pub(crate) async fn settled(&self, event: &str) -> Value {
        self.decisions(event, "settled").await
    }

    /// What `/decisions` says once the event is in that state.
    pub(crate) async fn decisions(&self, event: &str, state: &str) -> Value {
        let path = format!("/decisions?event={}", event.replace(' ', "%20"));
        let mut last = Value::Null;
        for _ in 0..TRIES {
            let reply = self.admin(&path).await;
            assert_eq!(reply.status, 200, "{reply:?}");
            last = reply.json();
            if last["event"]["state"] == state {
                return last;
            }
            tokio::time::sleep(BETWEEN).await;
        }
        panic!("`{event}` is not {state}: {last:#}\n{}", self.log());
    }

    /// Waits until the log has this text: fuse writes it in the background.
    pub(crate) async fn logged(&self, text: &str) {
        for _ in 0..TRIES {
            if self.log().contains(text) {
                return;
            }
            tokio::time::sleep(BETWEEN).await;
        }
        panic!("`{text}` is not in the log:\n{}", self.log());
    }

    /// The files in the folder of manifests, but for those that are still being written.
    pub(crate) fn manifests(&self) -> BTreeMap<String, Value> {
        manifests(&self.out())
    }

    /// The one manifest that there must be.
    #[track_caller]
    pub(crate) fn manifest(&self) -> Value {
        let manifests = self.manifests();
        assert_eq!(manifests.len(), 1, "{manifests:#?}");
        manifests.into_values().next().unwrap()
    }

    /// A metric by its name and labels, as `/metrics` writes them; by its name alone, the sum over all labels.
    pub(crate) async fn metric(&self, name: &str) -> Option<f64> {
        let text = self.admin("/metrics").await.text;
        let values = text.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let labels = rest.strip_prefix('{').and_then(|rest| rest.split_once("} "));
            let value = rest.strip_prefix(' ').or(labels.map(|(_, value)| value))?;
            Some(value.parse::<f64>().unwrap())
        });
        values.reduce(|sum, value| sum + value)
    }
}

/// The manifests in a folder, by their files' names.
pub(crate) fn manifests(folder: &Path) -> BTreeMap<String, Value> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return BTreeMap::new();
    };
    entries
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
        .filter(|(name, _)| !name.starts_with('.'))
        .map(|(name, path)| {
            let text = std::fs::read(&path).unwrap();
            let object = serde_json::from_slice(&text)
                .unwrap_or_else(|error| panic!("{name} is not whole: {error}"));
            (name, object)
        })
        .collect()
}

/// The parameters of a workflow, by name.
pub(crate) fn parameters(workflow: &Value) -> BTreeMap<String, Value> {
    let list = workflow["spec"]["arguments"]["parameters"].as_array().unwrap();
    list.iter()
        .map(|parameter| {
            let name = parameter["name"].as_str().unwrap().to_owned();
            (name, parameter["value"].clone())
        })
        .collect()
}

/// The decision of a rule, by the name without its sensor, and element.
#[track_caller]
pub(crate) fn decision<'a>(report: &'a Value, rule: &str, element: Option<u32>) -> &'a Value {
    let element = element.map_or(Value::Null, |index| vec![index].into());
    let decisions = report["decisions"].as_array().unwrap();
    let found = decisions.iter().find(|decision| {
        let name = decision["rule"].as_str().unwrap();
        name.ends_with(&format!("/{rule}")) && decision["element"] == element
    });
    found.unwrap_or_else(|| panic!("nothing about `{rule}` and {element}: {report:#}"))
}

/// The outcomes that are reported, each once.
pub(crate) fn outcomes(report: &Value) -> BTreeSet<&str> {
    let decisions = report["decisions"].as_array().unwrap();
    decisions.iter().map(|decision| decision["outcome"].as_str().unwrap()).collect()
}

/// Random text of this length, which LZ4 cannot compress.
pub(crate) fn incompressible(length: usize) -> String {
    let mut random = fastrand::Rng::with_seed(1);
    (0..length).map(|_| random.alphanumeric()).collect()
}
