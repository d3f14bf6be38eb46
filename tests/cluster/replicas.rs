//! Three replicas that share one state over three NATS servers: each of the six is killed, replicas are paused, connections
//! are cut, and everything is restarted, while events arrive. In the end there is what was asked for, and nothing twice.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fuse_runtime::backend::{JetStream, JetStreamOptions};

use super::orders::{AHEAD, Scene, Senders, left};
use super::scene::JOB;
use crate::support::cluster::{ADMIN, ControlPlane, Proxy, calm, random};
use crate::support::{ALERTS, Fuse, Nats, Setup, until};

/// How many events the rule with a limit lets through.
const FEW: usize = 7;

/// Beside the orders: a limit that all replicas share, and a timer of each event.
const MORE: &str = r#"
sensor more on portal.order {
  rule few {
    when body.order >= 0
    limit 7 per 1h
    trigger job { namespace = "cicd", name-prefix = "few-", image = "busybox" }
  }
  rule later {
    when body.order >= 0
    quiet 3s per body.order
    trigger job { namespace = "cicd", name-prefix = "later-", image = "busybox" }
  }
}
"#;

/// How many events, and how many faults.
fn size() -> (usize, usize) {
    let of = |name: &str, default| {
        std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
    };
    (of("FUSE_TEST_REPLICAS_EVENTS", 120), of("FUSE_TEST_REPLICAS_FAULTS", 8))
}

/// The name of the shared state.
fn name(scene: &Scene) -> String {
    scene.namespace.replace('.', "-")
}

/// Waits until every server has everything.
async fn in_sync(scene: &Scene, nats: &Nats) {
    let options = JetStreamOptions { name: name(scene), ..JetStreamOptions::new(nats.url()) };
    until("the servers are in sync", async || {
        JetStream::check(&options).await.ok()?.behind.is_empty().then_some(())
    })
    .await;
}

fn setup(scene: &Scene, nats: &Nats, proxy: &Proxy) -> Setup {
    let name = name(scene);
    let shared = format!("[backend]\nurl = {:?}\nname = {name:?}\n", nats.url());
    let setup = scene.setup().append(&MORE.replace("\"cicd\"", &format!("{:?}", scene.namespace)));
    setup.toml(&shared).cluster(proxy.kubeconfig(ADMIN))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_replicas_and_three_servers_under_faults() {
    let Some(cluster) = ControlPlane::shared().await else { return };
    let Some(nats) = Nats::three().await else { return };
    let mut nats = nats.with_relays().await;
    let (events, faults) = size();
    let scene = Scene::new(cluster, events).await;
    let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0);
    println!("seed {seed:#x}");
    let mut chance = seed;
    let mut pick = |below: usize| usize::try_from(random(&mut chance)).unwrap_or(0) % below;
    let start = Instant::now();
    let proxy = Proxy::start(cluster, calm()).await;
    let mut fuses: Vec<Fuse> = Vec::new();
    for _ in 0..3 {
        fuses.push(setup(&scene, &nats, &proxy).start().await);
    }
    let urls = fuses.iter().map(|fuse| fuse.url(ALERTS.0, ALERTS.1)).collect();
    let mut senders = Senders::to(urls, scene.events);
    let mut done = BTreeMap::<&str, usize>::new();
    for number in 0..faults {
        // Some are under way whenever something happens.
        senders.allow(events * number / faults + AHEAD);
        tokio::time::sleep(Duration::from_millis(300 + pick(1200) as u64)).await;
        let (which, pause) = (pick(3), Duration::from_millis(pick(12_000) as u64));
        match pick(6) {
            0 | 1 => {
                *done.entry("replicas killed").or_default() += 1;
                fuses[which].kill();
                tokio::time::sleep(pause / 6).await;
                fuses[which].start_again().await;
            }
            2 => {
                *done.entry("replicas paused").or_default() += 1;
                fuses[which].pause();
                tokio::time::sleep(pause).await;
                fuses[which].resume();
            }
            3 => {
                // A majority must have everything. Without it, a stream may stay without a leader for ever.
                in_sync(&scene, &nats).await;
                *done.entry("servers killed").or_default() += 1;
                nats.kill(which);
                tokio::time::sleep(pause / 6).await;
                nats.start_again(which).await;
            }
            4 => {
                *done.entry("connections of a server cut").or_default() += 1;
                nats.cut(which, pause / 4).await;
            }
            _ => {
                *done.entry("connections of all servers cut").or_default() += 1;
                let time = pause / 12;
                tokio::join!(nats.cut(0, time), nats.cut(1, time), nats.cut(2, time));
            }
        }
    }
    // At last, everything is restarted, one after the other.
    senders.allow(events);
    for (which, fuse) in fuses.iter_mut().enumerate() {
        fuse.terminate();
        assert_eq!(fuse.ended().await, Some(0), "{}", fuse.log());
        fuse.start_again().await;
        in_sync(&scene, &nats).await;
        nats.kill(which);
        nats.start_again(which).await;
    }
    senders.all_sent().await;
    settle(&fuses).await;
    scene.assert_all_done_once(&fuses[pick(3)]).await;

    let mut jobs = BTreeMap::<String, usize>::new();
    for job in scene.objects.list(JOB, &scene.namespace).await.unwrap() {
        let name = job["metadata"]["name"].as_str().unwrap();
        *jobs.entry(name.split('-').next().unwrap().to_owned()).or_default() += 1;
    }
    let expected = BTreeMap::from([("few".to_owned(), FEW), ("later".to_owned(), events)]);
    assert_eq!(jobs, expected, "few: exactly the limit; later: one timer per event");
    println!(
        "{events} events, {done:?}: {} workflows, {events} lines, {FEW} within the limit, {events} timers; none twice, none missing; {:.1?}, {}",
        scene.workflows(),
        start.elapsed(),
        senders.summary(),
    );
}

/// Waits until every event and action is settled. It takes long if the last fault killed a replica.
async fn settle(fuses: &[Fuse]) {
    let until = Instant::now() + Duration::from_secs(180);
    loop {
        let mut is_settled = true;
        for fuse in fuses {
            let waits = fuse.metric("fuse_waiting_decisions").await.unwrap_or_default();
            is_settled &= left(fuse).await == 0.0 && waits == 0.0;
        }
        if is_settled || Instant::now() > until {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
