//! A real control plane for tests: etcd and kube-apiserver, from the folder that the variable
//! `KUBEBUILDER_ASSETS` names. No controllers run: nothing starts pods, finishes workflows or
//! empties namespaces, unless the test does.

mod assets;
mod crds;
mod keys;
mod kubeconfig;
mod objects;
mod proxy;
mod server;
mod watchdog;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hyper::Request;
use serde_json::json;
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

pub(crate) use objects::{Objects, documents, status_of};
pub(crate) use proxy::{Fault, Plan, Proxy, Seen, at_random, calm, in_turn, random};
use server::Server;
use watchdog::Watchdog;

use super::{ports, until};

/// The token of the user `admin`, who may do everything.
pub(crate) const ADMIN: &str = "token-of-admin";
/// The token of the user `narrow`, who may do only what a test binds a role to the user for.
pub(crate) const NARROW: &str = "token-of-narrow";

/// Kinds, as [`Objects`] take them: what stands in `apiVersion`, a slash, and the kind.
pub(crate) const WORKFLOW: &str = "argoproj.io/v1alpha1/Workflow";
pub(crate) const CONFIG_MAP: &str = "v1/ConfigMap";

/// How long the API server may take to start. It takes some three seconds on an idle machine.
const START: Duration = Duration::from_secs(50);

/// An API server and its etcd; both are killed when it is dropped, or when the tests end.
pub(crate) struct ControlPlane {
    // Dropped from first to last.
    api_server: Option<Server>,
    etcd: Server,
    assets: PathBuf,
    port: u16,
    etcd_port: u16,
    watchdog: Watchdog,
    _turn: Option<SemaphorePermit<'static>>,
}

impl ControlPlane {
    /// The one that all tests of this process use, with the CRDs. None where tests against a
    /// cluster are skipped, which is said.
    pub(crate) async fn shared() -> Option<&'static Self> {
        static SHARED: OnceCell<Result<ControlPlane, String>> = OnceCell::const_new();
        let assets = assets::folder()?;
        let started = SHARED.get_or_init(async || {
            let plane = Self::launch(&assets).await?;
            plane.install_crds().await;
            Ok(plane)
        });
        Some(started.await.as_ref().unwrap_or_else(|why| panic!("no control plane: {why}")))
    }

    /// One of the test's own, without CRDs, for what would disturb others. There is one at a
    /// time, as each takes some seconds and half a gigabyte: share where you can.
    pub(crate) async fn start() -> Option<Self> {
        static TURNS: Semaphore = Semaphore::const_new(1);
        let assets = assets::folder()?;
        let turn = TURNS.acquire().await.unwrap();
        let started = Self::launch(&assets).await;
        let plane = started.unwrap_or_else(|why| panic!("no control plane: {why}"));
        Some(Self { _turn: Some(turn), ..plane })
    }

    async fn launch(assets: &Path) -> Result<Self, String> {
        // Another process may have taken a port before it is used: then once more with others.
        let mut why = String::new();
        for _ in 0..3 {
            match Self::launch_once(assets).await {
                Ok(plane) => return Ok(plane),
                Err(error) if error.contains("address already in use") => why = error,
                Err(error) => return Err(error),
            }
        }
        Err(why)
    }

    async fn launch_once(assets: &Path) -> Result<Self, String> {
        // Each test makes its own clients; whoever comes first chooses how they encrypt.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let watchdog = Watchdog::new();
        let folder = watchdog.folder();
        keys::write_pair(&folder.join("private.pem"), &folder.join("public.pem"));
        keys::write_users(&folder.join("users.csv"));
        let etcd_port = ports::free();
        let etcd = Server::start(&assets.join("etcd"), &etcd_arguments(etcd_port), folder)?;
        let mut plane = Self {
            api_server: None,
            etcd,
            assets: assets.to_owned(),
            port: ports::free(),
            etcd_port,
            watchdog,
            _turn: None,
        };
        plane.try_start_api_server().await?;
        Ok(plane)
    }

    /// Kills the API server; etcd and what it holds stay.
    pub(crate) fn stop_api_server(&mut self) {
        assert!(self.api_server.take().is_some(), "it does not run");
    }

    /// Starts the API server again on the same port, and waits until it is ready.
    pub(crate) async fn start_api_server(&mut self) {
        let started = self.try_start_api_server().await;
        started.unwrap_or_else(|why| panic!("the API server did not start again: {why}"));
    }

    async fn try_start_api_server(&mut self) -> Result<(), String> {
        assert!(self.api_server.is_none(), "it runs already");
        let program = self.assets.join("kube-apiserver");
        let arguments = api_server_arguments(self.port, self.etcd_port);
        let mut server = Server::start(&program, &arguments, self.folder())?;
        let start = Instant::now();
        until("the API server is ready", async || {
            for server in [&mut server, &mut self.etcd] {
                if let Some(how) = server.ended() {
                    return Some(Err(how));
                }
            }
            if start.elapsed() > START {
                return Some(Err(format!("not ready in {START:?}\n{}", server.last_words())));
            }
            // There is no client before the server has made its certificate.
            let config = kubeconfig::config(self.folder(), &self.url(), Some(ADMIN)).await.ok()?;
            let client = kube::Client::try_from(config).ok()?;
            let request = Request::get("/readyz").body(Vec::new()).unwrap();
            client.request_text(request).await.is_ok_and(|text| text == "ok").then_some(Ok(()))
        })
        .await?;
        self.api_server = Some(server);
        Ok(())
    }

    fn folder(&self) -> &Path {
        self.watchdog.folder()
    }

    /// Where the API server answers, over TLS.
    pub(crate) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// A new kubeconfig file for whoever has the token, which is gone with the control plane.
    pub(crate) fn kubeconfig(&self, token: &str) -> PathBuf {
        kubeconfig::write(self.folder(), &self.url(), Some(token), None)
    }

    /// The same for whoever works in a namespace.
    pub(crate) fn kubeconfig_in(&self, token: &str, namespace: &str) -> PathBuf {
        kubeconfig::write(self.folder(), &self.url(), Some(token), Some(namespace))
    }

    /// The objects of the cluster as whoever has the token may see and change them. For this
    /// test alone: its connections end with the test's runtime.
    pub(crate) async fn objects(&self, token: &str) -> Objects {
        Objects::new(kubeconfig::client(self.folder(), &self.url(), Some(token)).await)
    }

    pub(crate) async fn admin(&self) -> Objects {
        self.objects(ADMIN).await
    }

    /// A new namespace: its name starts with that.
    pub(crate) async fn namespace(&self, prefix: &str) -> String {
        let namespace = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": { "generateName": format!("{prefix}-") },
        });
        let made = self.admin().await.create(namespace).await.unwrap();
        made["metadata"]["name"].as_str().unwrap().to_owned()
    }

    /// A token of a service account that there is already.
    pub(crate) async fn token_of(&self, namespace: &str, service_account: &str) -> String {
        self.token_for(namespace, service_account, &[]).await
    }

    /// The same for other audiences than the API server.
    pub(crate) async fn token_for(
        &self,
        namespace: &str,
        service_account: &str,
        audiences: &[&str],
    ) -> String {
        self.admin().await.token_of(namespace, service_account, audiences).await.unwrap()
    }

    /// The CRDs of `tests/cluster/crds`, each replaced by the one of its name in the folder that
    /// `FUSE_TEST_CRDS` names, where there is one; waits until their objects are served.
    pub(crate) async fn install_crds(&self) {
        crds::install(&self.admin().await).await;
    }

    /// Deletes these CRDs and all their objects; waits until they are no longer served.
    pub(crate) async fn delete_crds(&self) {
        crds::delete(&self.admin().await).await;
    }
}

fn etcd_arguments(port: u16) -> Vec<String> {
    let url = format!("http://127.0.0.1:{port}");
    let peers = format!("http://127.0.0.1:{}", ports::free());
    vec![
        "--data-dir=etcd".into(),
        format!("--listen-client-urls={url}"),
        format!("--advertise-client-urls={url}"),
        format!("--listen-peer-urls={peers}"),
        // It is to outlive the API server, but no crash of the machine.
        "--unsafe-no-fsync".into(),
    ]
}

/// Only what Kubernetes 1.20 knows and its successors still do. The server makes its certificate
/// itself.
fn api_server_arguments(port: u16, etcd_port: u16) -> Vec<String> {
    vec![
        format!("--etcd-servers=http://127.0.0.1:{etcd_port}"),
        "--bind-address=127.0.0.1".into(),
        format!("--secure-port={port}"),
        // Without one it looks for a way out of this machine, and there need not be any. It is
        // not a thing to be made known to the cluster, though.
        "--advertise-address=127.0.0.1".into(),
        "--endpoint-reconciler-type=none".into(),
        "--cert-dir=certificates".into(),
        "--service-cluster-ip-range=10.0.0.0/24".into(),
        "--authorization-mode=RBAC".into(),
        "--token-auth-file=users.csv".into(),
        // It would want controllers.
        "--disable-admission-plugins=ServiceAccount".into(),
        "--service-account-issuer=https://kubernetes.default.svc".into(),
        "--service-account-signing-key-file=private.pem".into(),
        "--service-account-key-file=public.pem".into(),
    ]
}
