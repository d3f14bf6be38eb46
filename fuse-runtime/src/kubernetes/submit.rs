//! Makes each change exactly once.
//!
//! | operation | how a second attempt recognizes the first |
//! |---|---|
//! | create | by the object: its name follows from the action, and an annotation has the action's id |
//! | apply, patch | by a mark in the object's annotations, written with the change itself and only over the version that was read |
//! | delete | by the object's uid, recorded before the attempt: an object that was created again has another one |

use http::Request;
use kube::api::{DeleteParams, GetParams, PostParams, Preconditions};
use kube::core::request;
use serde_json::Value;

use super::marks::{Made, latest};
use super::needs::runs_work;
use super::triggers::job;
use super::triggers::metadata::ACTION_ID;
use super::{Change, Cluster, Kind, Operation, Refusal, Target};
use crate::ledger::StartedObject;
use crate::triggers::{Done, Failure, Probe, Readiness};

/// The field manager of fuse's changes.
pub(super) const MANAGER: &str = "fuse";
/// How often a change is repeated because somebody else changed the object in between.
const MAX_RACES: usize = 8;

impl Cluster {
    /// The checkpoint to record before the change is made: the uid of the object to delete, or the latest mark
    /// of the object to change.
    pub(crate) async fn prepare(
        &self,
        change: &Change,
        checkpoint: Option<&str>,
    ) -> Result<Option<String>, Failure> {
        match (change.operation, checkpoint) {
            (Operation::Create, _) => return Ok(None),
            // The object to delete is the one of the first attempt, not one that was created since.
            (Operation::Delete(_), Some(uid)) => return Ok(Some(uid.to_owned())),
            _ => {}
        }
        let kind = self.kind_of(&change.target).await?;
        let found = self.get(&kind, &change.target).await.map_err(Refusal::into_failure)?;
        Ok(match change.operation {
            Operation::Delete(_) => found.as_ref().and_then(uid),
            _ => found.as_ref().and_then(latest),
        })
    }

    /// Makes the change.
    pub(crate) async fn submit(
        &self,
        change: &Change,
        checkpoint: Option<&str>,
    ) -> Result<Done, Failure> {
        // These requests only read, so that a failure leaves nothing done.
        let kind = self.kind_of(&change.target).await.map_err(Failure::certain)?;
        self.required(change).await.map_err(Failure::certain)?;
        let done = match change.operation {
            Operation::Create => self.create(&kind, change).await,
            Operation::Apply { .. } | Operation::Patch(_) => self.patch(&kind, change, false).await,
            Operation::Delete(_) => self.delete(&kind, change, checkpoint).await,
        };
        if let Err(Failure::NotReady(_)) = &done {
            // The kind may have been removed since discovery.
            self.forget(&kind);
        }
        done
    }

    /// Whether the change was made by an earlier attempt.
    pub(crate) async fn find(&self, change: &Change, checkpoint: Option<&str>) -> Probe {
        let found = match self.kind_of(&change.target).await {
            Ok(kind) => self
                .get(&kind, &change.target)
                .await
                .map_err(|refusal| refusal.message().to_owned()),
            Err(failure) => Err(failure.to_string()),
        };
        let target = &change.target;
        match (found, change.operation) {
            (Err(why), _) => Probe::Unavailable(why),
            (Ok(Some(there)), Operation::Create) if owner(&there) == Some(&change.action) => {
                Probe::Done(created(target))
            }
            (Ok(there), Operation::Apply { .. } | Operation::Patch(_)) => {
                match change.made(there.as_ref(), checkpoint) {
                    Made::Yes => Probe::Done(Done::new(format!("{} {target}", change.past()))),
                    Made::No => Probe::Absent,
                    Made::Unknown => Probe::Unknown(format!(
                        "{target} has changed so much since the attempt began that it no longer shows whether it was {}",
                        change.past()
                    )),
                }
            }
            (Ok(there), Operation::Delete(_)) => {
                let there = there.filter(|there| !is_going(there));
                match (there.as_ref().and_then(uid), checkpoint) {
                    (Some(uid), Some(checkpoint)) if uid == checkpoint => Probe::Absent,
                    (_, Some(_)) => Probe::Done(Done::new(format!("deleted {target}"))),
                    (_, None) => Probe::Done(nothing_to_delete(target)),
                }
            }
            (Ok(_), _) => Probe::Absent,
        }
    }

    /// Whether the change could be made now, found out without making it.
    pub(crate) async fn readiness_for(&self, change: &Change) -> Readiness {
        match self.rehearse(change).await {
            Err(Failure::NotReady(why) | Failure::Retryable { reason: why, .. }) => {
                Readiness::NotReady(why)
            }
            // A permanent failure shows its reason when the action is attempted.
            Ok(()) | Err(_) => Readiness::Ready,
        }
    }

    async fn rehearse(&self, change: &Change) -> Result<(), Failure> {
        let kind = self.kind_of(&change.target).await?;
        self.required(change).await?;
        let path = request::Request::new(kind.path(change.target.namespace.as_deref()));
        let asked = match change.operation {
            Operation::Create => {
                let body = self.completed(change).await?;
                let dry = PostParams { dry_run: true, ..PostParams::default() };
                self.call(path.create(&dry, bytes(&body)?)).await
            }
            Operation::Apply { .. } | Operation::Patch(_) => {
                return self.patch(&kind, change, true).await.map(drop);
            }
            Operation::Delete(_) => {
                self.get(&kind, &change.target).await.map_err(Refusal::into_failure)?;
                let dry = DeleteParams { dry_run: true, ..DeleteParams::default() };
                self.call(path.delete(&change.target.name, &dry)).await
            }
        };
        match asked {
            Ok(_) => Ok(()),
            // The attempt finds out which action created it.
            Err(refusal) if refusal.already_exists() => {
                let looked = self.get(&kind, &change.target).await;
                looked.map(drop).map_err(Refusal::into_failure)
            }
            Err(refusal) if refusal.is_absent(&change.target) => Ok(()),
            Err(refusal) => {
                let failure = self.failure(refusal, &change.target).await;
                if let Failure::NotReady(_) = &failure {
                    self.forget(&kind);
                }
                Err(failure)
            }
        }
    }

    /// Whether the API server answers at all.
    pub(crate) async fn readiness(&self) -> Readiness {
        match self.reach().await {
            Ok(()) => Readiness::Ready,
            Err(refusal) => Readiness::NotReady(refusal.message().to_owned()),
        }
    }

    pub(super) async fn reach(&self) -> Result<(), Refusal> {
        let request =
            Request::get("/version").body(Vec::new()).map_err(request::Error::BuildRequest);
        self.call(request).await.map(drop)
    }

    pub(super) async fn kind_of(&self, target: &Target) -> Result<Kind, Failure> {
        let kind = self.kind(&target.api_version, &target.kind).await?;
        match (kind.is_namespaced(), &target.namespace) {
            (true, None) => Err(Failure::Permanent(format!(
                "a `{}` is namespaced; set `namespace`",
                target.kind
            ))),
            (false, Some(_)) => Err(Failure::Permanent(format!(
                "a `{}` is cluster-scoped; remove `namespace`",
                target.kind
            ))),
            _ => Ok(kind),
        }
    }

    /// Checks that the objects which this one refers to exist: without them it would hang or fail.
    async fn required(&self, change: &Change) -> Result<(), Failure> {
        for target in &change.requires {
            let kind = self.kind_of(target).await?;
            match self.get(&kind, target).await {
                Ok(Some(_)) => {}
                Ok(None) => {
                    let deeper = self.deeper(change).await;
                    return Err(Failure::NotReady(deeper.unwrap_or_else(|| absent(target))));
                }
                Err(refusal) => {
                    self.forget(&kind);
                    return Err(self.failure(refusal, target).await);
                }
            }
        }
        Ok(())
    }

    /// The failure that a refusal means. In a missing namespace, fuse's role is missing too, and the API server
    /// answers that fuse is not permitted; the real reason is the namespace.
    pub(super) async fn failure(&self, refusal: Refusal, target: &Target) -> Failure {
        if refusal.is_denied()
            && let Some(namespace) = &target.namespace
            && self.is_namespace_missing(namespace).await
        {
            return Failure::NotReady(format!("namespace `{namespace}` does not exist"));
        }
        refusal.into_failure()
    }

    /// Whether a namespace is known to be missing. `false` where fuse may not read it.
    async fn is_namespace_missing(&self, namespace: &str) -> bool {
        let Ok(Some(kind)) = self.discover("v1", "Namespace").await else { return false };
        let target = Target {
            api_version: "v1".into(),
            kind: "Namespace".into(),
            namespace: None,
            name: namespace.into(),
        };
        matches!(self.get(&kind, &target).await, Ok(None))
    }

    /// The better reason where the namespace itself is missing.
    async fn deeper(&self, change: &Change) -> Option<String> {
        let kind = self.kind_of(&change.target).await.ok()?;
        let path = request::Request::new(kind.path(change.target.namespace.as_deref()));
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        let body = bytes(&change.body).ok()?;
        let refusal = self.call(path.create(&dry, body)).await.err()?;
        refusal.is_without_namespace().then(|| refusal.into_failure().to_string())
    }

    /// An object; `None` where there is none of that name.
    pub(super) async fn get(&self, kind: &Kind, target: &Target) -> Result<Option<Value>, Refusal> {
        let path = request::Request::new(kind.path(target.namespace.as_deref()));
        match self.call(path.get(&target.name, &GetParams::default())).await {
            Ok(object) => Ok(Some(object)),
            Err(refusal) if refusal.is_absent(target) => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    async fn create(&self, kind: &Kind, change: &Change) -> Result<Done, Failure> {
        let target = &change.target;
        let body = self.completed(change).await.map_err(Failure::certain)?;
        let path = request::Request::new(kind.path(target.namespace.as_deref()));
        let params = PostParams { field_manager: Some(MANAGER.into()), ..PostParams::default() };
        let refusal = match self.call(path.create(&params, bytes(&body)?)).await {
            Ok(_) => return Ok(created(target)),
            Err(refusal) if refusal.already_exists() => refusal,
            Err(refusal) => return Err(self.failure(refusal, target).await),
        };
        match self.get(kind, target).await.map_err(Refusal::into_failure)? {
            Some(there) => match owner(&there) {
                Some(owner) if owner == change.action => Ok(created(target)),
                Some(owner) => Err(Failure::Conflict(format!(
                    "{target} already exists, created by action {owner}"
                ))),
                None => Err(Failure::Conflict(format!(
                    "{target} already exists, created by something else"
                ))),
            },
            None => Err(Failure::Retryable {
                reason: format!(
                    "{target} was created and deleted meanwhile: {}",
                    refusal.message()
                ),
                maybe_applied: true,
                after: None,
            }),
        }
    }

    /// The object, completed by what only the cluster has.
    async fn completed(&self, change: &Change) -> Result<Value, Failure> {
        let Some(from) = &change.from_cron_job else { return Ok(change.body.clone()) };
        // CronJobs were beta until Kubernetes 1.21.
        for version in ["batch/v1", "batch/v1beta1"] {
            let target = Target {
                api_version: version.into(),
                kind: "CronJob".into(),
                namespace: Some(from.namespace.clone()),
                name: from.name.clone(),
            };
            let served = self.discover(version, "CronJob").await.map_err(Refusal::into_failure)?;
            let Some(kind) = served else { continue };
            return match self.get(&kind, &target).await.map_err(Refusal::into_failure)? {
                Some(cron_job) => {
                    job::instantiate(&change.body, &cron_job, &from.env).map_err(Failure::Permanent)
                }
                None => Err(Failure::NotReady(absent(&target))),
            };
        }
        Err(Failure::NotReady(super::kinds::unserved("batch/v1", "CronJob")))
    }

    /// Applies or patches over exactly the version that was read, with the mark among the changes.
    async fn patch(&self, kind: &Kind, change: &Change, dry_run: bool) -> Result<Done, Failure> {
        let target = &change.target;
        let mut outdated = None;
        // Fields that fuse itself created or patched belong to no other manager.
        let mut over_own = false;
        for _ in 0..MAX_RACES {
            let there = self.get(kind, target).await.map_err(Refusal::into_failure);
            let there = there.map_err(Failure::certain)?;
            if change.made(there.as_ref(), None) == Made::Yes {
                return Ok(Done::new(format!("{} {target}", change.past())));
            }
            if there.is_none() && matches!(change.operation, Operation::Patch(_)) {
                return Err(Failure::Permanent(format!("there is no {target} to patch")));
            }
            let sent = change.patched(kind, there.as_ref(), dry_run, over_own)?;
            match self.call(sent).await {
                Ok(_) => return Ok(Done::new(format!("{} {target}", change.past()))),
                Err(refusal) if refusal.conflicts_with_fuse() && !over_own => over_own = true,
                Err(refusal) if refusal.is_outdated() => outdated = Some(refusal),
                Err(refusal) => return Err(refusal.into_failure()),
            }
        }
        let why = outdated.map(|refusal| refusal.message().to_owned()).unwrap_or_default();
        Err(Failure::Retryable {
            reason: format!("{target} keeps changing: {why}"),
            maybe_applied: false,
            after: None,
        })
    }

    async fn delete(
        &self,
        kind: &Kind,
        change: &Change,
        checkpoint: Option<&str>,
    ) -> Result<Done, Failure> {
        let target = &change.target;
        let (Operation::Delete(propagation), Some(checkpoint)) = (change.operation, checkpoint)
        else {
            return Ok(nothing_to_delete(target));
        };
        let params = DeleteParams {
            propagation_policy: Some(propagation.policy()),
            preconditions: Some(Preconditions {
                uid: Some(checkpoint.to_owned()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        let path = request::Request::new(kind.path(target.namespace.as_deref()));
        match self.call(path.delete(&target.name, &params)).await {
            Ok(_) => Ok(Done::new(format!("deleted {target}"))),
            // It is gone, or another of its name has taken its place.
            Err(refusal) if refusal.is_absent(target) || refusal.is_outdated() => {
                Ok(Done::new(format!("deleted {target}")))
            }
            Err(refusal) => Err(refusal.into_failure()),
        }
    }
}

fn bytes(body: &Value) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(body)
        .map_err(|error| Failure::Permanent(format!("the object is not JSON: {error}")))
}

pub(super) fn annotation<'o>(object: &'o Value, key: &str) -> Option<&'o str> {
    object.get("metadata")?.get("annotations")?.get(key)?.as_str()
}

/// The action that created an object.
pub(super) fn owner(object: &Value) -> Option<&str> {
    annotation(object, ACTION_ID)
}

pub(super) fn uid(object: &Value) -> Option<String> {
    Some(object.pointer("/metadata/uid")?.as_str()?.to_owned())
}

/// Whether it is being deleted already.
fn is_going(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some()
}

/// The result of an action that created this object. Its work may go on.
fn created(target: &Target) -> Done {
    let Target { api_version, kind, namespace, name } = target.clone();
    let runs_work = runs_work(&api_version, &kind);
    let object = StartedObject { api_version, kind, namespace, name };
    Done::new(format!("created {target}")).with_started(runs_work.then_some(object))
}

fn nothing_to_delete(target: &Target) -> Done {
    Done::new(format!("there was no {target} to delete"))
}

/// The message for an object that does not exist.
pub(super) fn absent(target: &Target) -> String {
    let Target { kind, name, namespace, .. } = target;
    match namespace {
        Some(namespace) => format!("{kind} `{name}` does not exist in namespace `{namespace}`"),
        None => format!("{kind} `{name}` does not exist"),
    }
}
