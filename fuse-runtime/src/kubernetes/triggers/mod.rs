//! The triggers `workflow`, `job` and `object`, and the built-in set of triggers.

pub(crate) mod job;
pub(crate) mod metadata;
mod object;
mod submit;
mod template;
#[cfg(test)]
mod tests;
mod workflow;

pub use submit::Submit;

use super::Cluster;
use crate::secrets::Secrets;
use crate::triggers::{ActionFiles, HttpAddresses, Log, Triggers};

impl Triggers {
    /// The built-in triggers, which act on a cluster. [`Runtime::follow`](crate::Runtime::follow) has the
    /// runtime follow the objects that they make.
    pub fn cluster(cluster: Cluster) -> Self {
        Self::built_in(Some(cluster))
    }

    /// The built-in triggers without a cluster: actions on Kubernetes objects are held.
    pub fn without_cluster() -> Self {
        Self::built_in(None)
    }

    /// The built-in triggers, which write what they would do to files.
    pub fn local(files: ActionFiles) -> Self {
        Self::built_in(None).with_local_files(&files)
    }

    fn built_in(cluster: Option<Cluster>) -> Self {
        Self::new()
            .with(Submit::workflow(cluster.clone()))
            .with(Submit::job(cluster.clone()))
            .with(Submit::object(cluster))
            .with(Log)
            .with_http(Secrets::local(), HttpAddresses::default())
    }
}
