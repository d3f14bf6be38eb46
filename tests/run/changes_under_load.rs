//! Rules, a secret and a certificate that change while 500 events per second arrive.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::tls::{Authority, Issued, Secured, mount, post};
use crate::support::{Door, Fuse, Setup, until};

const RULES: &str = r#"
source q webhook {
  port = 12000
  path = "/e"
  auth {
    bearer { token = [secret("q", "new"), secret("q", "old")] }
  }
  event e
}
source web webhook {
  port = 12001
  path = "/web"
  tls {
    cert = secret("web", "tls.crt")
    key = secret("web", "tls.key")
  }
  event e
}
sensor s on q.e or web.e {
  rule r {
    trigger log { message = "version one" }
  }
}
"#;
const DOOR: Door = (12_000, "/e");
const SECURED: u16 = 12_001;
const SENDERS: u64 = 8;
/// A machine that does nothing else needs less than two seconds; `benches/reload` measures it.
const PICKED_UP_WITHIN: Duration = Duration::from_secs(4);

/// Waits until a change has an effect.
async fn picked_up(what: &str, ask: impl AsyncFnMut() -> Option<()>) {
    let changed = Instant::now();
    until(what, ask).await;
    assert!(changed.elapsed() < PICKED_UP_WITHIN, "{what}: {:?}", changed.elapsed());
}

/// Senders, each of which waits for its answers.
struct Senders {
    tokens: watch::Sender<String>,
    /// Whether the process may be killed: a request that gets no answer is then sent by nobody again.
    may_end: Arc<AtomicBool>,
    tasks: JoinSet<Vec<String>>,
}

impl Senders {
    /// Together 500 events per second, unless the machine is too busy.
    fn start(fuse: &Fuse, authority: &Authority, token: &str) -> Self {
        let (tokens, token) = watch::channel(token.to_owned());
        let may_end = Arc::<AtomicBool>::default();
        let mut tasks = JoinSet::new();
        for _ in 1..SENDERS {
            let (url, token) = (fuse.url(DOOR.0, DOOR.1), token.clone());
            let may_end = Arc::clone(&may_end);
            tasks.spawn(async move {
                let client = reqwest::Client::builder().no_proxy().build().unwrap();
                let mut every = tokio::time::interval(Duration::from_millis(2 * SENDERS));
                let mut ids = Vec::new();
                loop {
                    every.tick().await;
                    let request = client.post(&url).bearer_auth(token.borrow().as_str());
                    let answer = async {
                        let answer = request.body("{}").send().await?;
                        Ok::<_, reqwest::Error>((answer.status().as_u16(), answer.text().await?))
                    };
                    match answer.await {
                        Ok((status, text)) => ids.push(id(status, &text)),
                        Err(error) => {
                            assert!(may_end.load(Ordering::SeqCst), "{error:?}");
                            return ids;
                        }
                    }
                }
            });
        }
        let (port, root, ends) = (fuse.port(SECURED), authority.clone(), Arc::clone(&may_end));
        // New connections and requests on those that stay open.
        tasks.spawn_blocking(move || {
            let mut ids = Vec::new();
            let request = post("/web");
            loop {
                let sent = Secured::connect(&root, port, None).and_then(|mut connection| {
                    for _ in 0..20 {
                        let answer = connection.answer(&request)?;
                        let status = answer.get(9..12).unwrap_or_default().parse().unwrap();
                        ids.push(id(status, answer.rsplit("\r\n\r\n").next().unwrap()));
                        std::thread::sleep(Duration::from_millis(2 * SENDERS));
                    }
                    Ok(())
                });
                if let Err(error) = sent {
                    assert!(ends.load(Ordering::SeqCst), "{error:?}");
                    return ids;
                }
            }
        });
        Self { tokens, may_end, tasks }
    }
}

/// The id of an event that is accepted.
fn id(status: u16, text: &str) -> String {
    assert_eq!(status, 202, "{text}");
    let answer: Value = serde_json::from_str(text).unwrap();
    answer["event"].as_str().unwrap().to_owned()
}

/// The status of an event with this token.
async fn status(fuse: &Fuse, token: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    fuse.request(Method::POST, DOOR, &[("authorization", &bearer)], "{}").await.status
}

/// What the rules do with a new event.
async fn message(fuse: &Fuse, token: &str) -> String {
    let bearer = format!("Bearer {token}");
    let reply = fuse.request(Method::POST, DOOR, &[("authorization", &bearer)], "{}").await;
    let report = fuse.settled(&reply.event(202)).await;
    report["decisions"][0]["action"]["object"]["message"].as_str().unwrap().to_owned()
}

fn version(fuse: &Fuse, text: &str) -> String {
    let ports = [DOOR.0, SECURED];
    let rules = ports.iter().fold(RULES.to_owned(), |rules, port| {
        rules.replace(&format!("= {port}"), &format!("= {}", fuse.port(*port)))
    });
    rules.replace("version one", text)
}

fn keep_rules(fuse: &Fuse, name: &str, text: &str) {
    mount(&fuse.folder().join("rules"), name, &[("test.rules", text)]);
}

fn keep_tokens(fuse: &Fuse, name: &str, [new, old]: [&str; 2]) {
    mount(&fuse.folder().join("secrets/q"), name, &[("new", new), ("old", old)]);
}

fn keep_certificate(fuse: &Fuse, name: &str, Issued { cert, key, .. }: &Issued) {
    let files = [("tls.crt", &**cert), ("tls.key", &**key)];
    mount(&fuse.folder().join("secrets/web"), name, &files);
}

/// How many decisions fired and how many actions are done, by the ids of all events.
async fn results(fuse: &Fuse) -> BTreeMap<String, (u64, u64)> {
    let mut results = BTreeMap::new();
    let mut after = String::new();
    loop {
        let page = fuse.admin(&format!("/events?limit=500{after}")).await.json();
        for event in page["events"].as_array().unwrap() {
            let count = |group: &str, name: &str| event[group][name].as_u64().unwrap();
            let result = (count("decisions", "fired"), count("actions", "done"));
            let id = event["id"].as_str().unwrap().to_owned();
            assert_eq!(results.insert(id, result), None, "{event}");
        }
        let Some(next) = page["next"].as_str() else { return results };
        let next: String = form_urlencoded::byte_serialize(next.as_bytes()).collect();
        after = format!("&after={next}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_change_is_picked_up_under_load_and_a_kill_loses_nothing() {
    let authority = Authority::new();
    let (first, renewed) = (authority.issue(&["localhost"]), authority.issue(&["localhost"]));
    let mut fuse = Setup::rules(RULES).toml("[secrets]\ndir = \"secrets\"\n").lay_out();
    std::fs::remove_file(fuse.folder().join("rules/test.rules")).unwrap();
    keep_rules(&fuse, "v1", &version(&fuse, "version one"));
    keep_tokens(&fuse, "v1", ["one", "zero"]);
    keep_certificate(&fuse, "v1", &first);
    fuse.start_again().await;
    let mut senders = Senders::start(&fuse, &authority, "one");
    assert_eq!(message(&fuse, "one").await, "version one");

    keep_rules(&fuse, "v2", &version(&fuse, "version two"));
    let is_two = async || (message(&fuse, "one").await == "version two").then_some(());
    picked_up("a swapped ConfigMap", is_two).await;

    keep_rules(&fuse, "v3", &version(&fuse, "version three").replace("rule r {", "rule r { when"));
    picked_up("a broken rule", async || {
        let ready = fuse.admin("/readyz").await;
        assert_eq!(ready.status, 200, "{ready:?}");
        ready.json()["warnings"].to_string().contains("E0101").then_some(())
    })
    .await;
    // A changed secret that cannot be read is not used either.
    let missing = version(&fuse, "version three").replace("\"new\"", "\"missing\"");
    keep_rules(&fuse, "v4", &missing.replace(", secret(\"q\", \"old\")", ""));
    picked_up("a secret that is missing", async || {
        let ready = fuse.admin("/readyz").await.json();
        let why = "the changed `auth` is not used, because with it";
        ready["warnings"].to_string().contains(why).then_some(())
    })
    .await;
    assert!(!fuse.log().contains("its requests get 503"), "no request does: {}", fuse.log());
    assert_eq!(message(&fuse, "one").await, "version two");

    assert_eq!(status(&fuse, "two").await, 401);
    keep_tokens(&fuse, "v2", ["two", "one"]);
    let is_accepted = async || (status(&fuse, "two").await == 202).then_some(());
    picked_up("a rotated secret", is_accepted).await;
    senders.tokens.send_replace("two".to_owned());

    keep_certificate(&fuse, "v2", &renewed);
    picked_up("a renewed certificate", async || {
        let connection = Secured::connect(&authority, fuse.port(SECURED), None).unwrap();
        (connection.shown() == renewed.der).then_some(())
    })
    .await;

    keep_rules(&fuse, "v5", &version(&fuse, "version five"));
    let is_five = async || (message(&fuse, "two").await == "version five").then_some(());
    picked_up("corrected rules", is_five).await;
    assert_eq!(fuse.admin("/readyz").await.json().get("warnings"), None);

    // The process is killed while it reloads many rules.
    let many: String = (0..3_000)
        .map(|n| {
            format!("sensor x{n} on q.e {{ rule r {{ when body.n == {n}  trigger log {{ message = \"x\" }} }} }}\n")
        })
        .collect();
    let reloads = fuse.log().matches("\"reloaded\"").count();
    keep_rules(&fuse, "v6", &(version(&fuse, "version six") + &many));
    fuse.hang_up();
    assert_eq!(message(&fuse, "two").await, "version five");
    senders.may_end.store(true, Ordering::SeqCst);
    fuse.kill();
    assert_eq!(fuse.log().matches("\"reloaded\"").count(), reloads, "the reload has not ended");
    let mut accepted = Vec::new();
    while let Some(ids) = senders.tasks.join_next().await {
        accepted.extend(ids.unwrap());
    }
    assert!(accepted.len() > 100, "{}", accepted.len());
    fuse.start_again().await;
    assert_eq!(message(&fuse, "two").await, "version six");
    let backlog = "fuse_backlog_events";
    until("all are settled", async || (fuse.metric(backlog).await == Some(0.0)).then_some(()))
        .await;
    let results = results(&fuse).await;
    for id in &accepted {
        assert_eq!(results.get(id), Some(&(1, 1)), "{id}");
    }
}
