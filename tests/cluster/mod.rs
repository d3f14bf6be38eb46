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
/// What the following share.
mod scene;
/// Workflows and jobs, field by field, each once.
mod submit;
