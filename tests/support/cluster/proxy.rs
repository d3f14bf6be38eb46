//! A proxy in front of the API server that fails on purpose, and says what it saw.

mod fault;
mod forward;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub(crate) use fault::{Fault, Plan, Seen, at_random, calm, in_turn, random};

use super::{ControlPlane, kubeconfig};

/// A running proxy, over HTTP without TLS. Whoever comes to it needs a token, which it passes on.
/// It runs in the test's runtime, and cuts all its connections when it is dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    folder: PathBuf,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    upstream: kube::Client,
    plan: Mutex<Plan>,
    seen: Mutex<Vec<(Seen, Option<Fault>)>>,
    /// How often all watches were cut.
    cuts: watch::Sender<u64>,
    watches: AtomicUsize,
}

impl Proxy {
    pub(crate) async fn start(plane: &ControlPlane, plan: Plan) -> Self {
        let folder = plane.folder().to_owned();
        let state = Arc::new(State {
            upstream: kubeconfig::client(&folder, &plane.url(), None).await,
            plan: Mutex::new(plan),
            seen: Mutex::default(),
            cuts: watch::Sender::new(0),
            watches: AtomicUsize::new(0),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(accept(listener, Arc::clone(&state)));
        Self { address, folder, state, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A new kubeconfig file that leads here.
    pub(crate) fn kubeconfig(&self, token: &str) -> PathBuf {
        kubeconfig::write(&self.folder, &self.url(), Some(token), None)
    }

    /// The cluster's objects, seen through the proxy.
    pub(crate) async fn objects(&self, token: &str) -> super::Objects {
        super::Objects::new(kubeconfig::client(&self.folder, &self.url(), Some(token)).await)
    }

    /// From now on, this is what fails.
    pub(crate) fn plan(&self, plan: Plan) {
        *self.state.plan.lock().unwrap() = plan;
    }

    /// Cuts all watches that are open.
    pub(crate) fn drop_watches(&self) {
        self.state.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// How many watches are open.
    pub(crate) fn watches(&self) -> usize {
        self.state.watches.load(Ordering::SeqCst)
    }

    /// How many requests there were of a verb to a resource, such as `create` and `workflows`.
    pub(crate) fn count(&self, verb: &str, resource: &str) -> usize {
        self.state.count(verb, resource)
    }

    /// How many requests there were in all.
    pub(crate) fn requests(&self) -> usize {
        self.state.seen.lock().unwrap().len()
    }

    /// How many faults there were, by their names.
    pub(crate) fn faults(&self) -> BTreeMap<&'static str, usize> {
        let mut faults = BTreeMap::new();
        for (_, fault) in self.state.seen.lock().unwrap().iter() {
            if let Some(fault) = fault {
                *faults.entry(fault.name()).or_default() += 1;
            }
        }
        faults
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    fn count(&self, verb: &str, resource: &str) -> usize {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|(seen, _)| seen.verb == verb && seen.resource == resource).count()
    }

    /// Takes note of a request, and decides what fails about it.
    fn decide(&self, mut seen: Seen) -> (Seen, Option<Fault>) {
        // One after the other, so that no two have the same number.
        let mut plan = self.plan.lock().unwrap();
        seen.number = self.count(seen.verb, &seen.resource);
        let fault = plan(&seen);
        self.seen.lock().unwrap().push((seen.clone(), fault));
        (seen, fault)
    }
}

/// Serves connections until it is aborted, and they with it.
async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        while connections.try_join_next().is_some() {}
        let state = Arc::clone(&state);
        connections.spawn(async move {
            let service = service_fn(|request| forward::answer(&state, request));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // It ends in an error whenever it is cut, by whomever.
            let _ended = connection.await;
        });
    }
}
