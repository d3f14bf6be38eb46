//! Stops the work of an object that an action created, because a newer match takes its place.
//!
//! | object | how |
//! |---|---|
//! | Workflow | `spec.shutdown: Stop`: running steps end, and exit handlers still run |
//! | Job | foreground deletion: it remains until its pods are gone |

use http::Request;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::core::request;
use serde_json::{Value, json};

use super::submit::{MANAGER, owner, uid};
use super::{Cluster, Need, Propagation, Target};
use crate::ledger::StartedObject;
use crate::triggers::Failure;

/// The kinds whose work can be stopped, and what that takes.
const STOPPABLE: [(&str, &str); 2] = [("Workflow", "patch"), ("Job", "delete")];

/// What stopping the objects takes that these needs create.
pub(crate) fn needs(needs: &[Need]) -> Vec<Need> {
    let followed = needs.iter().filter_map(|need| match need {
        Need::Follow { api_version, kind, scope } => Some((api_version, kind, scope)),
        _ => None,
    });
    followed
        .filter_map(|(api_version, kind, scope)| {
            let (_, verb) = STOPPABLE.iter().find(|(one, _)| one == kind)?;
            Some(Need::access(api_version, kind, &[verb], scope, None))
        })
        .collect()
}

impl Cluster {
    /// Tells the object of an action to stop. One that is gone, or that another action created, is left alone.
    pub(crate) async fn stop(&self, action: &str, object: &StartedObject) -> Result<(), Failure> {
        let StartedObject { api_version, kind, namespace, name } = object.clone();
        let target = Target { api_version, kind, namespace, name };
        let kind = self.kind_of(&target).await?;
        let found = self.get(&kind, &target).await;
        let found = match found {
            Ok(found) => found,
            Err(refusal) => return Err(self.failure(refusal, &target).await),
        };
        let Some(there) = found.filter(|there| owner(there) == Some(action)) else {
            return Ok(());
        };
        let path = request::Request::new(kind.path(target.namespace.as_deref()));
        let stopped = match target.kind.as_str() {
            "Workflow" => self.call(shutdown(&path, &target.name)).await,
            "Job" => self.call(path.delete(&target.name, &deletion(&there))).await,
            other => {
                return Err(Failure::Permanent(format!("fuse cannot stop a `{other}`")));
            }
        };
        match stopped {
            Ok(_) => Ok(()),
            Err(refusal) if refusal.is_absent(&target) || refusal.is_outdated() => Ok(()),
            Err(refusal) => Err(self.failure(refusal, &target).await),
        }
    }
}

/// The request that stops a workflow.
fn shutdown(path: &request::Request, name: &str) -> Result<Request<Vec<u8>>, request::Error> {
    let params = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    let patch: Patch<Value> = Patch::Merge(json!({ "spec": { "shutdown": "Stop" } }));
    path.patch(name, &params, &patch)
}

/// The deletion of this very job. It stays until its pods are gone, so that a newer job does not run beside them.
fn deletion(there: &Value) -> DeleteParams {
    DeleteParams {
        propagation_policy: Some(Propagation::Foreground.policy()),
        preconditions: Some(Preconditions { uid: uid(there), resource_version: None }),
        ..DeleteParams::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Scope;
    use super::*;

    #[test]
    fn stopping_takes_one_more_permission_for_each_kind_that_can_be_stopped() {
        let scope = Scope::Namespace("cicd".into());
        let mut created = Need::created("argoproj.io/v1alpha1", "Workflow", &scope);
        created.extend(Need::created("batch/v1", "Job", &scope));
        created.extend(Need::created("v1", "Pod", &scope));
        created.extend(Need::used("v1", "Secret", &["get"], &scope, None));
        let expected =
            [("argoproj.io/v1alpha1", "Workflow", "patch"), ("batch/v1", "Job", "delete")];
        let expected =
            expected.map(|(api, kind, verb)| Need::access(api, kind, &[verb], &scope, None));
        assert_eq!(needs(&created), expected);
    }

    #[test]
    fn a_workflow_is_told_to_stop_and_this_very_job_is_deleted() {
        let path = request::Request::new("/apis/argoproj.io/v1alpha1/namespaces/cicd/workflows");
        let request = shutdown(&path, "heal-x").unwrap();
        assert_eq!(
            (request.method().as_str(), request.uri().path()),
            ("PATCH", "/apis/argoproj.io/v1alpha1/namespaces/cicd/workflows/heal-x")
        );
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        assert_eq!(body, json!({ "spec": { "shutdown": "Stop" } }));

        let deletion = deletion(&json!({ "metadata": { "uid": "u-1" } }));
        assert_eq!(deletion.preconditions.and_then(|one| one.uid).as_deref(), Some("u-1"));
        assert_eq!(deletion.propagation_policy, Some(Propagation::Foreground.policy()));
    }
}
