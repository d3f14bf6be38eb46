use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use crate::support::{Fuse, Nats, Setup, client, until};

const RULES: &str = r#"
source q webhook {
  port = 12000
  path = "/e"
  id   = body.id
  event e
}

sensor s on q.e {
  rule told {
    when body.n >= 0
    limit 50 per 1h
    trigger log { message = "event" }
  }
}
"#;

/// A balancer as a Service is one: each connection goes to the next of the ports that are in its list.
struct Balancer {
    url: String,
    to: Arc<Mutex<Vec<u16>>>,
}

impl Balancer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/e", listener.local_addr().unwrap());
        let to = Arc::new(Mutex::new(Vec::<u16>::new()));
        let ports = Arc::clone(&to);
        tokio::spawn(async move {
            let mut number = 0;
            while let Ok((mut from, _)) = listener.accept().await {
                number += 1;
                let port = {
                    let ports = ports.lock().unwrap();
                    ports[number % ports.len()]
                };
                tokio::spawn(async move {
                    if let Ok(mut to) = TcpStream::connect(("127.0.0.1", port)).await {
                        let _closed = tokio::io::copy_bidirectional(&mut from, &mut to).await;
                    }
                });
            }
        });
        Self { url, to }
    }

    fn add(&self, fuse: &Fuse) {
        self.to.lock().unwrap().push(fuse.port(12_000));
    }

    fn remove(&self, fuse: &Fuse) {
        self.to.lock().unwrap().retain(|port| *port != fuse.port(12_000));
    }
}

async fn start(nats: &Nats) -> Fuse {
    let toml = format!("[backend]\nurl = {:?}\nname = \"rolling\"\n", nats.url());
    let fuse = Setup::rules(RULES).toml(&toml).argument("--drain=2s").start().await;
    until("it is ready", async || (fuse.admin("/readyz").await.status == 200).then_some(())).await;
    fuse
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_update_under_load_refuses_nothing() {
    let Some(nats) = Nats::alone().await else { return };
    let balancer = Balancer::start().await;
    let mut old = vec![start(&nats).await, start(&nats).await];
    for fuse in &old {
        balancer.add(fuse);
    }
    let (stop, accepted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut senders = Vec::new();
    for sender in 0..4 {
        let (url, stop, accepted) =
            (balancer.url.clone(), Arc::clone(&stop), Arc::clone(&accepted));
        senders.push(tokio::spawn(async move {
            let mut n = 0;
            while !stop.load(Ordering::SeqCst) {
                n += 1;
                let body = format!(r#"{{"id":"{sender}-{n}","n":{n}}}"#);
                // A connection of its own, as from another sender each time.
                let answer = client().post(&url).body(body).send().await;
                let status = answer.map(|answer| answer.status().as_u16());
                assert!(matches!(status, Ok(202)), "event {sender}-{n}: {status:?}");
                accepted.fetch_add(1, Ordering::SeqCst);
            }
        }));
    }
    let mut new = Vec::new();
    for old in &mut old {
        let enough = accepted.load(Ordering::SeqCst) + 40;
        until("events arrive", async || (accepted.load(Ordering::SeqCst) >= enough).then_some(()))
            .await;
        let fuse = start(&nats).await;
        balancer.add(&fuse);
        new.push(fuse);
        // As a Deployment does: it is asked to stop, and those who send there learn it a little later.
        old.terminate();
        until("it says that it stops", async || {
            (old.admin("/readyz").await.status == 503).then_some(())
        })
        .await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        balancer.remove(old);
        assert_eq!(old.ended().await, Some(0), "{}", old.log());
    }
    stop.store(true, Ordering::SeqCst);
    for sender in senders {
        sender.await.unwrap();
    }
    let sent = accepted.load(Ordering::SeqCst);
    until("all are handled", async || {
        (new[0].metric("fuse_backlog_events").await == Some(0.0)).then_some(())
    })
    .await;
    // The limit held over all four.
    let logs: String = old.iter().chain(&new).map(Fuse::log).collect();
    let told = logs.matches(r#""message":"event""#).count();
    assert_eq!(told, 50, "of {sent} events");
    println!("{sent} events, none refused");
}
