//! The triggers that change Kubernetes objects. They share how a change is submitted; a module per kind turns an
//! action into a change.

use async_trait::async_trait;
use fuse_rules::schema::{Schema, TriggerInfo};
use serde_json::Value;

use super::{job, object, workflow};
use crate::kubernetes::{Change, Cluster, Need, Operation, stop};
use crate::ledger::StartedObject;
use crate::requirements::Requirement;
use crate::triggers::{
    ActionFile, ActionRequest, Done, Failure, Probe, Readiness, RenderError, Trigger, short_id,
};

/// Why nothing can be submitted.
const NO_CLUSTER: &str = "no cluster is connected";

/// A trigger that turns each action into one change of an object, which a cluster makes once.
#[derive(Clone, Debug)]
pub struct Submit {
    kind: SubmitKind,
    cluster: Option<Cluster>,
}

/// The parts in which the triggers differ.
#[derive(Clone, Copy, Debug)]
struct SubmitKind {
    schema: fn() -> Schema,
    change: fn(&ActionRequest) -> Result<Change, String>,
    needs: fn(&TriggerInfo) -> Vec<Need>,
}

impl Submit {
    /// The trigger `workflow`: Argo Workflows. Without a cluster it renders, and fires nothing.
    pub fn workflow(cluster: impl Into<Option<Cluster>>) -> Self {
        let (schema, change, needs) = (workflow::schema, workflow::change, workflow::needs);
        Self { kind: SubmitKind { schema, change, needs }, cluster: cluster.into() }
    }

    /// The trigger `job`: Kubernetes Jobs. Without a cluster it renders, and fires nothing.
    pub fn job(cluster: impl Into<Option<Cluster>>) -> Self {
        let (schema, change, needs) = (job::schema, job::change, job::needs);
        Self { kind: SubmitKind { schema, change, needs }, cluster: cluster.into() }
    }

    /// The trigger `object`: any object, created, applied, patched or deleted. Without a cluster it renders,
    /// and fires nothing.
    pub fn object(cluster: impl Into<Option<Cluster>>) -> Self {
        let (schema, change, needs) = (object::schema, object::change, object::needs);
        Self { kind: SubmitKind { schema, change, needs }, cluster: cluster.into() }
    }

    fn change(&self, request: &ActionRequest) -> Result<Change, RenderError> {
        (self.kind.change)(request).map_err(RenderError::new)
    }

    fn cluster(&self) -> Result<&Cluster, Failure> {
        self.cluster.as_ref().ok_or_else(|| Failure::NotReady(NO_CLUSTER.into()))
    }
}

/// The file of a change: the object's name, with the action's part where the name does not have it.
pub(super) fn file(change: &Change) -> ActionFile {
    let (name, suffix) = (&change.target.name, short_id(&change.action));
    let stem = if name.ends_with(&suffix) { name.clone() } else { format!("{name}-{suffix}") };
    let name = match change.operation {
        Operation::Create | Operation::Apply { .. } => format!("{stem}.json"),
        other => format!("{stem}.{}.json", other.as_str()),
    };
    ActionFile { name, content: change.shown() }
}

#[async_trait]
impl Trigger for Submit {
    fn schema(&self) -> Schema {
        (self.kind.schema)()
    }

    fn render(&self, request: &ActionRequest) -> Result<Value, RenderError> {
        Ok(self.change(request)?.shown())
    }

    /// The object itself, ready for `kubectl create -f`.
    fn file(&self, request: &ActionRequest) -> Result<ActionFile, RenderError> {
        Ok(file(&self.change(request)?))
    }

    async fn prepare(&self, request: &ActionRequest) -> Result<Option<String>, Failure> {
        let change = self.change(request)?;
        self.cluster()?.prepare(&change, request.checkpoint.as_deref()).await
    }

    async fn fire(&self, request: &ActionRequest) -> Result<Done, Failure> {
        let change = self.change(request)?;
        self.cluster()?.submit(&change, request.checkpoint.as_deref()).await
    }

    async fn probe(&self, request: &ActionRequest) -> Probe {
        match (self.change(request), &self.cluster) {
            (Ok(change), Some(cluster)) => {
                cluster.find(&change, request.checkpoint.as_deref()).await
            }
            (Ok(_), None) => Probe::Unavailable(NO_CLUSTER.into()),
            (Err(_), _) => Probe::Absent,
        }
    }

    async fn stop(&self, request: &ActionRequest, object: &StartedObject) -> Result<(), Failure> {
        self.cluster()?.stop(&request.id, object).await
    }

    async fn readiness(&self) -> Readiness {
        match &self.cluster {
            Some(cluster) => cluster.readiness().await,
            None => Readiness::NotReady(NO_CLUSTER.into()),
        }
    }

    async fn readiness_for(&self, request: &ActionRequest) -> Readiness {
        match (self.change(request), &self.cluster) {
            (Ok(change), Some(cluster)) => cluster.readiness_for(&change).await,
            (Ok(_), None) => Readiness::NotReady(NO_CLUSTER.into()),
            // The attempt fails permanently, with its reason.
            (Err(_), _) => Readiness::Ready,
        }
    }

    fn requirements(&self, block: &TriggerInfo) -> Vec<Requirement> {
        let mut needs = (self.kind.needs)(block);
        if block.is_replaceable {
            needs.extend(stop::needs(&needs));
        }
        needs.into_iter().map(Requirement::Kubernetes).collect()
    }
}
