//! Printing: with colours only on a terminal, and without errors if the reader has exited.

use std::io::Write as _;

/// Prints to standard output.
pub(crate) fn print(text: &str) {
    // A reader that has exited, as in `fuse check | head`, is not an error.
    let _gone = anstream::stdout().lock().write_all(text.as_bytes());
}

/// Prints to standard error.
pub(crate) fn print_aside(text: &str) {
    let _gone = anstream::stderr().lock().write_all(text.as_bytes());
}

/// Prints why the command failed to standard error.
pub(crate) fn fail(why: &str) {
    let _gone = writeln!(anstream::stderr().lock(), "fuse: {why}");
}
