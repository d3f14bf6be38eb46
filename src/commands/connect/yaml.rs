//! Values in YAML, and in the JSON inside it.

use std::fmt::Write as _;

/// In double quotes, valid in both YAML and JSON.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            // Not printable, or a line end for some YAML parsers.
            '\0'..='\x1f'
            | '\x7f'..='\u{9f}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}' => {
                // Writing to a string cannot fail.
                let _ok = write!(out, "\\u{:04x}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Unquoted if YAML parses it as this string, else quoted.
pub(super) fn scalar(text: &str) -> String {
    // Words that some version of YAML parses as another type.
    const WORDS: [&str; 11] =
        ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "inf", "nan"];
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { quoted(text) }
}

/// Whether templates and expressions accept it as a name.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::{quoted, scalar};

    #[test]
    fn readers_of_yaml_and_json_read_what_was_written() {
        let all: String = ('\0'..='\u{10ffff}').step_by(7).collect();
        let odd =
            ["", "y", "No", "null", "~", "1", "0x1", "a: b", "a #b", "- a", "a\nb", "é", "😀"];
        for text in odd.into_iter().chain(["\u{85}\u{2028}\u{feff}\"\\\0", &all]) {
            let json: String = serde_json::from_str(&quoted(text)).unwrap();
            assert_eq!(json, text);
            for written in [quoted(text), scalar(text)] {
                let yaml: serde_json::Value =
                    serde_saphyr::from_str(&format!("k: {written}\n")).unwrap();
                assert_eq!(yaml["k"], text);
                // A longer key would need a different syntax.
                if text.len() > 1_000 {
                    continue;
                }
                let key: serde_json::Value =
                    serde_saphyr::from_str(&format!("{written}: v\n")).unwrap();
                assert_eq!(key[text], "v");
            }
        }
        assert_eq!(scalar("provision-app"), "provision-app");
        assert_eq!(scalar("/proxy/fuse/x"), "\"/proxy/fuse/x\"");
    }
}
