/// Nothing is lost and nothing done twice, whatever fails at once.
mod chaos;
/// What `deploy` has is taken by an API server, and enough for the rules.
mod deploy;
/// The harness itself: the control plane and its objects.
mod harness;
/// The harness's proxy: each fault is seen as what it is.
mod proxy;
/// Every step at which a process can die, with the objects on a cluster.
mod steps;
