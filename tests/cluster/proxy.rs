//! Each fault of the proxy is seen as what it is.

use std::time::{Duration, Instant};

use kube::api::{Api, DynamicObject, WatchEvent, WatchParams};
use serde_json::Value;

use super::harness::{client_of, workflow};
use crate::support::cluster::{
    ADMIN, ControlPlane, Fault, Objects, Proxy, WORKFLOW, at_random, calm, in_turn, status_of,
};
use crate::support::{Reply, client, until};

/// The shared cluster, a namespace of its own, and a proxy in front.
struct Bench {
    namespace: String,
    /// Past the proxy.
    direct: Objects,
    proxy: Proxy,
}

impl Bench {
    async fn new() -> Option<Self> {
        let cluster = ControlPlane::shared().await?;
        Some(Self {
            namespace: cluster.namespace("proxy").await,
            direct: cluster.admin().await,
            proxy: Proxy::start(cluster, calm()).await,
        })
    }

    /// Posts a workflow through the proxy, once.
    async fn post(&self, name: &str) -> Result<Reply, reqwest::Error> {
        let path = format!("/apis/argoproj.io/v1alpha1/namespaces/{}/workflows", self.namespace);
        let body = workflow(&self.namespace, name);
        let request = client().post(self.proxy.url() + &path).bearer_auth(ADMIN).json(&body);
        Reply::of(request.send().await?).await
    }

    /// The same, where the next creation fails in this way.
    async fn post_into(&self, fault: Fault, name: &str) -> Result<Reply, reqwest::Error> {
        self.proxy.plan(in_turn("create", "workflows", [fault]));
        self.post(name).await
    }

    async fn names(&self) -> Vec<String> {
        let list = self.direct.list(WORKFLOW, &self.namespace).await.unwrap();
        let name = |object: &Value| object["metadata"]["name"].as_str().unwrap().to_owned();
        list.iter().map(name).collect()
    }

    async fn api(&self, objects: &Objects) -> Api<DynamicObject> {
        let kind = kube::core::GroupVersionKind::gvk("argoproj.io", "v1alpha1", "Workflow");
        let found = kube::discovery::pinned_kind(&objects.client(), &kind).await;
        Api::namespaced_with(objects.client(), &self.namespace, &found.unwrap().0)
    }
}

#[tokio::test]
async fn without_faults_it_is_not_noticed() {
    let Some(bench) = Bench::new().await else { return };
    let objects = bench.proxy.objects(ADMIN).await;
    let made = objects.create(workflow(&bench.namespace, "one")).await.unwrap();
    let read = bench.direct.get(WORKFLOW, &bench.namespace, "one").await.unwrap();
    assert_eq!(made, read);
    let again = objects.create(workflow(&bench.namespace, "one")).await.unwrap_err();
    assert_eq!(status_of(&again), Some(409), "{again:?}");
    assert_eq!(objects.list(WORKFLOW, &bench.namespace).await.unwrap(), [made]);
    assert_eq!(bench.proxy.count("create", "workflows"), 2);
    assert_eq!(bench.proxy.count("list", "workflows"), 1);
    assert_eq!(bench.proxy.faults().len(), 0);

    let client = client_of(&bench.proxy.kubeconfig(ADMIN)).await;
    client.apiserver_version().await.unwrap();
}

#[tokio::test]
async fn refusals_are_answers_and_reach_nobody() {
    let Some(bench) = Bench::new().await else { return };
    let busy = bench.post_into(Fault::Busy(7), "busy").await.unwrap();
    assert_eq!((busy.status, busy.header("retry-after")), (429, "7"));
    assert_eq!(busy.json()["code"], 429);
    let broken = bench.post_into(Fault::Status(503), "broken").await.unwrap();
    assert_eq!((broken.status, broken.json()["kind"].as_str()), (503, Some("Status")));
    assert_eq!(bench.names().await, [""; 0]);
    // Each fault hits once.
    assert_eq!(bench.post("whole").await.unwrap().status, 201);
    assert_eq!(bench.names().await, ["whole"]);
}

#[tokio::test]
async fn a_delay_delays() {
    let Some(bench) = Bench::new().await else { return };
    let (start, delay) = (Instant::now(), Duration::from_millis(50));
    assert_eq!(bench.post_into(Fault::Delay(delay), "late").await.unwrap().status, 201);
    assert!(start.elapsed() >= delay, "{:?}", start.elapsed());
}

#[tokio::test]
async fn cuts_are_no_answers_whether_or_not_the_object_is_made() {
    let Some(bench) = Bench::new().await else { return };
    let before = bench.post_into(Fault::CutBefore, "before").await.unwrap_err();
    assert!(before.is_request() && before.status().is_none(), "{before:?}");
    assert_eq!(bench.names().await, [""; 0]);

    let after = bench.post_into(Fault::CutAfter, "after").await.unwrap_err();
    assert!(after.is_request() && after.status().is_none(), "{after:?}");
    assert_eq!(bench.names().await, ["after"]);

    // The head came, and half of the body.
    let within = bench.post_into(Fault::CutWithin, "within").await.unwrap_err();
    assert!(!within.is_request() && (within.is_body() || within.is_decode()), "{within:?}");
    assert_eq!(bench.names().await, ["after", "within"]);

    let faults: Vec<_> = bench.proxy.faults().into_iter().collect();
    assert_eq!(faults, [("cut after", 1), ("cut before", 1), ("cut within", 1)]);
    assert_eq!(bench.proxy.count("create", "workflows"), 3);
}

#[tokio::test]
async fn a_watch_comes_through_as_it_happens_and_is_cut_at_will() {
    let Some(bench) = Bench::new().await else { return };
    let api = bench.api(&bench.proxy.objects(ADMIN).await).await;
    let mut events = Box::pin(api.watch(&WatchParams::default(), "0").await.unwrap());
    let mut next = async || futures_util::StreamExt::next(&mut events).await;
    for name in ["one", "two"] {
        bench.direct.create(workflow(&bench.namespace, name)).await.unwrap();
        let event = next().await;
        let Some(Ok(WatchEvent::Added(object))) = event else { panic!("{event:?}") };
        assert_eq!(object.metadata.name.as_deref(), Some(name));
    }
    assert_eq!((bench.proxy.watches(), bench.proxy.count("watch", "workflows")), (1, 1));
    bench.proxy.drop_watches();
    let event = next().await;
    assert!(matches!(event, Some(Err(_)) | None), "{event:?}");
    until("the watch is gone", async || (bench.proxy.watches() == 0).then_some(())).await;

    // One that is begun afterwards is not cut by it.
    let mut events = Box::pin(api.watch(&WatchParams::default(), "0").await.unwrap());
    let event = futures_util::StreamExt::next(&mut events).await;
    assert!(matches!(event, Some(Ok(WatchEvent::Added(_)))), "{event:?}");
}

#[tokio::test]
async fn random_faults_are_the_same_for_the_same_seed() {
    let Some(bench) = Bench::new().await else { return };
    let rates = [(30, Fault::CutBefore), (30, Fault::CutAfter), (20, Fault::Status(500))];
    let mut runs = Vec::new();
    for (run, seed) in [1, 1, 2].into_iter().enumerate() {
        bench.proxy.plan(at_random(seed, rates));
        let mut run_of = Vec::new();
        for number in 0..12 {
            let reply = bench.post(&format!("run-{run}-{number}")).await;
            run_of.push(reply.ok().map(|reply| reply.status));
        }
        runs.push(run_of);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
    for seen in [None, Some(201), Some(500)] {
        assert!(runs[0].contains(&seen), "{runs:?}");
    }
    assert_eq!(bench.proxy.faults().len(), 3);
}

#[tokio::test]
async fn a_plan_sees_what_is_asked_and_how_often_it_was() {
    let Some(bench) = Bench::new().await else { return };
    bench.proxy.plan(Box::new(|seen| {
        (seen.is("create", "workflows") && seen.number == 1).then_some(Fault::Status(500))
    }));
    let mut statuses = Vec::new();
    for name in ["one", "two", "three"] {
        statuses.push(bench.post(name).await.unwrap().status);
    }
    assert_eq!(statuses, [201, 500, 201]);
}

#[tokio::test]
async fn where_there_is_no_proxy_there_is_no_answer() {
    let Some(bench) = Bench::new().await else { return };
    let url = bench.proxy.url();
    drop(bench);
    until("nobody listens", async || client().get(&url).send().await.err()).await;
}
