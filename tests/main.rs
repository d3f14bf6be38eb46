//! Tests of the whole product, in one binary.

/// Starts the real `fuse` on a folder of its own, posts to it, kills and restarts it.
#[cfg(test)]
mod support;

