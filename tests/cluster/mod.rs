mod doctor;
/// The harness itself: the control plane and its objects.
mod harness;
/// The harness's proxy: each fault is seen as what it is.
mod proxy;
mod rbac;
