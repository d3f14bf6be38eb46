//! The product as its users meet it. One binary, one module a subject.

/// The command line: what its subcommands print, and their exit codes.
#[cfg(test)]
mod cli;

/// The reference of the language, example by example.
#[cfg(test)]
mod docs;

/// The cookbook, recipe by recipe.
#[cfg(test)]
mod cookbook;

/// Starts the real `fuse` on a folder of its own, posts to it, kills and restarts it.
#[cfg(test)]
mod support;

/// `fuse run` from outside: what it answers, decides, writes, tells and logs, and how it ends.
#[cfg(test)]
mod run;

/// Nothing is lost and nothing is done twice, wherever the process dies.
#[cfg(test)]
mod crash;

/// The grammar of editors.
#[cfg(test)]
mod editors;

/// Real senders, configured as `fuse connect` prints it.
#[cfg(test)]
mod senders;

/// Against a real Kubernetes API server.
#[cfg(test)]
mod cluster;
