//! A process that dies at a chosen step: this test binary, started again as its own child, runs
//! the runtime in there and aborts.

/// The real `fuse` under `kill -9`, again and again.
mod random;
/// Every step at which a process can die.
mod steps;
/// An intent without a trace, and how old it may be.
mod uncertain;

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use fuse_rules::schema::Schema;
use fuse_rules::{Fuses, Ruleset};
use fuse_runtime::backend::{Backend, Embedded};
use fuse_runtime::clock::Clock;
use fuse_runtime::engine::{Policy, Step, Watcher};
use fuse_runtime::event::EventKey;
use fuse_runtime::kubernetes::{Access, Cluster};
use fuse_runtime::ledger::{ActionState, EventRecord};
use fuse_runtime::sources::{Sources, Webhook};
use fuse_runtime::triggers::{
    ActionFiles, ActionRequest, Done, Failure, Probe, RenderError, Trigger, Triggers,
};
use fuse_runtime::{Disk, Running, Runtime, registry, rule_files};
use jiff::Timestamp;
use serde_json::Value;

use crate::support::cluster::{ADMIN, ControlPlane};
use crate::support::{ALERTS, Fuse, Reply, Setup, client, example};

/// What the child is told by: the step, which one of its occurrences, and the folder and port.
const STEP: &str = "FUSE_TEST_CRASH_STEP";
const OCCURRENCE: &str = "FUSE_TEST_CRASH_OCCURRENCE";
const FOLDER: &str = "FUSE_TEST_CRASH_FOLDER";
const PORT: &str = "FUSE_TEST_CRASH_PORT";

/// The file in the folder that names the cluster, where one is acted on.
const KUBECONFIG: &str = "kubeconfig.yaml";

/// The child's clock stands still, so that intents are as old as the restart's clock says.
const THEN: &str = "2026-08-01T10:00:00Z";

/// The event that is posted: its id, and the number of actions that are to come of it.
pub(crate) const ID: &str = "test 1";
pub(crate) const ACTIONS: usize = 2;

/// Not a test, but the process that dies. Does nothing where no test asks for it.
#[test]
fn child() {
    let variable = |name: &str| std::env::var(name).ok();
    let Some(step) = variable(STEP) else {
        println!("no step is named: this is what the tests of crashes run as their child");
        return;
    };
    let occurrence: u32 = variable(OCCURRENCE).unwrap().parse().unwrap();
    let port: u16 = variable(PORT).unwrap().parse().unwrap();
    let folder = PathBuf::from(variable(FOLDER).unwrap());

    let seen = AtomicU32::new(0);
    let fatal = step.clone();
    let watcher: Watcher = Arc::new(move |now| {
        if fatal == "Accepted" {
            // The engine gets no further, so that the 202 is all that happens.
            loop {
                std::thread::park();
            }
        }
        if format!("{now:?}") == fatal && seen.fetch_add(1, Ordering::SeqCst) + 1 == occurrence {
            std::process::abort();
        }
    });
    let workers =
        tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    workers.block_on(async {
        let _running = start(&folder, true, at(0), watcher).await;
        // 200 where a former child posted it.
        let posted = post(port).await;
        assert!(matches!(posted.status, 202 | 200), "{posted:?}");
        if step == "Accepted" {
            std::process::abort();
        }
        // The thread that takes the step aborts.
        tokio::time::sleep(Duration::from_secs(60)).await;
        panic!("the step {step} was not taken {occurrence} times");
    });
}

/// So many seconds after the child's time, for good.
pub(crate) fn at(seconds: i64) -> Clock {
    let then: Timestamp = THEN.parse().unwrap();
    let now = then + jiff::SignedDuration::from_secs(seconds);
    Clock::manual(move || now)
}

/// Rules, a state folder, manifests and a journal, on which processes die and start.
pub(crate) struct Scene {
    fuse: Fuse,
}

impl Scene {
    fn new() -> Self {
        Self { fuse: Setup::seed().lay_out() }
    }

    /// On this cluster, instead of manifests and a journal; with the seed's objects in this
    /// namespace.
    pub(crate) fn on(cluster: &ControlPlane, namespace: &str) -> Self {
        let fuse = Setup::seed().with("\"cicd\"", &format!("{namespace:?}")).lay_out();
        std::fs::copy(cluster.kubeconfig(ADMIN), fuse.folder().join(KUBECONFIG)).unwrap();
        Self { fuse }
    }

    fn folder(&self) -> &Path {
        self.fuse.folder()
    }

    /// Has a child post the event and die at a step.
    pub(crate) fn die(&self, step: &str, occurrence: u32) {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child", "--nocapture"])
            .env(STEP, step)
            .env(OCCURRENCE, occurrence.to_string())
            .env(FOLDER, self.folder())
            .env(PORT, self.fuse.port(ALERTS.0).to_string())
            .output()
            .unwrap();
        // Neither a failed test nor a panic ends like this.
        let signal = std::os::unix::process::ExitStatusExt::signal(&output.status);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(signal, Some(6), "the child did not abort: {said}");
    }

    /// Starts again, this time without dying, and waits until the event is settled.
    pub(crate) async fn recover(&self, armed: bool, clock: Clock) -> Recovered {
        let (steps, mut stepped) = tokio::sync::mpsc::unbounded_channel();
        let watcher: Watcher = Arc::new(move |step| {
            // Nobody listens once the event is settled.
            let _unheard = steps.send(step);
        });
        let (running, backend) = start(self.folder(), armed, clock, watcher).await;
        let mut steps = Vec::new();
        let mut record = record(&backend).await;
        while !(record.acked && record.is_settled()) {
            let step = tokio::time::timeout(Duration::from_secs(60), stepped.recv()).await;
            let step = step.expect("the event is settled").unwrap();
            steps.push(step);
            // What was held is recorded later.
            if matches!(step, Step::Acked | Step::Recorded) {
                record = self::record(&backend).await;
            }
        }
        // The client that got no answer, or did not believe it, posts again.
        let again = post(self.fuse.port(ALERTS.0)).await;
        assert_eq!(again.event(200), ID);
        assert!(running.stop().await);
        Recovered { record, steps }
    }

    /// Starts again with the fuse off, and waits until the event left the queue.
    pub(crate) async fn start_with_the_fuse_off(&self, clock: Clock) -> EventRecord {
        let (acked, mut acks) = tokio::sync::mpsc::unbounded_channel();
        let watcher: Watcher = Arc::new(move |step| {
            if step == Step::Acked {
                let _unheard = acked.send(());
            }
        });
        let (running, backend) = start(self.folder(), false, clock, watcher).await;
        let acked = tokio::time::timeout(Duration::from_secs(60), acks.recv()).await;
        acked.expect("the event leaves the queue").unwrap();
        let record = record(&backend).await;
        assert!(running.stop().await);
        record
    }

    /// The actions that were really performed, in their order: an id stands here as often as the
    /// backend was told to act and did.
    fn journal(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder().join("journal")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Each action of the event is on record as done, was performed once, and has its manifest.
    fn assert_all_done_once(&self, record: &EventRecord, when: &str) {
        assert!(record.acked && record.is_settled(), "{when}: {record:#?}");
        let mut actions = Vec::new();
        for action in &record.actions {
            assert!(matches!(action.state, ActionState::Done { .. }), "{when}: {action:#?}");
            actions.push(action.id.clone());
        }
        assert_eq!(actions.len(), ACTIONS, "{when}");
        actions.sort();
        let mut performed = self.journal();
        performed.sort();
        assert_eq!(performed, actions, "{when}");
        let manifests = self.fuse.manifests();
        let mut written: Vec<&str> = manifests
            .values()
            .map(|object| &object["metadata"]["annotations"]["fuse.rules/action-id"])
            .map(|id| id.as_str().unwrap())
            .collect();
        written.sort_unstable();
        assert_eq!(written, actions, "{when}");
    }
}

pub(crate) struct Recovered {
    pub(crate) record: EventRecord,
    /// What the engine did after the crash.
    pub(crate) steps: Vec<Step>,
}

async fn record(backend: &Embedded) -> EventRecord {
    let (source, name) = ("alertmanager".into(), "slo-alerts".into());
    let key = EventKey { source, name, id: ID.into() };
    backend.ledger().event(&key).await.unwrap().expect("it was accepted")
}

async fn post(port: u16) -> Reply {
    let request = client()
        .post(format!("http://127.0.0.1:{port}/webhook"))
        .header("ce-id", "1")
        .header("ce-source", "test")
        .body(example("alertmanager-both.json"));
    Reply::of(request.send().await.unwrap()).await.unwrap()
}

/// Starts the runtime as the command does, but with a watcher, a clock and a journal.
async fn start(folder: &Path, armed: bool, clock: Clock, watcher: Watcher) -> (Running, Embedded) {
    let sources = Sources::new().with("webhook", Webhook::new(Ipv4Addr::LOCALHOST.into()));
    let kubeconfig = Some(folder.join(KUBECONFIG)).filter(|file| file.exists());
    let mut followed = None;
    let triggers = if kubeconfig.is_some() {
        let access = Access { kubeconfig, ..Access::default() };
        let cluster = Cluster::connect(&access).await.unwrap();
        followed = Some(cluster.clone());
        Triggers::cluster(cluster)
    } else {
        let files = ActionFiles::new(folder.join("manifests"));
        let workflow = Arc::clone(Triggers::local(files).get("workflow").unwrap());
        Triggers::new().with(Journalled { workflow, journal: folder.join("journal") })
    };
    let files = rule_files(&[folder.join("rules")]).unwrap();
    let ruleset = Ruleset::load(&files, &Disk, &registry(&sources, &triggers)).unwrap();
    let backend = Embedded::open(&folder.join(".fuse-local")).await.unwrap();
    // One action after the other, so that a step says what was done before it.
    let recheck = Duration::from_millis(100);
    let policy = Policy { actions: 1, recheck, ..Policy::default() };
    let mut runtime = Runtime::new(ruleset, sources, triggers)
        .policy(policy)
        .fuses(Fuses::default().set("cicd", armed))
        .clock(clock)
        .watcher(watcher);
    if let Some(cluster) = followed {
        runtime = runtime.follow(cluster);
    }
    (runtime.start(backend.clone()).await.unwrap(), backend)
}

/// The trigger `workflow`, which is blind to repetitions: names of files follow from actions, so
/// that firing twice would not show in the folder. The journal gets a line each time.
struct Journalled {
    workflow: Arc<dyn Trigger>,
    journal: PathBuf,
}

#[async_trait]
impl Trigger for Journalled {
    fn schema(&self) -> Schema {
        self.workflow.schema()
    }

    fn render(&self, request: &ActionRequest) -> Result<Value, RenderError> {
        self.workflow.render(request)
    }

    async fn fire(&self, request: &ActionRequest) -> Result<Done, Failure> {
        let done = self.workflow.fire(request).await?;
        let mut journal =
            std::fs::OpenOptions::new().create(true).append(true).open(&self.journal).unwrap();
        journal.write_all(format!("{}\n", request.id).as_bytes()).unwrap();
        Ok(done)
    }

    async fn probe(&self, request: &ActionRequest) -> Probe {
        self.workflow.probe(request).await
    }
}
