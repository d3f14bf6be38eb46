//! Against a real Kubernetes API server: what rules do there, and what becomes of it when things go
//! wrong.

/// What others changed in between.
mod changes;
/// The whole under fire: killed, cut off, lied to; every object once.
mod chaos;
/// One action at a time.
mod concurrency;
/// What `deploy` has.
mod deploy;
mod doctor;
/// What objects come to.
mod follow;
/// The harness itself: the control plane and its objects.
mod harness;
/// What is missing is waited for.
mod held;
/// Objects of any kind.
mod objects;
/// The names of the system that fuse replaces.
mod old_names;
/// What some of the following send.
mod orders;
/// The harness's proxy: each fault is seen as what it is.
mod proxy;
mod rbac;
/// What can be answered to a request, or not.
mod refusals;
mod replaced;
/// Three replicas under fire, and their servers with them.
mod replicas;
/// What the following share.
mod scene;
/// Secrets that are read from the cluster.
mod secrets;
/// Killed at every step.
mod steps;
/// Workflows and jobs, field by field, each once.
mod submit;
/// Who may use the admin port, by the cluster.
mod tokens;
