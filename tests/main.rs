//! The product as its users meet it. One binary, one module a subject.

/// What is run and how: the command from outside.
#[cfg(test)]
mod cli;
