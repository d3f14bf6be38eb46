//! Requests to a server of this machine.

mod checks;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response};
use fuse_rules::Action;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::call::{CallUrl, HttpCall};
use super::*;
use crate::event::EventKey;
use crate::secrets::SecretRef;
use crate::triggers::{ActionRequest, Done, Failure, Probe, Readiness, Triggers};

/// A request as it arrived, with its body.
type Arrived = (axum::http::request::Parts, String);

/// A server that answers with this, and its requests.
struct Server {
    url: String,
    arrived: Arc<Mutex<Vec<Arrived>>>,
}

impl Server {
    async fn start(
        answer: impl Fn() -> Option<Response<Body>> + Clone + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let arrived: Arc<Mutex<Vec<Arrived>>> = Arc::default();
        let kept = Arc::clone(&arrived);
        let handle = move |request: Request<Body>| {
            let (answer, kept) = (answer.clone(), Arc::clone(&kept));
            async move {
                let (parts, body) = request.into_parts();
                let body = to_bytes(body, 1 << 20).await.unwrap();
                kept.lock().unwrap().push((parts, String::from_utf8(body.to_vec()).unwrap()));
                match answer() {
                    Some(answer) => answer,
                    None => std::future::pending().await,
                }
            }
        };
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handle)).await });
        Self { url, arrived }
    }

    fn arrived(&self) -> Vec<Arrived> {
        std::mem::take(&mut *self.arrived.lock().unwrap())
    }
}

fn answer(status: u16, body: &str) -> Option<Response<Body>> {
    Some(Response::builder().status(status).body(body.to_owned().into()).unwrap())
}

fn secrets() -> Secrets {
    let env = |name: &str| SecretRef::Env { name: name.into() };
    let values = [
        ("TOKEN", "s3cr3t"),
        ("SIGN", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ("NO_URL", "not a URL"),
        ("URL", "https://chat.example/hooks/1"),
    ];
    Secrets::from_map(values.into_iter().map(|(name, value)| (env(name), value.into())).collect())
}

fn triggers(addresses: HttpAddresses) -> Triggers {
    Triggers::new().with_http(secrets(), addresses)
}

fn request(kind: &str, fields: Value) -> ActionRequest {
    let Value::Object(fields) = fields else { panic!("an object") };
    let action = Action {
        trigger: kind.into(),
        rule: "s/r".into(),
        element: None,
        ordinal: 0,
        fields,
        attempts: Default::default(),
    };
    let event = EventKey { source: "q".into(), name: "e".into(), id: "1".into() };
    ActionRequest::new(action, event)
}

async fn fire(fields: Value) -> Result<Done, Failure> {
    let triggers = triggers(HttpAddresses::default());
    triggers.get("http").unwrap().fire(&request("http", fields)).await
}

#[tokio::test]
async fn a_request_arrives_with_everything_escaped_and_its_credentials() {
    let server = Server::start(|| answer(201, "{}")).await;
    let action = json!({
        "url": format!("{}/v1/", server.url), "method": "POST",
        "path": ["apps", "a/b ?#%é"], "query": { "q": "x&y=z", "é": "1" },
        "headers": { "X-Team": "db" }, "json": { "text": "hi" },
        "auth": { "bearer": { "token": { "env": { "name": "TOKEN" } } } }, "sign": { "env": { "name": "SIGN" } },
    });
    let done = fire(action.clone()).await.unwrap();
    assert_eq!(
        done.detail,
        format!("POST {}/v1/apps/a%2Fb%20%3F%23%25%C3%A9: 201 Created", server.url)
    );
    fire(action.clone()).await.unwrap();
    let arrived = server.arrived();
    let (parts, body) = &arrived[0];
    assert_eq!(parts.uri.path(), "/v1/apps/a%2Fb%20%3F%23%25%C3%A9");
    assert_eq!(parts.uri.query(), Some("q=x%26y%3Dz&%C3%A9=1"));
    assert_eq!(body, r#"{"text":"hi"}"#);
    let header = |at: usize, name: &str| arrived[at].0.headers[name].to_str().unwrap().to_owned();
    assert_eq!(header(0, "authorization"), "Bearer s3cr3t");
    assert_eq!(header(0, "content-type"), "application/json");
    assert_eq!(header(0, "x-team"), "db");
    let id = request("http", action).id;
    for at in [0, 1] {
        assert_eq!(
            (header(at, "idempotency-key"), header(at, "x-fuse-action")),
            (id.clone(), id.clone())
        );
        assert_eq!(header(at, "webhook-id"), id);
    }
    let time = header(0, "webhook-timestamp").parse().unwrap();
    let mut signed = http::HeaderMap::new();
    let time = jiff::Timestamp::from_second(time).unwrap();
    signing::sign(&mut signed, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &id, time, body.as_bytes());
    assert_eq!(signed["webhook-signature"], header(0, "webhook-signature"));
}

#[tokio::test]
async fn forms_texts_and_requests_without_a_body_are_sent() {
    let server = Server::start(|| answer(200, "")).await;
    let url = &server.url;
    fire(json!({ "url": url, "method": "POST", "form": { "a": "1&2", "b": "é" } })).await.unwrap();
    fire(json!({ "url": url, "method": "PUT", "text": "hi", "headers": { "content-type": "text/csv" } })).await.unwrap();
    fire(json!({ "url": url, "method": "DELETE" })).await.unwrap();
    let arrived = server.arrived();
    let seen = arrived.iter().map(|(parts, body)| {
        let ty = parts.headers.get("content-type").map(|ty| ty.to_str().unwrap());
        (parts.method.as_str(), ty, body.as_str())
    });
    assert_eq!(
        seen.collect::<Vec<_>>(),
        [
            ("POST", Some("application/x-www-form-urlencoded"), "a=1%262&b=%C3%A9"),
            ("PUT", Some("text/csv"), "hi"),
            ("DELETE", None, ""),
        ]
    );
}

#[tokio::test]
async fn statuses_have_outcomes() {
    for (status, success, expected) in [
        (204, json!([]), "done"),
        (404, json!([]), "permanent: 404 Not Found: no"),
        (404, json!([200, 404]), "done"),
        (202, json!([200]), "permanent: 202 Accepted, which is not in `success`"),
        (302, json!([]), "permanent: 302 Found: fuse does not follow redirects"),
        (401, json!([]), "not ready: 401 Unauthorized: no"),
        (429, json!([]), "retry, certainly not done: 429 Too Many Requests: no"),
        (500, json!([]), "retry, perhaps done: 500 Internal Server Error: no"),
    ] {
        let server = Server::start(move || answer(status, "no")).await;
        let outcome =
            fire(json!({ "url": server.url, "method": "POST", "success": success })).await;
        let shown = match outcome {
            Ok(_) => "done".to_owned(),
            Err(Failure::Permanent(why)) => format!("permanent: {why}"),
            Err(Failure::NotReady(why)) => format!("not ready: {why}"),
            Err(Failure::Retryable { reason, maybe_applied: true, .. }) => {
                format!("retry, perhaps done: {reason}")
            }
            Err(Failure::Retryable { reason, .. }) => {
                format!("retry, certainly not done: {reason}")
            }
            Err(other) => format!("{other:?}"),
        };
        assert_eq!(shown, expected, "{status} {success}");
    }
}

#[tokio::test]
async fn what_is_kept_of_a_response_is_what_the_rule_names() {
    let http = triggers(HttpAddresses::default());
    let http = http.get("http").unwrap();
    for (status, body, response) in [
        (201, r#"{"id": 7, "token": "secret"}"#, json!({ "status": 201, "id": 7 })),
        (400, r#"{"id": "s3cr3t!", "token": "x"}"#, json!({ "status": 400, "id": "[hidden]!" })),
        (503, "<html>", json!({ "status": 503 })),
    ] {
        let server = Server::start(move || answer(status, body)).await;
        let auth = json!({ "bearer": { "token": { "env": { "name": "TOKEN" } } } });
        let fields = json!({
            "url": server.url, "method": "POST", "auth": auth, "keep": { "id": "id", "none": "x.y" },
        });
        let attempt = http.attempt(&request("http", fields)).await;
        assert_eq!(attempt.result.is_ok(), status == 201, "{attempt:?}");
        assert_eq!(serde_json::to_value(attempt.response).unwrap(), response);
    }
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let fields =
        json!({ "url": format!("http://{free}"), "method": "POST", "keep": { "id": "id" } });
    let attempt = http.attempt(&request("http", fields)).await;
    assert!(attempt.result.is_err() && attempt.response.is_none(), "{attempt:?}");
}

#[tokio::test]
async fn a_lost_answer_may_have_been_a_request() {
    let server = Server::start(|| None).await;
    let action = json!({ "url": server.url, "method": "POST", "timeout": 50 });
    let Err(Failure::Retryable { reason, maybe_applied: true, .. }) = fire(action.clone()).await
    else {
        panic!("it may have been performed");
    };
    assert_eq!(reason, "the server did not answer within 50 ms");
    // The clause of the rule takes precedence over the field, which has a default.
    let mut clause = request("http", json!({ "url": server.url, "method": "POST" }));
    clause.action.attempts.timeout = Some(jiff::SignedDuration::from_millis(30));
    let http = triggers(HttpAddresses::default());
    let http = http.get("http").unwrap();
    assert!(http.ends_in_time());
    let Err(Failure::Retryable { reason, .. }) = http.fire(&clause).await else { panic!() };
    assert_eq!(reason, "the server did not answer within 30 ms");
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let nobody = fire(json!({ "url": format!("http://{free}"), "method": "POST" })).await;
    assert!(matches!(nobody, Err(Failure::Retryable { maybe_applied: false, .. })), "{nobody:?}");

    let triggers = triggers(HttpAddresses::default());
    let http = triggers.get("http").unwrap();
    let probe = async |method: &str, repeat: Option<bool>| {
        let mut fields = json!({ "url": "http://a", "method": method });
        if let Some(repeat) = repeat {
            fields["repeat"] = repeat.into();
        }
        matches!(http.probe(&request("http", fields)).await, Probe::Repeatable)
    };
    assert!(
        probe("PUT", None).await && probe("DELETE", None).await && probe("POST", Some(true)).await
    );
    assert!(
        !probe("POST", None).await
            && !probe("PATCH", None).await
            && !probe("PUT", Some(false)).await
    );
}

#[tokio::test]
async fn addresses_that_are_denied_get_no_request() {
    let server = Server::start(|| answer(200, "")).await;
    let port = server.url.rsplit(':').next().unwrap().to_owned();
    let denied = HttpAddresses {
        deny: vec!["127.0.0.0/8".parse().unwrap(), "::/0".parse().unwrap()],
        allow: Vec::new(),
    };
    for (addresses, host, is_sent) in [
        (denied.clone(), "127.0.0.1", false),
        (denied.clone(), "[::ffff:127.0.0.1]", false),
        (denied.clone(), "localhost", false),
        (
            HttpAddresses {
                allow: vec!["127.0.0.1/32".parse().unwrap(), "::1/128".parse().unwrap()],
                ..denied
            },
            "localhost",
            true,
        ),
        (HttpAddresses::default(), "127.0.0.1", true),
    ] {
        let triggers = triggers(addresses);
        let fields = json!({ "url": format!("http://{host}:{port}/"), "method": "POST" });
        let outcome = triggers.get("http").unwrap().fire(&request("http", fields)).await;
        assert_eq!(outcome.is_ok(), is_sent, "{host}: {outcome:?}");
        assert_eq!(!server.arrived().is_empty(), is_sent, "{host}");
        if let Err(why) = outcome {
            assert!(
                matches!(&why, Failure::Permanent(why) if why.contains("`deny` in `[http]`")),
                "{why:?}"
            );
        }
    }
    let link_local =
        fire(json!({ "url": "http://169.254.169.254/latest/meta-data", "method": "GET" })).await;
    assert!(matches!(link_local, Err(Failure::Permanent(_))), "{link_local:?}");
}

#[tokio::test]
async fn refused_credentials_are_tried_again_by_one_action_at_a_time() {
    let server = Server::start(|| answer(401, "bad token")).await;
    let triggers = triggers(HttpAddresses::default());
    let http = triggers.get("http").unwrap();
    let with = |secret: &str| {
        let auth = json!({ "bearer": { "token": { "env": { "name": secret } } } });
        request("http", json!({ "url": server.url, "method": "POST", "auth": auth }))
    };
    let why = Failure::NotReady("401 Unauthorized: bad token".into());
    for _ in 0..10 {
        assert_eq!(http.fire(&with("TOKEN")).await, Err(why.clone()));
    }
    assert_eq!(
        http.readiness_for(&with("TOKEN")).await,
        Readiness::NotReady("401 Unauthorized: bad token".into())
    );
    assert_eq!(server.arrived().len(), 1, "the others wait");
    // Another secret is tried at once.
    assert_eq!(http.readiness_for(&with("SIGN")).await, Readiness::Ready);
    assert_eq!(http.fire(&with("SIGN")).await, Err(why.clone()));
    assert_eq!(server.arrived().len(), 1);
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(31)).await;
    tokio::time::resume();
    assert_eq!(http.readiness_for(&with("TOKEN")).await, Readiness::Ready);
    for _ in 0..10 {
        assert_eq!(http.fire(&with("TOKEN")).await, Err(why.clone()));
    }
    assert_eq!(server.arrived().len(), 1);
}

#[tokio::test]
async fn what_a_server_repeats_of_a_secret_is_hidden() {
    let server = Server::start(|| {
        let answer = Response::builder().status(301).header("location", "https://h/hooks/s3cr3t?a");
        Some(answer.body("Cannot POST /hooks/s3cr3t".to_owned().into()).unwrap())
    })
    .await;
    let url = SecretRef::Env { name: "URL".into() };
    let secrets = [(url.clone(), format!("{}/hooks/s3cr3t", server.url))].into();
    let triggers = Triggers::new().with_http(Secrets::from_map(secrets), HttpAddresses::default());
    let fields = json!({ "url-from": url, "method": "POST" });
    let why = triggers.get("http").unwrap().fire(&request("http", fields)).await.unwrap_err();
    assert_eq!(
        why.to_string(),
        "301 Moved Permanently: fuse does not follow redirects to https://h[hidden]?a"
    );
    let plain = SecretRef::Env { name: "PLAIN".into() };
    let secrets = [(plain.clone(), "http://chat.example/hooks/s3cr3t".to_owned())].into();
    let triggers = Triggers::new().with_http(Secrets::from_map(secrets), HttpAddresses::default());
    let fields = json!({ "webhook": plain, "text": "x" });
    let why = triggers.get("slack").unwrap().fire(&request("slack", fields)).await.unwrap_err();
    assert!(matches!(&why, Failure::NotReady(why) if why.contains("without `https://`")), "{why}");
}

#[tokio::test]
async fn a_missing_secret_holds_the_action() {
    let triggers = triggers(HttpAddresses::default());
    let http = triggers.get("http").unwrap();
    let with = |name: &str| {
        request("http", json!({ "url-from": { "env": { "name": name } }, "method": "POST" }))
    };
    let why = "environment variable `NO_SUCH` is not set".to_owned();
    assert_eq!(http.fire(&with("NO_SUCH")).await, Err(Failure::NotReady(why.clone())));
    assert_eq!(http.readiness_for(&with("NO_SUCH")).await, Readiness::NotReady(why));
    assert_eq!(http.readiness_for(&with("URL")).await, Readiness::Ready);
    let why = "environment variable `NO_URL` is not a URL".to_owned();
    assert_eq!(http.fire(&with("NO_URL")).await, Err(Failure::NotReady(why)));
}

#[tokio::test]
async fn a_secret_of_the_body_is_sent() {
    let server = Server::start(|| answer(202, "{}")).await;
    let call = HttpCall {
        body_secret: Some(("routing_key", SecretRef::Env { name: "TOKEN".into() })),
        ..HttpCall::post(
            CallUrl::Known(server.url.parse().unwrap()),
            json!({ "event_action": "resolve" }),
        )
    };
    let sender = HttpSender::new(secrets(), HttpAddresses::default());
    sender
        .perform(&call, &request("pagerduty", json!({})), |answer| answer.outcome(&[]))
        .await
        .unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(server.arrived()[0].1, r#"{"event_action":"resolve","routing_key":"s3cr3t"}"#);
}
