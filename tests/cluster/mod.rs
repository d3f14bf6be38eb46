/// Nothing is lost and nothing done twice, whatever fails at once.
mod chaos;
/// What `deploy` has is taken by an API server, and enough for the rules.
mod deploy;
/// What objects come to.
mod follow;
/// The harness itself: the control plane and its objects.
mod harness;
/// What is missing is waited for.
mod held;
/// Objects of any kind.
mod objects;
/// The harness's proxy: each fault is seen as what it is.
mod proxy;
/// What can be answered to a request, or not.
mod refusals;
/// What others share.
mod scene;
/// Every step at which a process can die, with the objects on a cluster.
mod steps;
/// Workflows and jobs, field by field, each once.
mod submit;
