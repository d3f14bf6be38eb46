//! Kinds of sources that know their sender: who may send, and how the sender verifies the URL.

mod signed;
mod sns;

use jiff::Timestamp;
use reqwest::Method;

use crate::support::{Fuse, Reply, Setup, until};
use signed::{SECRET, SENDERS, Sender, Signed, hex, in_url, request, slack};

const PORT: u16 = 12_000;

/// `fuse run` with a source of each preset, and a rule for each event that names it.
async fn start() -> Fuse {
    let mut rules = String::new();
    for sender in &SENDERS {
        let Sender { preset, event, .. } = sender;
        let verify = match *preset {
            "meta" => "verify-token = env(\"VERIFY\")",
            _ => "",
        };
        rules.push_str(&format!(
            "source own-{preset}-{event} {preset} {{\n  port = 12000\n  secret = env(\"SECRET\")\n  {verify}\n  event {event}\n}}\n\
             sensor s-{preset}-{event} on own-{preset}-{event}.{event} {{\n  \
             rule r {{ trigger log {{ message = \"{preset} {event} ${{json(query)}}\" }} }}\n}}\n"
        ));
    }
    let setup = Setup::rules(&rules).variable("SECRET", SECRET).variable("VERIFY", "v3r1fy");
    setup.start().await
}

async fn send(fuse: &Fuse, sent: &Signed) -> Reply {
    let headers = sent.proof.iter().chain(&sent.others);
    let headers: Vec<(&str, &str)> = headers.map(|(name, value)| (*name, value.as_str())).collect();
    fuse.request(Method::POST, (PORT, &sent.path), &headers, sent.body.clone()).await
}

fn now() -> i64 {
    Timestamp::now().as_second()
}

/// The answer to a request that is refused shows nothing about why.
#[track_caller]
fn refused(reply: &Reply, what: &str) {
    assert_eq!(reply.status, 401, "{what}: {reply:?}");
    assert_eq!(reply.error(401), "the request is not authenticated", "{what}");
}

#[tokio::test]
async fn each_sender_is_accepted_with_its_signature_only() {
    let fuse = start().await;
    for sender in &SENDERS {
        let name = format!("{} {}", sender.preset, sender.event);
        let right = (sender.request)(SECRET, now());
        let reply = send(&fuse, &right).await;
        assert_eq!(reply.status, sender.status, "{name}: {reply:?}");

        refused(&send(&fuse, &(sender.request)("b3RoZXI=", now())).await, &name);
        let mut missing = right.clone();
        missing.proof.clear();
        missing.path.truncate(missing.path.find('?').unwrap_or(missing.path.len()));
        refused(&send(&fuse, &missing).await, &name);
        for time in [now() - 3600, now() + 3600] {
            let stale = send(&fuse, &(sender.request)(SECRET, time)).await;
            match sender.signs_time {
                true => refused(&stale, &name),
                // The signature holds at any time; only the id shows that it is repeated.
                false if sender.has_id => assert_eq!(stale.status, 200, "{name}: {stale:?}"),
                false => assert_eq!(stale.status, sender.status, "{name}: {stale:?}"),
            }
        }
        let replayed = send(&fuse, &right).await;
        assert_eq!(replayed.status, if sender.has_id { 200 } else { sender.status }, "{name}");
        let counted = |result: &str| {
            format!(
                "fuse_events_received_total{{source=\"own-{}-{}\",event=\"{}\",result=\"{result}\"}}",
                sender.preset, sender.event, sender.event
            )
        };
        let stale = if sender.signs_time { 2.0 } else { 0.0 };
        assert_eq!(fuse.metric(&counted("unauthenticated")).await, Some(2.0 + stale), "{name}");
        let accepted = if sender.has_id { 1.0 } else { 4.0 - stale };
        assert_eq!(fuse.metric(&counted("accepted")).await, Some(accepted), "{name}");
        if sender.has_id {
            // Stale requests of senders that sign no time are repetitions as well.
            let known = if sender.signs_time { 1.0 } else { 3.0 };
            assert_eq!(fuse.metric(&counted("known")).await, Some(known), "{name}");
        }
        if reply.status == 202 {
            let decided = fuse.settled(&reply.event(202)).await.to_string();
            // A secret in the URL is not visible to rules.
            assert!(decided.contains(&format!("{name} {{}}")), "{decided}");
        }
    }
    // In a URL, it ends with `%3D`.
    let secret = SECRET.trim_end_matches('=');
    assert!(!fuse.log().contains(secret) && !fuse.log().contains("b3RoZXI"), "{}", fuse.log());
}

#[tokio::test]
async fn a_request_with_any_byte_changed_is_refused() {
    let fuse = start().await;
    let mut count = 0;
    for sender in &SENDERS {
        let right = (sender.request)(SECRET, now());
        let mut mutants = Vec::new();
        for (at, (name, value)) in right.proof.iter().enumerate() {
            for byte in 0..value.len() {
                // What follows the right signature is not checked.
                if *name == "stripe-signature" && byte > value.find(",v0=").unwrap() {
                    continue;
                }
                // One of two signatures is enough.
                if *name == "x-pagerduty-signature" && byte < value.find(",v1=").unwrap() {
                    continue;
                }
                let mut mutant = right.clone();
                mutant.proof[at].1 = changed(value, byte);
                mutants.push(mutant);
            }
        }
        let query = right.path.find("token=").map_or(right.path.len(), |at| at + "token=".len());
        for byte in query..right.path.len() {
            let mut mutant = right.clone();
            mutant.path = changed(&right.path, byte);
            mutants.push(mutant);
        }
        for byte in 0..if sender.signs_body { right.body.len() } else { 0 } {
            let mut mutant = right.clone();
            mutant.body = changed(&right.body, byte);
            mutants.push(mutant);
        }
        for mutant in mutants {
            refused(&send(&fuse, &mutant).await, &format!("{} {mutant:?}", sender.preset));
            count += 1;
        }
        let reply = send(&fuse, &right).await;
        assert_eq!(reply.status, sender.status, "{}: {reply:?}", sender.preset);
    }
    assert!(count > 1_000, "{count}");
}

/// A text with another byte at one place, which is visible and changes with the place.
fn changed(text: &str, at: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let candidates = b"0aZx_-~".iter().cycle().skip(at);
    bytes[at] = *candidates.into_iter().find(|other| **other != text.as_bytes()[at]).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn slack_verifies_the_url_with_a_signature() {
    let fuse = start().await;
    let body = r#"{"token": "x", "challenge": "3eZbrw1aB", "type": "url_verification"}"#;
    let reply = send(&fuse, &slack(request("/slack/events", body), SECRET, now())).await;
    assert_eq!((reply.status, reply.text.as_str()), (200, "3eZbrw1aB"));
    assert_eq!(reply.header("content-type"), "text/plain; charset=utf-8");
    refused(&send(&fuse, &slack(request("/slack/events", body), "other", now())).await, "slack");
    refused(
        &send(&fuse, &slack(request("/slack/events", body), SECRET, now() - 3600)).await,
        "slack",
    );
    refused(&send(&fuse, &request("/slack/events", body)).await, "slack");
    nothing_was_stored(&fuse).await;
}

#[tokio::test]
async fn event_grid_and_cloud_events_verify_the_url() {
    let fuse = start().await;
    let body = r#"[{"id": "2d1781af", "topic": "/subscriptions/x", "subject": "", "data": {
        "validationCode": "512d38b6-c7b8-40c8-89fe-f46f9e9622b6", "validationUrl": "https://rp" },
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "eventTime": "2026-01-25T22:12:19.4556811Z", "metadataVersion": "1", "dataVersion": "1"}]"#;
    let validation = |secret| {
        let mut sent = in_url("/event-grid", secret, body);
        sent.others = vec![("aeg-event-type", "SubscriptionValidation".into())];
        sent
    };
    let reply = send(&fuse, &validation(SECRET)).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json()["validationResponse"], "512d38b6-c7b8-40c8-89fe-f46f9e9622b6");
    refused(&send(&fuse, &validation("other")).await, "event-grid");

    let origin =
        [("webhook-request-origin", "eventgrid.azure.net"), ("webhook-request-rate", "120")];
    for (path, status) in [
        ("/cloudevents".to_owned(), 200),
        (in_url("/event-grid", SECRET, "").path, 200),
        (in_url("/event-grid", "other", "").path, 401),
        ("/github".to_owned(), 204),
    ] {
        let reply = fuse.request(Method::OPTIONS, (PORT, &path), &origin, "").await;
        assert_eq!(reply.status, status, "{path}: {reply:?}");
        if status == 200 {
            assert_eq!(reply.header("webhook-allowed-origin"), "eventgrid.azure.net");
            assert_eq!(reply.header("webhook-allowed-rate"), "*");
            assert_eq!(reply.header("allow"), "POST");
        } else {
            assert!(!reply.headers.contains_key("webhook-allowed-origin"), "{reply:?}");
        }
    }
    nothing_was_stored(&fuse).await;
}

#[tokio::test]
async fn graph_and_meta_verify_the_url() {
    let fuse = start().await;
    let graph = |secret| {
        let path = in_url("/microsoft-graph", secret, "").path;
        request(&format!("{path}&validationToken=Validation%3a+%3cb%3e%26"), "")
    };
    let reply = send(&fuse, &graph(SECRET)).await;
    assert_eq!((reply.status, reply.text.as_str()), (200, "Validation: <b>&"));
    assert_eq!(reply.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    refused(&send(&fuse, &graph("other")).await, "graph");

    let ask = async |token: &str, more: &str| {
        let path = format!("/meta?hub.mode=subscribe&hub.verify_token={token}{more}");
        fuse.request(Method::GET, (PORT, &path), &[], "").await
    };
    let reply = ask("v3r1fy", "&hub.challenge=1158201444").await;
    assert_eq!((reply.status, reply.text.as_str()), (200, "1158201444"));
    refused(&ask("other", "&hub.challenge=1158201444").await, "meta");
    refused(&ask("", "&hub.challenge=1158201444").await, "meta");
    refused(&ask("v3r1fy", "").await, "meta");
    fuse.request(Method::GET, (PORT, "/meta"), &[], "").await.error(405);
    nothing_was_stored(&fuse).await;
}

#[tokio::test]
async fn a_handshake_needs_the_address_the_secrets_and_the_rate_of_its_source() {
    let rules = r#"
        source near meta {
          port = 12000, path = "/near", secret = env("SECRET"), verify-token = env("SECRET")
          auth = { allow-from = ["127.0.0.0/8"] }
          event changes
        }
        source far meta {
          port = 12000, path = "/far", secret = env("SECRET"), verify-token = env("SECRET")
          auth = { allow-from = ["192.0.2.0/24"] }
          event changes
        }
        source unready meta {
          port = 12000, path = "/unready", secret = env("SECRET"), verify-token = env("NO_SUCH")
          event changes
        }
        source origin event-grid {
          port = 12000, path = "/origin", secret = env("NO_SUCH")
          event events
        }
        source limited meta {
          port = 12000, path = "/limited", secret = env("SECRET"), verify-token = env("SECRET")
          rate { per-peer = 1, burst = 1 }
          event changes
        }"#;
    let fuse = Setup::rules(rules).variable("SECRET", "s3cr3t").start().await;
    for (path, status) in [("near", 200), ("far", 403), ("unready", 503)] {
        let path =
            format!("/{path}?hub.mode=subscribe&hub.verify_token=s3cr3t&hub.challenge=1158201444");
        let reply = fuse.request(Method::GET, (PORT, &path), &[], "").await;
        assert_eq!(reply.status, status, "{path}: {reply:?}");
    }
    let origin = [("webhook-request-origin", "eventgrid.azure.net")];
    fuse.request(Method::OPTIONS, (PORT, "/origin?token=s3cr3t"), &origin, "").await.error(503);
    // Nobody can try many tokens.
    let mut statuses = Vec::new();
    for _ in 0..20 {
        let path = "/limited?hub.mode=subscribe&hub.verify_token=other&hub.challenge=1158201444";
        statuses.push(fuse.request(Method::GET, (PORT, path), &[], "").await.status);
    }
    assert!(statuses[0] == 401 && statuses.contains(&429), "{statuses:?}");
    // The checks of a preset are not replaced by those of a record.
    let body = r#"{"entry": []}"#;
    refused(&fuse.request(Method::POST, (PORT, "/near"), &[], body).await, "near");
    let signature = format!("sha256={}", hex("s3cr3t", body));
    let signed = [("x-hub-signature-256", &*signature)];
    let reply = fuse.request(Method::POST, (PORT, "/near"), &signed, body).await;
    assert_eq!(reply.status, 200, "{reply:?}");
}

#[tokio::test]
async fn an_address_with_many_events_names_its_method_once_and_logs_what_it_ignores() {
    let rules =
        r#"source hub github { port = 12000, secret = env("SECRET"), event push, event release }"#;
    let fuse = Setup::rules(rules).variable("SECRET", SECRET).start().await;
    let reply = fuse.request(Method::GET, (PORT, "/github"), &[], "").await;
    assert_eq!((reply.status, reply.header("allow")), (405, "POST"));
    let why = "`/github` accepts POST, not GET; set the sender's method to POST";
    assert_eq!(reply.error(405), why);
    let signature = format!("sha256={}", hex(SECRET, "{}"));
    let headers = [("x-hub-signature-256", &*signature), ("x-github-event", "star")];
    let reply = fuse.request(Method::POST, (PORT, "/github"), &headers, "{}").await;
    assert_eq!((reply.status, &reply.json()["event"]), (202, &serde_json::Value::Null));
    let line = "a request matches no event of its source";
    until("it is logged", async || fuse.log().contains(line).then_some(())).await;
}

/// A handshake is not an event, even if a rule for all events of its source would match.
async fn nothing_was_stored(fuse: &Fuse) {
    let metrics = fuse.admin("/metrics").await.text;
    assert!(!metrics.contains("result=\"accepted\""), "{metrics}");
}

#[tokio::test]
async fn published_signatures_are_accepted() {
    // The documentation of GitHub and Bitbucket: the body is not JSON, which only a sender that is known learns.
    let secret = "It's a Secret to Everybody";
    let rules = r#"
        source a github { port = 12000, secret = env("SECRET"), event push }
        source b bitbucket { port = 12000, secret = env("SECRET"), event push }"#;
    let fuse = Setup::rules(rules).variable("SECRET", secret).start().await;
    let github = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let bitbucket = "a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9";
    for (path, header, body, mac, event) in [
        ("/github", "x-hub-signature-256", "Hello, World!", github, ("x-github-event", "push")),
        ("/bitbucket", "x-hub-signature", "Hello World!", bitbucket, ("x-event-key", "repo:push")),
    ] {
        assert_eq!(hex(secret, body), mac);
        let signature = format!("sha256={mac}");
        let headers = [(header, &*signature), event];
        fuse.request(Method::POST, (PORT, path), &headers, body).await.error(400);
        refused(&fuse.request(Method::POST, (PORT, path), &headers, "{}").await, path);
    }
}
