//! Triggers: the backends that perform actions.
//!
//! A trigger registers a schema, by which rules are checked; renders an action as JSON, which `fuse explain`
//! shows; and performs it:
//!
//! ```
//! use async_trait::async_trait;
//! use fuse_rules::schema::{Field, FieldType, Schema};
//! use fuse_runtime::triggers::{ActionRequest, Done, Failure, Probe, RenderError, Trigger};
//! use serde_json::{Value, json};
//!
//! struct Page;
//!
//! #[async_trait]
//! impl Trigger for Page {
//!     fn schema(&self) -> Schema {
//!         Schema::new("page", "Calls a human.")
//!             .field(Field::required("team", FieldType::String, "Whom to call."))
//!     }
//!
//!     fn render(&self, request: &ActionRequest) -> Result<Value, RenderError> {
//!         Ok(json!({ "call": request.action.fields["team"] }))
//!     }
//!
//!     async fn fire(&self, request: &ActionRequest) -> Result<Done, Failure> {
//!         // Call the pager's API with `request.id` as its idempotency key.
//!         Ok(Done::new("called"))
//!     }
//!
//!     async fn probe(&self, _request: &ActionRequest) -> Probe {
//!         Probe::Repeatable
//!     }
//! }
//! ```

mod files;
mod guarded;
mod http;
mod local;
mod log;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fuse_rules::schema::{Schema, TriggerInfo};
use fuse_rules::{Action, ActionResponse, Ruleset};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use files::{ActionFile, ActionFiles};
pub(crate) use guarded::Guarded;
pub(crate) use http::failure as http_failure;
pub use http::{Http, HttpAddresses, PagerDuty, Slack, Teams, http_outcome, retry_after};
pub use log::Log;

use crate::event::EventKey;
use crate::ledger::{StartedObject, Thread, ThreadKey, ThreadMessage};
use crate::requirements::{Requirement, RuleRequirement};
use local::LocalTrigger;

/// An action to perform, with everything that a backend may need to know about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActionRequest {
    /// The action's id: 64 hexadecimal digits, the same however often its event is delivered.
    pub id: String,
    /// What to do.
    pub action: Action,
    /// The event that caused it.
    pub event: EventKey,
    /// What [`Trigger::prepare`] gave before the first attempt.
    #[serde(default, alias = "noted")]
    pub checkpoint: Option<String>,
    /// The thread of its message, if an earlier message began it; see [`Trigger::thread`].
    #[serde(default)]
    pub thread: Option<Thread>,
}

impl ActionRequest {
    /// The request of an action, with the id that follows from the event and the action's position in the
    /// rules.
    pub fn new(action: Action, event: EventKey) -> Self {
        let id = action_id(&event, &action);
        Self { id, action, event, checkpoint: None, thread: None }
    }

    /// How long one attempt may take, if its rule says so.
    pub fn timeout(&self) -> Option<Duration> {
        self.action.attempts.timeout.and_then(|timeout| timeout.try_into().ok())
    }
}

/// The id of an action: a hash of the event's source, name and id, the rule, the element and the
/// trigger's ordinal.
pub fn action_id(event: &EventKey, action: &Action) -> String {
    let element = match &action.element {
        Some(path) => path.iter().map(u32::to_string).collect::<Vec<_>>().join(","),
        None => "-".to_owned(),
    };
    let ordinal = action.ordinal.to_string();
    hash_of(&[&event.source, &event.name, &event.id, &action.rule, &element, &ordinal])
}

pub(crate) fn hash_of(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // Each part is preceded by its length, so that no two sequences of parts hash alike.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    data_encoding::HEXLOWER.encode(&hash.finalize())
}

/// The id of an action that reacts to another action, or to the end of a decision: a hash of the id of its cause, the name
/// of the reaction and the trigger's ordinal. Each cause has reactions of its own.
pub(crate) fn reaction_id(cause: &str, action: &Action) -> String {
    hash_of(&[cause, &action.rule, &action.ordinal.to_string()])
}

/// The id of a fuse's blowing, at this steady time. The reaction to each has an id of its own.
pub(crate) fn blow_id(event: &EventKey, fuse: &str, since: Timestamp) -> String {
    hash_of(&["blow", &event.encode(), fuse, &since.as_nanosecond().to_string()])
}

/// Sixteen base32 characters of an action's id, for names of files and objects.
pub(crate) fn short_id(action: &str) -> String {
    let hash = data_encoding::HEXLOWER_PERMISSIVE.decode(action.as_bytes()).unwrap_or_default();
    let mut text = data_encoding::BASE32_NOPAD.encode(&hash).to_ascii_lowercase();
    text.truncate(16);
    text
}

/// Why an action cannot be rendered, in a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct RenderError {
    reason: String,
}

impl RenderError {
    /// An error with its reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

impl From<RenderError> for Failure {
    /// An action that cannot be rendered can never succeed.
    fn from(error: RenderError) -> Self {
        Self::Permanent(error.reason)
    }
}

/// An action that was performed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// What was done, for people: `wrote manifests/x.json`.
    pub detail: String,
    /// The object that was created, if the end of its work is observed.
    pub started: Option<StartedObject>,
    /// The message that began the thread of the action's message, if it has a [thread](Trigger::thread).
    pub thread: Option<ThreadMessage>,
}

impl Done {
    /// An action that was performed, with what was done.
    pub fn new(detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), started: None, thread: None }
    }

    /// The same, with the message that began the thread.
    #[must_use]
    pub fn with_thread(self, first: Option<ThreadMessage>) -> Self {
        Self { thread: first, ..self }
    }

    /// The same, with the object whose work it started.
    #[must_use]
    pub fn with_started(self, object: Option<StartedObject>) -> Self {
        Self { started: object, ..self }
    }
}

/// Why an action was not performed. The variant decides what fuse does next.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It can never succeed: it becomes a dead letter.
    #[error("{0}")]
    Permanent(String),
    /// Something else has the object's name: it becomes a dead letter.
    #[error("{0}")]
    Conflict(String),
    /// It is unknown whether it was performed, and performing it twice is worse than not at all: it becomes a
    /// dead letter for a person to decide.
    #[error("{0}")]
    Uncertain(String),
    /// Something that it needs is missing, and a person has to provide it: what, in a sentence. It was
    /// certainly not performed. fuse holds it until [`Trigger::readiness_for`] reports that it is ready.
    #[error("{0}")]
    NotReady(String),
    /// It may succeed when it is retried.
    #[error("{reason}")]
    Retryable {
        /// Why it failed this time.
        reason: String,
        /// Whether the attempt may have performed the action all the same, as when the answer was lost.
        /// `false` only if certainly nothing was done.
        maybe_applied: bool,
        /// How long the backend asks to wait before the next attempt, where it does.
        after: Option<Duration>,
    },
}

/// The result of an attempt at an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptResult {
    /// What was done, or why it was not.
    pub result: Result<Done, Failure>,
    /// What is kept of the response, if there was one: in the ledger, and for the reactions of the rule.
    pub response: Option<ActionResponse>,
}

impl From<Result<Done, Failure>> for AttemptResult {
    /// The result of an attempt without a response.
    fn from(result: Result<Done, Failure>) -> Self {
        Self { result, response: None }
    }
}

impl Failure {
    /// The same failure of a step before the attempt itself: certainly nothing was done.
    #[must_use]
    pub fn certain(self) -> Self {
        match self {
            Self::Retryable { reason, after, .. } => {
                Self::Retryable { reason, maybe_applied: false, after }
            }
            other => other,
        }
    }
}

/// Whether an interrupted attempt performed its action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// It was.
    Done(Done),
    /// There is no trace of it.
    Absent,
    /// It is unknown, but performing it again does no harm.
    Repeatable,
    /// It is unknown and stays so; why.
    Unknown(String),
    /// It is unknown now, but may be found out later; why.
    Unavailable(String),
}

/// Whether a backend can perform actions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It can.
    Ready,
    /// It cannot; what is missing, in a sentence.
    NotReady(String),
}

/// A trigger backend. Object-safe; the runtime holds each as `Arc<dyn Trigger>`.
#[async_trait]
pub trait Trigger: Send + Sync + 'static {
    /// The kind and its fields, by which rules are checked.
    fn schema(&self) -> Schema;

    /// What firing would do, as JSON: for Kubernetes the exact object. `fuse explain` shows it.
    ///
    /// # Errors
    /// Why the action cannot be put into that form; it is then a dead letter.
    fn render(&self, request: &ActionRequest) -> Result<serde_json::Value, RenderError>;

    /// The file that `--local` writes instead of performing the action: what [`Trigger::render`] gives, with
    /// the action around it, where a trigger has no form of its own.
    ///
    /// # Errors
    /// Why the action cannot be put into that form; it is then a dead letter.
    fn file(&self, request: &ActionRequest) -> Result<ActionFile, RenderError> {
        Ok(ActionFile::new(request, &self.render(request)?))
    }

    /// Whether performing an action has no effect outside this process, as for a line in its log. `--local`
    /// performs such an action instead of writing a file.
    fn is_local(&self) -> bool {
        false
    }

    /// Reads what [`Trigger::probe`] needs to find out later whether an attempt succeeded, such as the uid of an
    /// object to delete. It is recorded with the intent to fire, and passed to [`Trigger::fire`] and
    /// [`Trigger::probe`] as [`ActionRequest::checkpoint`]. After a failed attempt, the next one gets its
    /// checkpoint, to keep or to replace.
    ///
    /// # Errors
    /// Why it cannot be read now.
    async fn prepare(&self, _request: &ActionRequest) -> Result<Option<String>, Failure> {
        Ok(None)
    }

    /// Performs the action. Firing one id twice must perform it once, as far as the backend can ensure that;
    /// otherwise [`Trigger::probe`] says so.
    ///
    /// # Errors
    /// Why it was not performed.
    async fn fire(&self, request: &ActionRequest) -> Result<Done, Failure>;

    /// Performs the action like [`Trigger::fire`], and returns what is kept of the response too. Implement it if the
    /// schema has [`Schema::keeps_response`]; fuse calls it instead of [`Trigger::fire`].
    async fn attempt(&self, request: &ActionRequest) -> AttemptResult {
        self.fire(request).await.into()
    }

    /// The thread to which the message of an action belongs. The messages of a thread are sent one after the other, and
    /// each gets the first one in [`ActionRequest::thread`]. fuse records what [`Done::thread`] gives with the end of the
    /// action.
    fn thread(&self, _request: &ActionRequest) -> Option<ThreadKey> {
        None
    }

    /// Finds out whether an interrupted attempt performed the action.
    async fn probe(&self, request: &ActionRequest) -> Probe;

    /// Tells the work that an action started to stop, because `concurrency … else replace` gave its place to a newer
    /// match. It may end later; the object shows that. Stopping twice must do no harm. A kind that can do this has a
    /// [stoppable](Schema::stoppable) schema.
    ///
    /// # Errors
    /// Why it was not stopped. After [`Failure::Permanent`], fuse waits until the work ends by itself.
    async fn stop(&self, request: &ActionRequest, object: &StartedObject) -> Result<(), Failure> {
        let kind = &request.action.trigger;
        let StartedObject { name, .. } = object;
        Err(Failure::Permanent(format!("the trigger `{kind}` cannot stop `{name}`")))
    }

    /// Whether the backend can do its work now.
    async fn readiness(&self) -> Readiness {
        Readiness::Ready
    }

    /// Whether this action could be performed now. It is cheap and does not perform the action. It decides when a
    /// held action is retried.
    async fn readiness_for(&self, _request: &ActionRequest) -> Readiness {
        self.readiness().await
    }

    /// Whether [`Trigger::fire`] ends by itself once the `timeout` of its rule has passed
    /// ([`AttemptPolicy`](fuse_rules::AttemptPolicy)), because it knows better what such an attempt did. fuse ends the
    /// attempts of other triggers, and treats them as those that a crash interrupted.
    fn ends_in_time(&self) -> bool {
        false
    }

    /// What a block of this kind needs, as far as it is known before any event.
    fn requirements(&self, _block: &TriggerInfo) -> Vec<Requirement> {
        Vec::new()
    }
}

/// The backends of a runtime, by kind.
#[derive(Clone, Default)]
pub struct Triggers {
    by_kind: BTreeMap<String, Arc<dyn Trigger>>,
}

impl Triggers {
    /// No backend.
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces all backends so far by ones that write what they would do to files. Those that act only
    /// [inside this process](Trigger::is_local) stay as they are.
    #[must_use]
    pub fn with_local_files(mut self, files: &ActionFiles) -> Self {
        for trigger in self.by_kind.values_mut().filter(|trigger| !trigger.is_local()) {
            *trigger =
                Arc::new(LocalTrigger { trigger: Arc::clone(trigger), files: files.clone() });
        }
        self
    }

    /// What all rules need of their triggers, in the order of the rules, and then the reactions of fuses.
    pub fn requirements(&self, ruleset: &Ruleset) -> Vec<RuleRequirement> {
        let mut all = Vec::new();
        for rule in ruleset.rules() {
            for block in rule.all_triggers() {
                let Some(trigger) = self.get(&block.kind) else { continue };
                let of_rule = |requirement| RuleRequirement { rule: rule.name.into(), requirement };
                all.extend(trigger.requirements(block).into_iter().map(of_rule));
            }
        }
        for (_, reaction) in ruleset.fuse_reactions() {
            for block in &reaction.triggers {
                let Some(trigger) = self.get(&block.kind) else { continue };
                let of_fuse =
                    |requirement| RuleRequirement { rule: reaction.name.into(), requirement };
                all.extend(trigger.requirements(block).into_iter().map(of_fuse));
            }
        }
        all
    }

    /// Adds a backend; one of the same kind is replaced.
    #[must_use]
    pub fn with(mut self, trigger: impl Trigger) -> Self {
        self.by_kind.insert(trigger.schema().kind().to_owned(), Arc::new(trigger));
        self
    }

    /// The backend of a kind.
    pub fn get(&self, kind: &str) -> Option<&Arc<dyn Trigger>> {
        self.by_kind.get(kind)
    }

    /// All backends with their kinds, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<dyn Trigger>)> {
        self.by_kind.iter().map(|(kind, trigger)| (kind.as_str(), trigger))
    }
}

impl std::fmt::Debug for Triggers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.by_kind.keys()).finish()
    }
}
