//! The product as its users see it. One binary, one module per subject.

/// The command line: the output of its subcommands, and their exit codes.
#[cfg(test)]
mod cli;

/// Conventions of the code that a compiler does not check.
#[cfg(test)]
mod conventions;

/// The reference of the language, example by example.
#[cfg(test)]
mod docs;

/// The cookbook, recipe by recipe.
#[cfg(test)]
mod cookbook;

/// Starts the real `fuse` in its own folder, posts to it, kills and restarts it.
#[cfg(test)]
mod support;

/// `fuse run` from outside: its answers, decisions, files and log, and how it ends.
#[cfg(test)]
mod run;

/// Nothing is lost and nothing is done twice, wherever the process dies.
#[cfg(test)]
mod crash;

/// The grammar of editors.
#[cfg(test)]
mod editors;

/// Real senders, with the configuration from `fuse connect`.
#[cfg(test)]
mod senders;

/// Replicas that share one state over NATS JetStream.
#[cfg(test)]
mod replicas;

/// Against a real Kubernetes API server.
#[cfg(test)]
mod cluster;
