//! A trigger that calls an HTTP API once per action.
//!
//! It opens tickets: `POST {url}` with the action's id as the `Idempotency-Key`, so that a request whose answer was
//! lost can be repeated without opening a second ticket.
//!
//! ```sh
//! cargo run --example http_trigger     # and in another shell:
//! curl -d '{"alert":"disk full"}' http://127.0.0.1:12000/alerts
//! ```

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use fuse_rules::Ruleset;
use fuse_rules::schema::{Field, FieldType, Outline, Schema, Templates, TriggerInfo};
use fuse_runtime::backend::Embedded;
use fuse_runtime::requirements::Requirement;
use fuse_runtime::secrets::{SecretRef, Secrets};
use fuse_runtime::sources::{Sources, Webhook};
use fuse_runtime::triggers::{
    ActionRequest, Done, Failure, Probe, RenderError, Trigger, Triggers, http_outcome,
};
use fuse_runtime::{Runtime, registry};
use serde::Deserialize;
use serde_json::{Value, json};

/// Opens tickets over HTTP.
struct Ticket {
    client: reqwest::Client,
    secrets: Secrets,
}

/// The fields of a `trigger ticket { … }` block.
#[derive(Deserialize)]
struct TicketFields {
    url: String,
    title: String,
    token: Option<SecretRef>,
}

impl Ticket {
    fn new(secrets: Secrets) -> Result<Self, reqwest::Error> {
        // reqwest is built without a crypto library of its own. If the program has already chosen one, that stays.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
        Ok(Self { client, secrets })
    }

    fn fields(request: &ActionRequest) -> Result<TicketFields, RenderError> {
        TicketFields::deserialize(Value::Object(request.action.fields.clone()))
            .map_err(|error| RenderError::new(error.to_string()))
    }
}

#[async_trait]
impl Trigger for Ticket {
    fn schema(&self) -> Schema {
        let title = FieldType::Text(Templates::Allowed);
        Schema::new("ticket", "Opens a ticket.")
            // A fixed address: no event chooses where the token is sent.
            .field(Field::required("url", FieldType::String, "Where tickets are opened.").fixed())
            .field(Field::required("title", title, "The ticket's title."))
            .field(Field::optional("token", FieldType::Secret, "The API's token."))
    }

    /// What `fuse explain` and `--local` show. It never has the token, only where that is kept.
    fn render(&self, request: &ActionRequest) -> Result<Value, RenderError> {
        let TicketFields { url, title, .. } = Self::fields(request)?;
        Ok(json!({ "method": "POST", "url": url, "body": { "title": title } }))
    }

    async fn fire(&self, request: &ActionRequest) -> Result<Done, Failure> {
        let TicketFields { url, title, token } = Self::fields(request)?;
        let mut call = self.client.post(&url).header("idempotency-key", &request.id);
        if let Some(token) = token {
            // Without its secret the action is held until somebody provides it.
            let token = self.secrets.read(&token).await;
            let token = token.map_err(|error| Failure::NotReady(error.to_string()))?;
            call = call.bearer_auth(token.expose());
        }
        let answer = call.json(&json!({ "title": title })).send().await;
        let answer = answer.map_err(|error| Failure::Retryable {
            // Without a connection, the server got nothing. Otherwise it may have opened the ticket.
            maybe_applied: !error.is_connect(),
            reason: error.to_string(),
            after: None,
        })?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        // What the server did is done, even if its answer breaks off.
        let text = answer.text().await.unwrap_or_default();
        http_outcome(status, &headers, &text)?;
        Ok(Done::new(format!("opened the ticket \"{title}\"")))
    }

    /// The server deduplicates by the idempotency key, so that fuse may always repeat the request.
    async fn probe(&self, _request: &ActionRequest) -> Probe {
        Probe::Repeatable
    }

    fn requirements(&self, block: &TriggerInfo) -> Vec<Requirement> {
        let mut all = Vec::new();
        all.extend(block.text("url").map(|url| Requirement::Url(url.to_owned())));
        if let Some(Outline::Constant(token)) = block.get("token")
            && let Ok(token) = SecretRef::deserialize(token)
        {
            all.push(Requirement::Secret(token));
        }
        all
    }
}

const RULES: &str = r#"
source monitoring webhook {
  port = 12000
  path = "/alerts"
  event alerts
}

sensor tickets on monitoring.alerts {
  rule open {
    when body.alert is string
    trigger ticket {
      url   = "http://127.0.0.1:8080/tickets"
      title = "Alert: ${body.alert}"
    }
  }
}
"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let sources = Sources::new().with("webhook", Webhook::new([127, 0, 0, 1].into()));
    let triggers = Triggers::new().with(Ticket::new(Secrets::local())?);
    let ruleset = Ruleset::parse("tickets.rules", RULES, &registry(&sources, &triggers))?;
    let backend = Embedded::open(".fuse".as_ref()).await?;
    let running = Runtime::new(ruleset, sources, triggers).start(backend).await?;
    tokio::signal::ctrl_c().await?;
    running.stop().await;
    Ok(())
}

#[cfg(test)]
#[path = "support/mod.rs"]
mod support;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use fuse_rules::Action;
    use fuse_runtime::engine::Policy;
    use fuse_runtime::event::EventKey;
    use fuse_runtime::ledger::ActionState;
    use fuse_runtime::sources::Incoming;
    use fuse_runtime::triggers::ActionFiles;
    use hyper::Response;

    use super::*;

    /// An API that fails in a new way at each request, and keeps the ticket of each key.
    #[derive(Default)]
    struct Api {
        requests: u32,
        tickets: BTreeMap<String, String>,
        authorization: Option<String>,
    }

    async fn api() -> (Arc<Mutex<Api>>, String) {
        let api = Arc::new(Mutex::new(Api::default()));
        let state = Arc::clone(&api);
        let url = support::serve(move |request| {
            let mut api = state.lock().unwrap();
            api.requests += 1;
            let text = |name: &str| {
                request.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
            };
            api.authorization = text("authorization");
            let answer = |status: u16| Response::builder().status(status);
            if api.requests == 1 {
                return Some(answer(503).header("retry-after", "0").body("busy".into()).unwrap());
            }
            let key = text("idempotency-key").unwrap();
            let body: Value = serde_json::from_slice(request.body()).unwrap();
            api.tickets.insert(key, body["title"].as_str().unwrap().to_owned());
            // The ticket is open, and the answer is lost.
            (api.requests > 2).then(|| answer(201).body(String::new()).unwrap())
        });
        (api, url.await)
    }

    fn secrets() -> Secrets {
        let token = SecretRef::Env { name: "TICKETS_TOKEN".into() };
        Secrets::from_map([(token, "s3cr3t".to_owned())].into())
    }

    #[tokio::test]
    async fn a_ticket_is_opened_once_whatever_is_lost() {
        let (api, url) = api().await;
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port().to_string();
        drop(free);
        let rules = RULES.replace("http://127.0.0.1:8080/tickets", &url).replace("12000", &port);
        let rules = rules.replace("title =", "token = env(\"TICKETS_TOKEN\")\n title =");
        let sources = Sources::new().with("webhook", Webhook::new([127, 0, 0, 1].into()));
        let triggers = Triggers::new().with(Ticket::new(secrets()).unwrap());
        let ruleset = Ruleset::parse("t.rules", &rules, &registry(&sources, &triggers)).unwrap();
        let requirements = triggers.requirements(&ruleset);
        let token = SecretRef::Env { name: "TICKETS_TOKEN".into() };
        assert_eq!(requirements[0].requirement, Requirement::Url(url));
        assert_eq!(requirements[1].requirement, Requirement::Secret(token));

        let folder = tempfile::tempdir().unwrap();
        let policy = Policy { backoff: Duration::from_millis(1), ..Policy::default() };
        let runtime = Runtime::new(ruleset, sources, triggers).policy(policy);
        let backend = Embedded::open(folder.path()).await.unwrap();
        let running = runtime.start(backend).await.unwrap();
        let event = Incoming::json("monitoring", "alerts", r#"{"alert":"disk full"}"#);
        let id = running.intake().accept(event).await.unwrap().id;
        let state = loop {
            let record = running.ledger().find(&id).await.unwrap().remove(0);
            match record.actions.first() {
                Some(action) if action.state.is_settled() => break action.state.clone(),
                _ => tokio::task::yield_now().await,
            }
        };
        assert!(matches!(state, ActionState::Done { .. }), "{state:?}");
        assert!(running.stop().await);
        let api = api.lock().unwrap();
        assert_eq!(api.requests, 3);
        assert_eq!(api.tickets.values().collect::<Vec<_>>(), ["Alert: disk full"]);
        assert_eq!(api.authorization.as_deref(), Some("Bearer s3cr3t"));
    }

    fn request(url: &str) -> ActionRequest {
        let fields = json!({ "url": url, "title": "t", "token": { "env": { "name": "NONE" } } });
        let fields = fields.as_object().unwrap().clone();
        let (trigger, rule) = ("ticket".into(), "tickets/open".into());
        let action = Action {
            trigger,
            rule,
            element: None,
            ordinal: 0,
            fields,
            attempts: Default::default(),
        };
        let event = EventKey { source: "q".into(), name: "e".into(), id: "1".into() };
        ActionRequest::new(action, event)
    }

    #[tokio::test]
    async fn without_its_secret_an_action_is_held() {
        let (api, url) = api().await;
        let failure = Ticket::new(secrets()).unwrap().fire(&request(&url)).await.unwrap_err();
        assert!(matches!(failure, Failure::NotReady(_)), "{failure}");
        assert_eq!(api.lock().unwrap().requests, 0);
    }

    #[tokio::test]
    async fn a_local_run_writes_the_request() {
        let folder = tempfile::tempdir().unwrap();
        let files = ActionFiles::new(folder.path());
        let ticket = Ticket::new(secrets()).unwrap();
        let triggers = Triggers::new().with(ticket).with_local_files(&files);
        triggers.get("ticket").unwrap().fire(&request("http://127.0.0.1:1")).await.unwrap();
        let file = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap();
        let written: Value = serde_json::from_slice(&std::fs::read(file.path()).unwrap()).unwrap();
        assert_eq!(written["does"]["body"], json!({ "title": "t" }));
        assert!(!written.to_string().contains("s3cr3t"));
    }
}
