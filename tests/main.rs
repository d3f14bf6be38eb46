//! Tests of the whole product, in one binary.

/// Starts the real `fuse` on a folder of its own, posts to it, kills and restarts it.
#[cfg(test)]
mod support;

/// Nothing is lost and nothing is done twice, wherever the process dies.
#[cfg(test)]
mod crash;
/// `fuse run` from outside: what it answers, decides, writes, tells and logs, and how it ends.
#[cfg(test)]
mod run;
