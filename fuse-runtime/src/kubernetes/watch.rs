//! Watches objects that fuse created. kube's watcher lists and watches, and resumes when the server ends a
//! watch. This module turns that into the result of each object.

use futures_util::{Stream, StreamExt};
use kube::Api;
use kube::api::DynamicObject;
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::Value;

use super::triggers::metadata::{ACTION, ACTION_ID, event_of};
use super::{Cluster, Scope};
use crate::event::EventKey;
use crate::ledger::ObservedResult;
use crate::triggers::Failure;

/// An event of a watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The list begins, or begins again.
    Listing,
    /// An object, new or changed.
    Object(Followed),
    /// An object, given by its action, that does not show whether its work is over.
    Present(String),
    /// An object was deleted.
    Deleted(Followed),
    /// The list is complete: an object that was not in it does not exist.
    Listed,
}

/// An object of an action, with its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Followed {
    pub(crate) event: EventKey,
    pub(crate) action: String,
    pub(crate) namespace: Option<String>,
    pub(crate) name: String,
    pub(crate) result: ObservedResult,
    pub(crate) phase: String,
    pub(crate) message: Option<String>,
}

impl Cluster {
    /// Watches the objects of a kind that carry fuse's label. A failure ends the watch; the caller starts
    /// another one.
    ///
    /// # Errors
    /// The kind is not served, or the cluster cannot be asked.
    pub(crate) async fn watch(
        &self,
        api_version: &str,
        kind: &str,
        scope: &Scope,
    ) -> Result<impl Stream<Item = Result<Seen, String>> + Send + use<>, Failure> {
        let kind = self.kind(api_version, kind).await?;
        let client = self.client().clone();
        let api: Api<DynamicObject> = match scope.namespace() {
            Some(namespace) => Api::namespaced_with(client, namespace, kind.resource()),
            None => Api::all_with(client, kind.resource()),
        };
        let ours = watcher::Config::default().labels(ACTION);
        let seen = watcher(api, ours).filter_map(move |event| {
            std::future::ready(match event {
                Ok(Event::Init) => Some(Ok(Seen::Listing)),
                Ok(Event::InitDone) => Some(Ok(Seen::Listed)),
                Ok(Event::Apply(object) | Event::InitApply(object)) => seen(kind.kind(), object)
                    .map(|followed| {
                        Ok(match followed {
                            (followed, true) => Seen::Object(followed),
                            (followed, false) => Seen::Present(followed.action),
                        })
                    }),
                Ok(Event::Delete(object)) => {
                    seen(kind.kind(), object).map(|(followed, _)| Ok(Seen::Deleted(followed)))
                }
                Err(error) => Some(Err(reason(&error))),
            })
        });
        Ok(seen)
    }
}

/// The code and the message of the server, where it gives them.
fn answer(error: &watcher::Error) -> Option<(u16, &str)> {
    use watcher::Error::{InitialListFailed, WatchError, WatchFailed, WatchStartFailed};
    match error {
        InitialListFailed(kube::Error::Api(status))
        | WatchStartFailed(kube::Error::Api(status))
        | WatchFailed(kube::Error::Api(status))
        | WatchError(status) => Some((status.code, &status.message)),
        _ => None,
    }
}

/// The reason of a failure, in the server's words where it gives one.
pub(super) fn reason(error: &watcher::Error) -> String {
    match answer(error) {
        Some((_, message)) => message.to_owned(),
        None => crate::error_causes::with_causes(error),
    }
}

/// Whether the server refuses the watch because of missing permissions.
pub(super) fn is_forbidden(error: &watcher::Error) -> bool {
    answer(error).is_some_and(|(code, _)| code == 403)
}

/// An object of an action, and whether it shows whether its work is over.
fn seen(kind: &str, object: DynamicObject) -> Option<(Followed, bool)> {
    let annotations = object.metadata.annotations.as_ref()?;
    let (event, action) = (event_of(annotations)?, annotations.get(ACTION_ID)?.clone());
    let status = object.data.get("status").unwrap_or(&Value::Null);
    let outcome = outcome(kind, status);
    let is_shown = outcome.is_some();
    let (result, phase, message) =
        outcome.unwrap_or((ObservedResult::Running, String::new(), None));
    let followed = Followed {
        event,
        action,
        namespace: object.metadata.namespace,
        name: object.metadata.name?,
        result,
        phase,
        message,
    };
    Some((followed, is_shown))
}

/// The result in an object's status: whether the work has ended, the object's phase, and the reason. `None` for
/// an object that runs no work.
fn outcome(kind: &str, status: &Value) -> Option<(ObservedResult, String, Option<String>)> {
    let text = |value: &Value, key: &str| {
        value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    if kind == "Job" {
        let conditions = status.get("conditions").and_then(Value::as_array);
        let holding = conditions
            .into_iter()
            .flatten()
            .filter(|condition| condition.get("status").and_then(Value::as_str) == Some("True"));
        for condition in holding {
            let result = match condition.get("type").and_then(Value::as_str) {
                Some("Complete") => ObservedResult::Succeeded,
                Some("Failed") => ObservedResult::Failed,
                _ => continue,
            };
            let phase = text(condition, "type").unwrap_or_default();
            let message = text(condition, "message").or_else(|| text(condition, "reason"));
            return Some((result, phase, message));
        }
        let active = status.get("active").and_then(Value::as_i64).unwrap_or(0) > 0;
        let phase = if active { "Running" } else { "Pending" };
        return Some((ObservedResult::Running, phase.into(), None));
    }
    let none = || (kind == "Workflow").then(|| "Pending".to_owned());
    let phase = text(status, "phase").or_else(none)?;
    let result = match phase.as_str() {
        "Succeeded" => ObservedResult::Succeeded,
        "Failed" | "Error" => ObservedResult::Failed,
        "Pending" | "Running" => ObservedResult::Running,
        _ => return None,
    };
    Some((result, phase, text(status, "message")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_kind_says_in_its_way_how_it_went() {
        let told = |kind, status: Value| {
            let Some((result, phase, message)) = outcome(kind, &status) else {
                return "nothing".to_owned();
            };
            format!("{} {phase} {}", result.as_str(), message.unwrap_or_default())
        };
        assert_eq!(told("Workflow", json!({})), "running Pending ");
        assert_eq!(
            told("Workflow", json!({ "phase": "Running", "message": "" })),
            "running Running "
        );
        assert_eq!(told("Workflow", json!({ "phase": "Succeeded" })), "succeeded Succeeded ");
        assert_eq!(
            told("Workflow", json!({ "phase": "Error", "message": "template not found" })),
            "failed Error template not found"
        );
        assert_eq!(told("ConfigMap", json!({})), "nothing");
        assert_eq!(told("Namespace", json!({ "phase": "Active" })), "nothing");
        assert_eq!(told("Pod", json!({ "phase": "Failed" })), "failed Failed ");
        assert_eq!(told("Job", json!({})), "running Pending ");
        assert_eq!(told("Job", json!({ "active": 1 })), "running Running ");
        let conditions = json!({ "conditions": [
            { "type": "Suspended", "status": "True" }, { "type": "Complete", "status": "False" },
            { "type": "Failed", "status": "True", "reason": "BackoffLimitExceeded" } ] });
        assert_eq!(told("Job", conditions), "failed Failed BackoffLimitExceeded");
    }
}
