//! Many events, a process that is killed again and again, and an API server that fails in every way
//! at once: in the end the cluster has what was asked for, and nothing twice.

use std::time::{Duration, Instant};

use super::orders::{AHEAD, LAST, Scene, Senders, assert_no_dead_letters, left};
use crate::support::cluster::{ADMIN, ControlPlane, Fault, Proxy, Seen, at_random, calm, random};
use crate::support::until;

/// Some 28 % of all requests fail or are late.
const FAULTS: [(u64, Fault); 8] = [
    (5, Fault::Delay(Duration::from_millis(100))),
    (2, Fault::Delay(Duration::from_millis(700))),
    (4, Fault::Busy(1)),
    (3, Fault::Status(500)),
    (3, Fault::Status(503)),
    (4, Fault::CutBefore),
    (4, Fault::CutAfter),
    (3, Fault::CutWithin),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_events_under_kill_9_and_a_flaky_api_server() {
    let Some(cluster) = ControlPlane::shared().await else { return };
    let start = Instant::now();
    let scene = Scene::new(cluster, 200).await;
    let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0);
    println!("seed {seed:#x}");
    let mut chance = seed;
    let proxy = Proxy::start(cluster, at_random(seed, FAULTS)).await;
    let mut fuse = scene.setup().cluster(proxy.kubeconfig(ADMIN)).start().await;

    let mut senders = Senders::start(&fuse, scene.events);
    let mut kills = 0;
    loop {
        // Killed after so many requests, whatever is under way then.
        let then = proxy.requests() + 20 + usize::try_from(random(&mut chance) % 60).unwrap();
        let over = until("there is something to kill", async || {
            senders.allow(proxy.count("create", "workflows") + AHEAD);
            if proxy.requests() >= then {
                return Some(false);
            }
            (senders.sent_all() && left(&fuse).await <= LAST).then_some(true)
        })
        .await;
        assert_no_dead_letters(&fuse, scene.events).await;
        if over {
            // The next start tries at once what waits to be tried again.
            proxy.plan(calm());
        }
        fuse.kill();
        kills += 1;
        fuse.start_again().await;
        if over {
            break;
        }
    }
    scene.assert_all_done_once(&fuse).await;

    let faults = proxy.faults();
    assert!(kills >= 10, "only {kills} kills");
    assert_eq!(faults.len(), 6, "not of every sort: {faults:?}");
    println!(
        "{} events, {kills} kills, {} faults: {} workflows and {} lines, none twice, none missing",
        scene.events,
        faults.values().sum::<usize>(),
        scene.workflows(),
        scene.events,
    );
    println!("{:.1?}, {} requests, {}", start.elapsed(), proxy.requests(), senders.summary());
    println!("{faults:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_server_that_goes_away_under_load_and_fuse_with_it() {
    let Some(mut cluster) = ControlPlane::start().await else { return };
    cluster.install_crds().await;
    let scene = Scene::new(&cluster, 60).await;
    let proxy = Proxy::start(&cluster, calm()).await;
    let mut fuse = scene.setup().cluster(proxy.kubeconfig(ADMIN)).start().await;
    let mut senders = Senders::start(&fuse, scene.events);
    senders.allow(20);
    until("it is at work", async || (proxy.count("create", "workflows") >= 5).then_some(())).await;
    // The last that the API server does is never told.
    let created = |seen: &Seen| seen.is("create", "workflows");
    proxy.plan(Box::new(move |seen| created(seen).then_some(Fault::CutAfter)));
    until("answers are lost", async || {
        proxy.faults().get("cut after").filter(|n| **n >= 5).copied()
    })
    .await;
    cluster.stop_api_server();
    // Events are taken in all the same.
    senders.allow(40);
    fuse.kill();
    // This time without the proxy, which takes a connection whether or not there is a server.
    fuse.act_on(cluster.kubeconfig(ADMIN));
    fuse.start_again().await;
    senders.all_sent().await;
    assert!(left(&fuse).await > 0.0);
    assert_eq!(fuse.admin("/readyz").await.status, 200);

    cluster.start_api_server().await;
    // Once more, while it is at work again.
    until("it is at work again", async || scene.made().await.filter(|made| *made > 20)).await;
    cluster.stop_api_server();
    cluster.start_api_server().await;
    scene.assert_all_done_once(&fuse).await;
    println!(
        "{} events, the API server stopped twice: {} workflows and {} lines, none twice, none \
         missing",
        scene.events,
        scene.workflows(),
        scene.events
    );
}
