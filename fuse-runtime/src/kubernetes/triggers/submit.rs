//! The triggers that change Kubernetes objects: one way of firing, and a module for each kind that
//! says which change an action is.

use async_trait::async_trait;
use fuse_rules::{Schema, TriggerInfo};
use serde_json::Value;

use super::objects::Objects;
use super::{job, object, workflow};
use crate::kubernetes::{Change, Need};
use crate::triggers::{ActionRequest, Done, Failure, Probe, Readiness, Trigger};

/// A trigger that makes one change of an object of each action and has it made once: on a cluster,
/// or as a file.
#[derive(Clone, Debug)]
pub struct Submit {
    kind: Kind,
    objects: Objects,
}

/// What tells the triggers apart.
#[derive(Clone, Copy, Debug)]
struct Kind {
    schema: fn() -> Schema,
    change: fn(&ActionRequest) -> Result<Change, String>,
    needs: fn(&TriggerInfo) -> Vec<Need>,
}

impl Submit {
    /// The trigger `workflow`: Argo Workflows.
    pub fn workflow(objects: impl Into<Objects>) -> Self {
        let kind =
            Kind { schema: workflow::schema, change: workflow::change, needs: workflow::needs };
        Self { kind, objects: objects.into() }
    }

    /// The trigger `job`: Kubernetes Jobs.
    pub fn job(objects: impl Into<Objects>) -> Self {
        let kind = Kind { schema: job::schema, change: job::change, needs: job::needs };
        Self { kind, objects: objects.into() }
    }

    /// The trigger `object`: any object, created, applied, patched or deleted.
    pub fn object(objects: impl Into<Objects>) -> Self {
        let kind = Kind { schema: object::schema, change: object::change, needs: object::needs };
        Self { kind, objects: objects.into() }
    }
}

#[async_trait]
impl Trigger for Submit {
    fn schema(&self) -> Schema {
        (self.kind.schema)()
    }

    fn render(&self, request: &ActionRequest) -> Result<Value, String> {
        Ok((self.kind.change)(request)?.shown())
    }

    async fn prepare(&self, request: &ActionRequest) -> Result<Option<String>, Failure> {
        let change = (self.kind.change)(request).map_err(Failure::Permanent)?;
        self.objects.prepare(&change, request.checkpoint.as_deref()).await
    }

    async fn fire(&self, request: &ActionRequest) -> Result<Done, Failure> {
        let change = (self.kind.change)(request).map_err(Failure::Permanent)?;
        self.objects.submit(&change, request.checkpoint.as_deref()).await
    }

    async fn probe(&self, request: &ActionRequest) -> Probe {
        match (self.kind.change)(request) {
            Ok(change) => self.objects.find(&change, request.checkpoint.as_deref()).await,
            Err(_) => Probe::Absent,
        }
    }

    async fn readiness(&self) -> Readiness {
        self.objects.readiness().await
    }

    async fn readiness_for(&self, request: &ActionRequest) -> Readiness {
        match (self.kind.change)(request) {
            Ok(change) => self.objects.readiness_for(&change).await,
            // It fails for good when it is tried, with its reason.
            Err(_) => Readiness::Ready,
        }
    }

    fn needs(&self, block: &TriggerInfo) -> Vec<Need> {
        (self.kind.needs)(block)
    }
}
