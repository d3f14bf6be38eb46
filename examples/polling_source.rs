//! A source that polls an HTTP queue in batches, and acknowledges what is durable.
//!
//! The queue answers `GET {url}/messages` with a JSON list of `{"id": "…", "body": "…"}`, and offers a message again
//! until `POST {url}/ack` names its id.
//!
//! ```sh
//! cargo run --example polling_source
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use fuse_rules::Ruleset;
use fuse_rules::schema::{Field, FieldType, Schema, SourceSchema, Templates};
use fuse_runtime::backend::Embedded;
use fuse_runtime::secrets::SecretRef;
use fuse_runtime::sources::{
    BoundSource, EventBinding, Incoming, Source, SourceContext, SourceError, Sources, milliseconds,
};
use fuse_runtime::triggers::{Log, Triggers};
use fuse_runtime::{Runtime, registry};
use futures_util::future::try_join_all;
use serde::Deserialize;

/// The kind `queue`.
struct Queue;

/// The fields of a `source … queue { … }` block.
#[derive(Deserialize)]
struct QueueConfig {
    url: String,
    #[serde(with = "milliseconds")]
    every: Duration,
    token: Option<SecretRef>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Message {
    id: String,
    body: String,
}

#[async_trait]
impl Source for Queue {
    fn schema(&self) -> SourceSchema {
        let texts = FieldType::Map(Box::new(FieldType::Text(Templates::Allowed)));
        let every = Field::optional("every", FieldType::Duration, "How often it is polled.");
        let source = Schema::new("queue", "Polls a queue over HTTP.")
            .field(Field::required("url", FieldType::String, "Where the queue is."))
            .field(every.default(5_000))
            .field(Field::optional("token", FieldType::Secret, "The queue's token."))
            .field(Field::optional("headers", texts, "Headers of each request."));
        let event = Schema::new("event", "The messages of one queue.").field(Field::optional(
            "url",
            FieldType::String,
            "Where the queue is.",
        ));
        SourceSchema::new(source, event)
    }

    async fn bind(
        &self,
        events: Vec<EventBinding>,
        context: &SourceContext,
    ) -> Result<Box<dyn BoundSource>, SourceError> {
        // reqwest is built without a crypto library of its own. If the program has already chosen one, that stays.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build();
        let client = client.map_err(|error| SourceError::with_source("no HTTP client", error))?;
        let mut queues = Vec::new();
        for event in events {
            let config: QueueConfig = event.config()?;
            // A secret that is missing fails the start. It is read again for each request.
            if let Some(token) = &config.token {
                context.secrets().read(token).await?;
            }
            queues.push(BoundQueue { event, config, client: client.clone() });
        }
        Ok(Box::new(Queues(queues)))
    }
}

struct Queues(Vec<BoundQueue>);

struct BoundQueue {
    event: EventBinding,
    config: QueueConfig,
    client: reqwest::Client,
}

#[async_trait]
impl BoundSource for Queues {
    fn listening(&self) -> Vec<String> {
        let line =
            |queue: &BoundQueue| format!("{} at {}", queue.event.full_name(), queue.config.url);
        self.0.iter().map(line).collect()
    }

    /// An error ends this; the runtime calls it again after a while.
    async fn serve(&mut self, context: &SourceContext) -> Result<(), SourceError> {
        try_join_all(self.0.iter().map(|queue| queue.serve(context))).await.map(drop)
    }
}

impl BoundQueue {
    async fn serve(&self, context: &SourceContext) -> Result<(), SourceError> {
        loop {
            let failed = |error| SourceError::with_source("cannot poll the queue", error);
            let messages = self.poll(context).await?.map_err(failed)?;
            let done = self.accept(context, messages).await;
            if !done.is_empty() {
                let failed = |error| SourceError::with_source("cannot acknowledge messages", error);
                self.acknowledge(context, &done).await?.map_err(failed)?;
                // There may be more.
                continue;
            }
            tokio::select! {
                () = context.shutdown().requested() => return Ok(()),
                () = tokio::time::sleep(self.config.every) => {}
            }
        }
    }

    /// Hands the messages in together, and returns the ids of those that need not come again: accepted,
    /// accepted before, recorded as a dead letter, or in conflict with an earlier message of the same id.
    async fn accept(&self, context: &SourceContext, messages: Vec<Message>) -> Vec<String> {
        let ids: Vec<String> = messages.iter().map(|message| message.id.clone()).collect();
        let incoming = messages.into_iter().map(|Message { id, body }| {
            Incoming::json(&self.event.source, &self.event.name, body).with_id(id)
        });
        let results = context.intake().accept_or_reject(incoming.collect()).await;
        let mut done = Vec::new();
        for (id, result) in ids.into_iter().zip(results) {
            match result {
                Err(error) if error.is_retryable() => context.health().failing(error.to_string()),
                Ok(_) | Err(_) => done.push(id),
            }
        }
        if !done.is_empty() {
            context.health().ok();
        }
        done
    }

    async fn poll(
        &self,
        context: &SourceContext,
    ) -> Result<Result<Vec<Message>, reqwest::Error>, SourceError> {
        let call = self.client.get(format!("{}/messages", self.config.url));
        let call = self.authorized(context, call).await?;
        Ok(async { call.send().await?.error_for_status()?.json().await }.await)
    }

    async fn acknowledge(
        &self,
        context: &SourceContext,
        ids: &[String],
    ) -> Result<Result<(), reqwest::Error>, SourceError> {
        let call = self.client.post(format!("{}/ack", self.config.url)).json(ids);
        let call = self.authorized(context, call).await?;
        Ok(async { call.send().await?.error_for_status().map(drop) }.await)
    }

    async fn authorized(
        &self,
        context: &SourceContext,
        mut call: reqwest::RequestBuilder,
    ) -> Result<reqwest::RequestBuilder, SourceError> {
        for (name, value) in &self.config.headers {
            call = call.header(name, value);
        }
        Ok(match &self.config.token {
            Some(token) => call.bearer_auth(context.secrets().read(token).await?.expose()),
            None => call,
        })
    }
}

const RULES: &str = r#"
source jobs queue {
  url   = "http://127.0.0.1:8080"
  every = 1s
  headers {
    accept = "application/json"
  }
  event done
}

sensor report on jobs.done {
  rule failures {
    when body.status == "failed"
    trigger log { message = "a job failed" }
  }
}
"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let sources = Sources::new().with("queue", Queue);
    let triggers = Triggers::new().with(Log);
    let ruleset = Ruleset::parse("jobs.rules", RULES, &registry(&sources, &triggers))?;
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
    use std::sync::{Arc, Mutex};

    use fuse_runtime::secrets::Secrets;
    use fuse_runtime::sources::testing::SourceTest;
    use hyper::Response;
    use serde_json::json;

    use super::*;

    /// A queue that offers messages until they are acknowledged.
    #[derive(Default)]
    struct Server {
        messages: Vec<(String, String)>,
        /// How many requests are still to fail.
        failing: usize,
        /// Headers of the last request.
        headers: Option<hyper::HeaderMap>,
    }

    async fn server(messages: &[(&str, &str)], failing: usize) -> (Arc<Mutex<Server>>, String) {
        let owned = messages.iter().map(|(id, body)| ((*id).into(), (*body).into()));
        let server = Server { messages: owned.collect(), failing, headers: None };
        let server = Arc::new(Mutex::new(server));
        let state = Arc::clone(&server);
        let url = support::serve(move |request| {
            let mut server = state.lock().unwrap();
            server.headers = Some(request.headers().clone());
            if let Some(left) = server.failing.checked_sub(1) {
                server.failing = left;
                return Some(Response::builder().status(500).body(String::new()).unwrap());
            }
            if request.uri().path() == "/ack" {
                let ids: Vec<String> = serde_json::from_slice(request.body()).unwrap();
                server.messages.retain(|(id, _)| !ids.contains(id));
                return Some(Response::new(String::new()));
            }
            let list = server.messages.iter().map(|(id, body)| json!({ "id": id, "body": body }));
            Some(Response::new(json!(list.collect::<Vec<_>>()).to_string()))
        });
        (server, url.await)
    }

    /// The source of [`RULES`], without their sensor.
    fn rules(url: &str, more: &str) -> String {
        let source = RULES.split("sensor").next().unwrap();
        source.replace("http://127.0.0.1:8080", url).replace("1s", &format!("1ms\n{more}"))
    }

    async fn until(mut condition: impl FnMut() -> bool) {
        while !condition() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_batch_is_one_commit_and_each_message_is_acknowledged_once_it_is_durable() {
        let messages =
            [("1", r#"{"status":"failed"}"#), ("2", "not JSON"), ("3", r#"{"status":"ok"}"#)];
        let (server, url) = server(&messages, 0).await;
        let source = SourceTest::new(&rules(&url, "")).start(Queue).await.unwrap();
        until(|| server.lock().unwrap().messages.is_empty()).await;
        assert_eq!(source.commits(), [3]);
        let events = source.events();
        let bodies: Vec<_> = events.iter().map(|event| (&*event.id, &*event.body)).collect();
        assert_eq!(bodies, messages.map(|(id, body)| (id, body.as_bytes())));
        let rejected: Vec<_> = events.iter().map(|event| event.rejected.is_some()).collect();
        assert_eq!(rejected, [false, true, false]);
        source.stop().await;
    }

    #[tokio::test]
    async fn nothing_is_acknowledged_before_it_is_durable() {
        let (server, url) = server(&[("1", "{}"), ("2", "{}")], 0).await;
        let test = SourceTest::new(&rules(&url, ""));
        let mut source = test.start(Queue).await.unwrap();
        source.next_event().await;
        source.next_event().await;
        until(|| server.lock().unwrap().messages.is_empty()).await;

        source.fail_commits(2);
        server.lock().unwrap().messages.push(("3".into(), "{}".into()));
        assert_eq!(source.next_event().await.id, "3");
        until(|| server.lock().unwrap().messages.is_empty()).await;
        assert_eq!(source.events().len(), 3, "no event is lost, and none comes twice");
        assert_eq!((source.restarts(), source.problem()), (0, None));
        source.stop().await;
    }

    #[tokio::test]
    async fn an_outage_of_the_queue_is_survived_and_reported() {
        let (server, url) = server(&[("1", "{}")], 3).await;
        let mut source = SourceTest::new(&rules(&url, "")).start(Queue).await.unwrap();
        assert_eq!(source.next_event().await.id, "1");
        assert_eq!(source.restarts(), 3);
        until(|| server.lock().unwrap().messages.is_empty()).await;
        source.stop().await;
    }

    #[tokio::test]
    async fn headers_and_the_token_are_sent() {
        let (server, url) = server(&[("1", "{}")], 0).await;
        let rules = rules(&url, "token = env(\"QUEUE_TOKEN\")");
        assert!(SourceTest::new(&rules).start(Queue).await.is_err(), "the token is missing");
        let token = SecretRef::Env { name: "QUEUE_TOKEN".into() };
        let secrets = Secrets::from_map([(token, "s3cr3t".to_owned())].into());
        let mut source = SourceTest::new(&rules).secrets(secrets).start(Queue).await.unwrap();
        source.next_event().await;
        let headers = server.lock().unwrap().headers.clone().unwrap();
        assert_eq!(headers["authorization"], "Bearer s3cr3t");
        assert_eq!(headers["accept"], "application/json");
        source.stop().await;
    }
}
