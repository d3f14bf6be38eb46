//! The embedded ledger, beyond the laws of every ledger.

mod crash;
mod pages;
mod prune;
mod states;

use std::path::Path;
use std::sync::Arc;

use super::{
    ActionState, Attempt, DeadLetterKind, EventAction, FuseSwitch, Ledger, LedgerError,
    StoreLedger, SwitchPosition,
};
use crate::bus::{Bus, StoreBus};
use crate::change::CommitHere;
use crate::event::EventKey;
use crate::store::{FLOW, FUSES, Store};
use crate::testing::backend_laws::support::{at, dead, envelope, once, verdict};

/// A bus and a ledger over one store.
struct OpenStore {
    store: Store,
    bus: Arc<StoreBus>,
    ledger: StoreLedger,
}

impl OpenStore {
    async fn new(store: Store) -> Self {
        let commits = Arc::new(CommitHere(store.clone()));
        Self {
            bus: Arc::new(StoreBus::new(store.clone(), commits.clone(), 100_000).await.unwrap()),
            ledger: StoreLedger::new(store.clone(), commits),
            store,
        }
    }

    async fn in_memory() -> Self {
        Self::new(Store::in_memory().unwrap()).await
    }

    async fn on_disk(folder: &Path) -> Self {
        Self::new(Store::open(folder).unwrap()).await
    }

    /// Accepts an event received so many seconds after the start.
    async fn accept(&self, id: &str, seconds: i64) -> EventKey {
        let mut event = envelope("github", id, "{}");
        event.received = at(seconds);
        let key = event.key();
        self.bus.publish(event).await.unwrap();
        key
    }

    async fn ack_next(&self) {
        let delivery = self.bus.next().await.unwrap();
        self.bus.ack(&delivery).await.unwrap();
    }

    async fn settle(&self, id: &str, state: ActionState) {
        let action: EventAction = self.ledger.find_action(id).await.unwrap().unwrap();
        self.ledger.settle(&action.permit(), state).await.unwrap();
    }
}

/// The file has one place for each id of an action.
#[tokio::test]
async fn the_id_of_another_events_action_is_refused() {
    let opened = OpenStore::in_memory().await;
    let (event, other) = (opened.accept("e", 0).await, opened.accept("other", 0).await);
    opened.ledger.decide(verdict(&other, "taken", 1)).await.unwrap();
    let problem = opened.ledger.decide(verdict(&event, "taken", 1)).await.unwrap_err();
    assert_eq!(problem, LedgerError::Invalid("two actions have the id `taken`".into()));
    assert_eq!(opened.ledger.event(&event).await.unwrap().unwrap().decided, None);
}

/// It may have been switched off: a person has to switch it again, which replaces the record.
#[tokio::test]
async fn a_fuse_whose_record_is_damaged_is_off() {
    let opened = OpenStore::in_memory().await;
    let damage = |transaction: &redb::WriteTransaction| {
        transaction.open_table(FUSES)?.insert("line", &b"nonsense"[..])?;
        Ok(())
    };
    opened.store.write(damage).await.unwrap();
    let value = async || {
        let histories = opened.ledger.fuse_switches().await.unwrap();
        histories["line"].in_effect(at(0)).map(|(on, _)| on)
    };
    assert_eq!(value().await, Some(false));
    let on = FuseSwitch {
        to: SwitchPosition::On,
        at: at(0),
        since: at(0),
        until: Some(at(10)),
        by: "ops".into(),
        reason: String::new(),
        blown_by: None,
    };
    opened.ledger.switch_fuse("line", on).await.unwrap();
    assert_eq!(value().await, Some(true));
}

#[test]
fn errors_name_what_they_are_about() {
    let event = EventKey { source: "github".into(), name: "push".into(), id: "e".into() };
    let unknown = LedgerError::UnknownEvent(event).to_string();
    assert_eq!(unknown, "there is no event `e` of `github.push`");
}

#[test]
fn states_have_stable_names_in_json() {
    let text = serde_json::to_string(&[dead(0), ActionState::Pending]).unwrap();
    assert_eq!(
        text,
        "[{\"state\":\"dead-lettered\",\"at\":\"2026-08-01T10:00:00Z\",\"kind\":\"exhausted\",\
         \"reason\":\"failed five times\",\"response\":{\"status\":422,\"code\":7,\"is_open\":true}},\
         {\"state\":\"pending\"}]"
    );
    let kind = DeadLetterKind::Uncertain;
    let text = serde_json::to_string(&kind).unwrap();
    assert_eq!(text, format!("\"{kind}\""));
}

#[test]
fn records_with_the_former_field_names_are_read() {
    let text = r#"{"state":"held","since":"2026-08-01T10:00:00Z","reason":"no namespace",
        "tried":{"at":"2026-08-01T10:00:00Z","noted":"uid"},"noted":"uid"}"#;
    let state: ActionState = serde_json::from_str(text).unwrap();
    let checkpoint = Some("uid".to_owned());
    assert_eq!(state.last_attempt(), Some(Attempt { at: at(0), checkpoint: checkpoint.clone() }));
    assert_eq!(state.checkpoint(), checkpoint);
}

/// The keys of flow control may contain secrets, which no message shows.
#[tokio::test]
async fn a_damaged_state_is_named_without_the_values_of_its_key() {
    let opened = OpenStore::in_memory().await;
    let event = opened.accept("a", 0).await;
    let asked = once("\"s3cr3t\"", "a", None);
    let key = asked.keys().next().unwrap();
    let damage = move |transaction: &redb::WriteTransaction| {
        transaction.open_table(FLOW)?.insert(key.as_str(), &b"{"[..])?;
        Ok(())
    };
    opened.store.write(damage).await.unwrap();
    let mut verdict = verdict(&event, "a", 0);
    verdict.flow = vec![asked];
    let error = opened.ledger.decide(verdict).await.unwrap_err().to_string();
    assert!(error.contains("a state of `s/r once per body.k` is damaged"), "{error}");
    assert!(!error.contains("s3cr3t"), "{error}");
}
