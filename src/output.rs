//! Printing: with colours only on a terminal, and without errors if the reader has exited.

use std::io::{IsTerminal as _, Write as _};

/// Prints to standard output.
pub(crate) fn print(text: &str) {
    // A reader that has exited, as in `fuse check | head`, is not an error.
    let _gone = anstream::stdout().lock().write_all(text.as_bytes());
}

/// Prints JSON with text from elsewhere to standard output: on a terminal with escapes, and byte for byte otherwise.
pub(crate) fn print_json(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _gone = match stdout.is_terminal() {
        true => stdout.write_all(printable_json(text).as_bytes()),
        false => stdout.write_all(text.as_bytes()),
    };
}

/// Prints to standard error.
pub(crate) fn print_aside(text: &str) {
    let _gone = anstream::stderr().lock().write_all(text.as_bytes());
}

/// Text from elsewhere without control characters, which would control the terminal, and without marks that change the
/// direction of the text.
pub(crate) fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for c in text.chars() {
        match is_hidden(c) {
            true => printable.extend(c.escape_unicode()),
            false => printable.push(c),
        }
    }
    printable
}

fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// JSON with the same value, in which [`printable`] would escape nothing but line breaks and tabs.
pub(crate) fn printable_json(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => printable.push(c),
            // Outside of strings, where JSON needs no white space.
            '\r' => {}
            // In a string: JSON permits other hidden characters nowhere else.
            _ if is_hidden(c) => printable.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => printable.push(c),
        }
    }
    printable
}

/// Prints why the command failed to standard error.
pub(crate) fn fail(why: &str) {
    let _gone = writeln!(anstream::stderr().lock(), "fuse: {why}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_text_does_not_control_the_terminal() {
        let hostile = "1\u{1b}]0;x\u{7}\u{1b}[2J\n2026\u{9b}2J \u{202e}done\u{2066}";
        let shown = printable(hostile);
        assert_eq!(shown, "1\\u{1b}]0;x\\u{7}\\u{1b}[2J\\u{a}2026\\u{9b}2J \\u{202e}done\\u{2066}");
        assert_eq!(printable("müller 東京 🎉"), "müller 東京 🎉");
    }

    #[test]
    fn printed_json_has_the_same_value_and_does_not_control_the_terminal() {
        let hostile = "{\r\n\t\"a\": \"\u{7f}\u{9b}2J \u{202e}done 東京\"\r}\n";
        let shown = printable_json(hostile);
        assert_eq!(shown, "{\n\t\"a\": \"\\u007f\\u009b2J \\u202edone 東京\"}\n");
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&shown), value(hostile));
    }
}
