//! Intake in batches, rejected messages, and sources that fail.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use fuse_rules::Ruleset;
use fuse_rules::schema::{Field, FieldType, Schema, SourceSchema};
use serde::Deserialize;

use super::testing::SourceTest;
use super::{
    AcceptError, AcceptOutcome, BoundSource, EventBinding, Incoming, Source, SourceContext,
    SourceError, Sources, Webhook,
};
use crate::backend::Embedded;
use crate::ledger::DeadLetterQuery;
use crate::secrets::{SecretRef, Secrets};
use crate::store::Store;
use crate::triggers::{Log, Triggers};
use crate::{Runtime, registry};

/// Fails as often as its rules say, by an error or a panic; then sends one event and waits.
struct Flaky;

#[derive(Deserialize)]
struct FlakyConfig {
    fails: usize,
    panics: bool,
    token: Option<SecretRef>,
}

struct BoundFlaky {
    event: EventBinding,
    config: FlakyConfig,
    served: AtomicUsize,
}

#[async_trait]
impl Source for Flaky {
    fn schema(&self) -> SourceSchema {
        let source = Schema::new("flaky", "Fails.")
            .field(Field::optional("fails", FieldType::Int(0, 9), "").default(0))
            .field(Field::optional("panics", FieldType::Bool, "").default(false))
            .field(Field::optional("token", FieldType::Secret, ""))
            .field(Field::optional("id", FieldType::Expression, ""));
        SourceSchema::new(source, Schema::new("event", ""))
    }

    async fn bind(
        &self,
        mut events: Vec<EventBinding>,
        context: &SourceContext,
    ) -> Result<Box<dyn BoundSource>, SourceError> {
        let event = events.remove(0);
        let config: FlakyConfig = event.config()?;
        if let Some(token) = &config.token {
            context.secrets().read(token).await?;
        }
        Ok(Box::new(BoundFlaky { event, config, served: AtomicUsize::new(0) }))
    }
}

#[async_trait]
impl BoundSource for BoundFlaky {
    async fn serve(&mut self, context: &SourceContext) -> Result<(), SourceError> {
        let served = self.served.fetch_add(1, Ordering::SeqCst);
        if served < self.config.fails {
            assert!(!self.config.panics, "a fault made on purpose");
            let cause = std::io::Error::other("connection refused");
            return Err(SourceError::with_source("cannot reach the queue", cause));
        }
        let incoming = Incoming::json(&self.event.source, &self.event.name, "{}");
        context.intake().accept(incoming).await.unwrap();
        context.health().failing("the queue is slow");
        context.shutdown().requested().await;
        Ok(())
    }
}

#[tokio::test]
async fn a_source_that_fails_is_restarted_and_reported() {
    for panics in [false, true] {
        let rules = format!("source q flaky {{ fails = 3, panics = {panics}, event e }}");
        let mut source = SourceTest::new(&rules).start(Flaky).await.unwrap();
        assert_eq!(source.next_event().await.body, "{}");
        assert_eq!(source.restarts(), 3);
        while source.problem().as_deref() != Some("source `flaky`: the queue is slow") {
            tokio::task::yield_now().await;
        }
        source.stop().await;
    }
}

#[tokio::test]
async fn the_reason_of_a_failure_has_its_causes() {
    let source = SourceTest::new("source q flaky { fails = 9, event e }").start(Flaky).await;
    let source = source.unwrap();
    let expected =
        "source `flaky` failed, and is restarted: cannot reach the queue: connection refused";
    while source.problem().as_deref() != Some(expected) {
        tokio::task::yield_now().await;
    }
    source.stop().await;
}

#[tokio::test]
async fn secrets_come_from_the_context() {
    let rules = "source q flaky { token = env(\"QUEUE_TOKEN\"), event e }";
    let missing = SourceTest::new(rules).start(Flaky).await.unwrap_err().to_string();
    assert_eq!(missing, "environment variable `QUEUE_TOKEN` is not set");
    let token = SecretRef::Env { name: "QUEUE_TOKEN".into() };
    let secrets = Secrets::from_map([(token, "s3cr3t".to_owned())].into());
    SourceTest::new(rules).secrets(secrets).start(Flaky).await.unwrap().stop().await;
}

/// A runtime with its state in a folder, to which tests hand events.
async fn runtime(folder: &std::path::Path, backlog: u64) -> crate::Running {
    let sources = Sources::new().with("flaky", Flaky);
    let triggers = Triggers::new().with(Log);
    // The source itself is never up.
    let rules = r#"
        source q flaky { id = body.id, fails = 9, event e }
        sensor s on q.e { rule r { trigger log { message = "received" } } }
    "#;
    let rules = Ruleset::parse("test.rules", rules, &registry(&sources, &triggers)).unwrap();
    let backend = Embedded::new(Store::open(folder).unwrap(), backlog).await.unwrap();
    Runtime::new(rules, sources, triggers).start(backend).await.unwrap()
}

fn event(body: &str) -> Incoming {
    Incoming::json("q", "e", body.to_owned())
}

#[tokio::test]
async fn a_batch_has_a_result_for_each_event() {
    let folder = tempfile::tempdir().unwrap();
    let running = runtime(folder.path(), 1000).await;
    let intake = running.intake();
    assert_eq!(intake.accept_many(Vec::new()).await, []);
    let batch = [
        r#"{"id":"a"}"#,
        "not JSON",
        r#"{"id":"b"}"#,
        r#"{"id":"a"}"#,
        r#"{"id":"b","more":1}"#,
        r#"{"id":"{{x}}"}"#,
    ];
    let results = intake.accept_many(batch.map(event).into()).await;
    let outcome = |index: usize| {
        let accepted = results[index].as_ref().unwrap();
        (accepted.id.as_str(), accepted.outcome)
    };
    assert_eq!(outcome(0), ("a", AcceptOutcome::New));
    assert!(matches!(&results[1], Err(error @ AcceptError::Invalid(_)) if !error.is_retryable()));
    assert_eq!(outcome(2), ("b", AcceptOutcome::New));
    assert_eq!(outcome(3), ("a", AcceptOutcome::Duplicate));
    assert_eq!(results[4], Err(AcceptError::Conflict { id: "b".into() }));
    assert!(matches!(results[5], Err(AcceptError::BadId(_))));
    assert!(running.stop().await);
}

#[tokio::test]
async fn a_message_that_is_no_event_becomes_a_dead_letter() {
    let folder = tempfile::tempdir().unwrap();
    let running = runtime(folder.path(), 1000).await;
    let intake = running.intake();
    // Binary, and JSON that would be decided if its source had not rejected it.
    let binary = Incoming::json("q", "e", vec![0xff, 0]);
    let results = intake.accept_or_reject(vec![binary.clone(), event(r#"{"id":"a"}"#)]).await;
    let outcomes: Vec<_> = results.iter().map(|one| one.as_ref().unwrap().outcome).collect();
    assert_eq!(outcomes, [AcceptOutcome::DeadLetter, AcceptOutcome::New]);
    let again = intake.accept_or_reject(vec![binary]).await;
    assert!(again[0].as_ref().unwrap().is_duplicate());
    let rejected = intake.reject(event("{}").with_id("m-7"), "it has no type").await.unwrap();
    assert_eq!((rejected.id.as_str(), rejected.outcome), ("m-7", AcceptOutcome::DeadLetter));

    let letters = loop {
        let letters =
            running.ledger().dead_letters(&DeadLetterQuery::newest(10)).await.unwrap().letters;
        if letters.len() == 2 {
            break letters;
        }
        tokio::task::yield_now().await;
    };
    let reasons: Vec<_> = letters.iter().map(|letter| letter.reason.as_str()).collect();
    assert!(reasons.contains(&"it has no type"), "{reasons:?}");
    assert!(reasons.iter().any(|reason| reason.contains("UTF-8")), "{reasons:?}");
    assert!(running.stop().await);

    // What was rejected is still so after a restart.
    let running = runtime(folder.path(), 1000).await;
    let record = running.ledger().find("m-7").await.unwrap().remove(0);
    assert_eq!(record.event.rejected.as_deref(), Some("it has no type"));
    assert_eq!(
        (record.rejected.as_deref(), &*record.event.body),
        (Some("it has no type"), &b"{}"[..])
    );
    assert!(running.stop().await);
}

#[tokio::test]
async fn a_full_queue_refuses_the_rest_of_a_batch() {
    let folder = tempfile::tempdir().unwrap();
    let running = runtime(folder.path(), 1).await;
    let batch = (0..50).map(|id| event(&format!(r#"{{"id":"{id}"}}"#))).collect();
    let results = running.intake().accept_many(batch).await;
    assert!(results[0].is_ok());
    let refused = results.iter().filter(|one| one.as_ref().is_err_and(AcceptError::is_retryable));
    assert_eq!(refused.count(), 49);
    assert!(running.stop().await);
}

/// A webhook that is interrupted once, after it has begun to serve.
struct Interrupted(Webhook);

struct BoundInterrupted {
    inner: Box<dyn BoundSource>,
    is_interrupted: bool,
}

#[async_trait]
impl Source for Interrupted {
    fn schema(&self) -> SourceSchema {
        self.0.schema()
    }

    async fn bind(
        &self,
        events: Vec<EventBinding>,
        context: &SourceContext,
    ) -> Result<Box<dyn BoundSource>, SourceError> {
        let inner = self.0.bind(events, context).await?;
        Ok(Box::new(BoundInterrupted { inner, is_interrupted: false }))
    }
}

#[async_trait]
impl BoundSource for BoundInterrupted {
    async fn serve(&mut self, context: &SourceContext) -> Result<(), SourceError> {
        if std::mem::replace(&mut self.is_interrupted, true) {
            return self.inner.serve(context).await;
        }
        tokio::select! {
            biased;
            served = self.inner.serve(context) => served,
            () = tokio::task::yield_now() => Err(SourceError::new("interrupted on purpose")),
        }
    }
}

#[tokio::test]
async fn a_webhook_opens_its_port_again() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let rules = format!("source q webhook {{ port = {}, path = \"/x\", event e }}", address.port());
    let webhook = Interrupted(Webhook::new(address.ip()));
    let mut source = SourceTest::new(&rules).start(webhook).await.unwrap();
    while source.restarts() == 0 {
        tokio::task::yield_now().await;
    }
    let mut stream = loop {
        match tokio::net::TcpStream::connect(address).await {
            Ok(stream) => break stream,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let request =
        "POST /x HTTP/1.1\r\nhost: fuse\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    assert_eq!(source.next_event().await.body, "{}");
    source.stop().await;
}
