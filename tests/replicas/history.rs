//! The same history gives the same record, in a folder and on several replicas.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use fuse_rules::Ruleset;
use fuse_rules::flow::FlowTime;
use fuse_rules::schema::{Schema, SourceSchema};
use fuse_runtime::backend::{Backend, Embedded};
use fuse_runtime::clock::Clock;
use fuse_runtime::event::EventKey;
use fuse_runtime::sources::{
    BoundSource, EventBinding, Incoming, Source, SourceContext, SourceError, Sources,
};
use fuse_runtime::triggers::{ActionFiles, Triggers};
use fuse_runtime::{Running, Runtime, registry};
use jiff::{Timestamp, ToSpan as _};
use serde_json::Value;

use super::{open, options};
use crate::support::cluster::random;
use crate::support::{Nats, until};

/// Every clause whose state decides about later events.
const RULES: &str = r#"
fuse storm default on {
  blow after 6 actions within 1m
  reset after 1h
}

source q silent {
  event e
}

sensor s on q.e {
  rule first {
    when body.n >= 0
    once per body.key within 1m
    trigger log { message = "first" }
  }
  rule few {
    when body.n == 0
    limit 2 per 1m per body.key
    trigger log { message = "few" }
  }
  rule turn {
    when body.n == 1
    limit 1 per 30s per body.key else wait
    trigger log { message = "turn" }
  }
  rule third {
    when body.n == 2
    after 3 within 2m per body.key
    trigger log { message = "third" }
  }
  rule calm {
    when body.n == 3
    quiet 20s per body.key
    trigger log { message = "calm" }
  }
  rule stormy {
    requires storm
    when body.n in [2, 3]
    trigger log { message = "stormy" }
  }
  rule tick {
    when body.n == 7
    quiet 1s per event.id
    trigger log { message = "tick" }
  }
}
"#;

/// A source that never sends anything by itself.
struct Silent;

#[async_trait]
impl Source for Silent {
    fn schema(&self) -> SourceSchema {
        SourceSchema::new(Schema::new("silent", "Sends nothing."), Schema::new("event", ""))
    }

    async fn bind(
        &self,
        _events: Vec<EventBinding>,
        _context: &SourceContext,
    ) -> Result<Box<dyn BoundSource>, SourceError> {
        Ok(Box::new(Self))
    }
}

#[async_trait]
impl BoundSource for Silent {
    async fn serve(&mut self, context: &SourceContext) -> Result<(), SourceError> {
        context.shutdown().requested().await;
        Ok(())
    }
}

/// What happens: an event with a key and a number, or time passes.
#[derive(Clone, Copy, Debug)]
enum Step {
    Event(u64, u64),
    Wait(u64),
}

fn history(mut seed: u64, steps: usize) -> Vec<Step> {
    let step = |_| match random(&mut seed) % 4 {
        0 => Step::Wait(random(&mut seed) % 50),
        _ => Step::Event(random(&mut seed) % 3, random(&mut seed) % 4),
    };
    (0..steps).map(step).collect()
}

/// Runs a history on processes that share a backend, one event on each in turns. The records of all events, without what
/// only several replicas have.
async fn run(backends: Vec<Arc<dyn Backend>>, history: &[Step]) -> BTreeMap<String, Value> {
    let now = Arc::new(Mutex::new("2026-01-05T12:00:00Z".parse::<Timestamp>().unwrap()));
    let folder = tempfile::tempdir().unwrap();
    let mut running: Vec<Running> = Vec::new();
    for backend in backends {
        let sources = Sources::new().with("silent", Silent);
        let triggers = Triggers::local(ActionFiles::new(folder.path()));
        let kinds = registry(&sources, &triggers);
        let ruleset = Ruleset::parse("test.rules", RULES, &kinds).unwrap_or_else(|p| panic!("{p}"));
        let time = Arc::clone(&now);
        let clock = Clock::manual(move || *time.lock().unwrap());
        let runtime = Runtime::new(ruleset, sources, triggers).clock(clock);
        running.push(runtime.start(backend).await.unwrap());
    }
    let mut keys = Vec::new();
    for (number, step) in history.iter().enumerate() {
        // A wait alone wakes nobody before its time; an event does, which meets no other state.
        let (key, n) = match *step {
            Step::Event(key, n) => (key, n),
            Step::Wait(seconds) => {
                *now.lock().unwrap() += i64::try_from(seconds).unwrap().seconds();
                (9, 7)
            }
        };
        let id = number.to_string();
        let incoming = Incoming::json("q", "e", format!(r#"{{"key":"k{key}","n":{n}}}"#));
        let at = &running[number % running.len()];
        at.intake().accept(incoming.with_id(&id)).await.unwrap();
        keys.push(EventKey { source: "q".into(), name: "e".into(), id });
        let time = FlowTime::from(*now.lock().unwrap());
        until("everything is settled, everywhere", async || {
            for one in &running {
                let ledger = one.ledger();
                let record = ledger.event(&keys[number]).await.unwrap()?;
                // In this order: what is released is not due any more, and not settled yet.
                let is_open = !record.acked
                    || !ledger.due(time, 1).await.unwrap().events.is_empty()
                    || ledger.counts().await.unwrap().unsettled > 0;
                if is_open {
                    return None;
                }
            }
            Some(())
        })
        .await;
    }
    let mut records = BTreeMap::new();
    for key in &keys {
        let mut of_all = Vec::new();
        for one in &running {
            let record = one.ledger().event(key).await.unwrap().unwrap();
            let mut record = serde_json::to_value(&record).unwrap();
            for action in record["actions"].as_array_mut().unwrap() {
                action.as_object_mut().unwrap().remove("performed_by");
            }
            of_all.push(record);
        }
        assert!(of_all.windows(2).all(|two| two[0] == two[1]), "{of_all:#?}");
        records.extend(of_all.pop().map(|record| (key.id.clone(), record)));
    }
    for one in running {
        assert!(one.stop().await);
    }
    records
}

/// The first place where two records differ, and what they have there.
fn difference(found: &Value, expected: &Value, place: &str) -> Option<String> {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) if found.len() == expected.len() => {
            let mut fields = expected.iter();
            fields.find_map(|(name, value)| {
                let found = found.get(name).unwrap_or(&Value::Null);
                difference(found, value, &format!("{place}/{name}"))
            })
        }
        (Value::Array(found), Value::Array(expected)) if found.len() == expected.len() => {
            let mut pairs = found.iter().zip(expected).enumerate();
            pairs.find_map(|(index, (found, expected))| {
                difference(found, expected, &format!("{place}/{index}"))
            })
        }
        _ if found == expected => None,
        _ => Some(format!("{place}: {found}, expected {expected}")),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_gives_the_same_record_on_every_backend() {
    let Some(nats) = Nats::alone().await else { return };
    let mut outcomes = BTreeMap::<String, usize>::new();
    for seed in 1..=3 {
        let history = history(seed, 60);
        let folder = tempfile::tempdir().unwrap();
        let embedded: Arc<dyn Backend> = Arc::new(Embedded::open(folder.path()).await.unwrap());
        let expected = run(vec![embedded], &history).await;
        let options = options(&nats);
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let replicas: Vec<Arc<dyn Backend>> = vec![
            Arc::new(open(&options, &one).await.unwrap()),
            Arc::new(open(&options, &two).await.unwrap()),
        ];
        let found = run(replicas, &history).await;
        for (id, record) in &expected {
            let differing = difference(&found[id], record, "");
            assert_eq!(differing, None, "event {id} of seed {seed}: {record:#}");
            for decision in record["decisions"].as_array().unwrap() {
                let outcome = decision["outcome"].as_str().unwrap();
                *outcomes.entry(outcome.to_owned()).or_default() += 1;
            }
        }
    }
    // The history met every clause.
    for outcome in ["fired", "suppressed", "counted", "gated", "superseded"] {
        assert!(outcomes.contains_key(outcome), "{outcomes:?}");
    }
    println!("{outcomes:?}");
}
