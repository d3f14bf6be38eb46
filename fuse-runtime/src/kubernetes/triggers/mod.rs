//! The triggers that change Kubernetes objects: `workflow`, `job` and `object`.

pub(crate) mod job;
mod manifests;
pub(crate) mod metadata;
mod object;
mod objects;
mod submit;
mod template;
#[cfg(test)]
mod tests;
mod workflow;

pub use manifests::Manifests;
pub use objects::Objects;
pub use submit::Submit;
