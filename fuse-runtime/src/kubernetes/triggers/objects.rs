//! Where changes of objects go: to a cluster, or into files.

use super::Manifests;
use crate::kubernetes::{Change, Cluster};
use crate::triggers::{Done, Failure, Probe, Readiness};

/// Makes changes of objects.
#[derive(Clone, Debug)]
pub enum Objects {
    /// Written to files, for people to look at.
    Files(Manifests),
    /// Made on a cluster.
    Cluster(Cluster),
}

impl From<Manifests> for Objects {
    fn from(manifests: Manifests) -> Self {
        Self::Files(manifests)
    }
}

impl From<Cluster> for Objects {
    fn from(cluster: Cluster) -> Self {
        Self::Cluster(cluster)
    }
}

impl Objects {
    pub(super) async fn prepare(
        &self,
        change: &Change,
        checkpoint: Option<&str>,
    ) -> Result<Option<String>, Failure> {
        match self {
            Self::Files(_) => Ok(None),
            Self::Cluster(cluster) => cluster.prepare(change, checkpoint).await,
        }
    }

    pub(super) async fn submit(
        &self,
        change: &Change,
        checkpoint: Option<&str>,
    ) -> Result<Done, Failure> {
        match self {
            Self::Files(manifests) => manifests.submit(change).await,
            Self::Cluster(cluster) => cluster.submit(change, checkpoint).await,
        }
    }

    pub(super) async fn find(&self, change: &Change, checkpoint: Option<&str>) -> Probe {
        match self {
            Self::Files(manifests) => manifests.find(change).await,
            Self::Cluster(cluster) => cluster.find(change, checkpoint).await,
        }
    }

    pub(super) async fn readiness(&self) -> Readiness {
        match self {
            Self::Files(manifests) => manifests.readiness().await,
            Self::Cluster(cluster) => cluster.readiness().await,
        }
    }

    pub(super) async fn readiness_for(&self, change: &Change) -> Readiness {
        match self {
            Self::Files(manifests) => manifests.readiness_for(change).await,
            Self::Cluster(cluster) => cluster.readiness_for(change).await,
        }
    }
}
