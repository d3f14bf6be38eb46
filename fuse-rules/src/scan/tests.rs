//! Valid and invalid JSON, as a table and compared with `serde_json`.

use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::is_valid;
use super::text::unescape;
use super::tree::tree;
use crate::event::{MAX_DEPTH, json_fault};

const VALID: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-0",
    "1",
    "-1.5",
    "1e5",
    "1E+5",
    "1e-5",
    "0.0",
    "0e0",
    "12345678901234567890123456789012345678901234567890",
    "1e999",
    "1234567890123456",
    "12345678901234567",
    "123456789012345.5",
    "\"\"",
    "\"a\"",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
    "\"\\u0000\"",
    "\"\\u00e9\\uD83D\\ude00\"",
    // Half of a surrogate pair is JSON, although no text can contain it.
    "\"\\ud800\"",
    "\"\\udc00\\ud800\"",
    "\"é😀\u{7f}\u{2028}\"",
    "\"sixteen bytes...\"",
    "\"sixteen bytes....and more than that, in several steps\"",
    "\"fifteen bytes..\\u0041 and more\"",
    "[]",
    " [ ] ",
    "[1,2]",
    "[ 1 , [ 2 ] ]",
    "{}",
    " { } ",
    "{\"a\":1}",
    "{ \"a\" : 1 , \"b\" : { } }",
    // Duplicate keys are JSON; rules that read them refuse the event.
    "{\"a\":1,\"a\":2}",
    "{\"\":[]}",
    "\t\r\n 1 \t\r\n",
    "[[[[[[[[]]]]]]]]",
    "{\"a\":[{\"b\":[{}]}]}",
];

const INVALID: &[&str] = &[
    "",
    " ",
    "nul",
    "nulll",
    "True",
    "NaN",
    "Infinity",
    "-",
    "+1",
    "01",
    "-01",
    "00",
    "1.",
    ".5",
    "1.e5",
    "1e",
    "1e+",
    "1.5.5",
    "0x10",
    "1_000",
    "1 2",
    "'a'",
    "\"",
    "\"a",
    "\"\\\"",
    "\"\\x41\"",
    "\"\\u004\"",
    "\"\\u00g0\"",
    "\"\\u+123\"",
    "\"\t\"",
    "\"\n\"",
    "\"\u{0}\"",
    "\"\u{1f}\"",
    "\"a string that is long, with a tab\there\"",
    "\u{feff}1",
    "\u{a0}1",
    "\u{c}1",
    "[",
    "]",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "[1 2]",
    "[1}",
    "{",
    "}",
    "{]",
    "{\"a\"",
    "{\"a\":",
    "{\"a\":1",
    "{\"a\":1,",
    "{\"a\":1,}",
    "{,}",
    "{\"a\" 1}",
    "{\"a\":1 \"b\":2}",
    "{a:1}",
    "{1:1}",
    "{\"a\"::1}",
    "{\"a\":1]",
    "[1]]",
    "{}{}",
    "[] x",
    "// x\n1",
    "1 // x",
    "[1,/* x */2]",
];

#[test]
fn the_grammar_as_a_table() {
    for text in VALID {
        assert!(is_valid(text), "{text:?}");
        assert!(serde_json::from_str::<IgnoredAny>(text).is_ok(), "{text:?}");
    }
    for text in INVALID {
        assert!(!is_valid(text), "{text:?}");
        assert!(serde_json::from_str::<IgnoredAny>(text).is_err(), "{text:?}");
    }
}

/// Every text of the table inside another one, where many bytes are read at once.
#[test]
fn the_grammar_at_every_offset() {
    for (text, valid) in
        VALID.iter().map(|text| (text, true)).chain(INVALID.iter().map(|text| (text, false)))
    {
        for before in 0..40 {
            let list = format!("[\"{}\",{text},\"{}\"]", "x".repeat(before), "y".repeat(before));
            assert_eq!(is_valid(&list), json_fault(&list).is_none(), "{list:?}");
            let alone = format!("{}{text}{}", " ".repeat(before), "\n".repeat(before % 3));
            assert_eq!(is_valid(&alone), valid, "{alone:?}");
        }
    }
}

#[test]
fn depth_is_limited() {
    let lists = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    let maps = |n: usize| format!("{}1{}", "{\"a\":".repeat(n), "}".repeat(n));
    for nested in [lists, maps] {
        assert!(is_valid(&nested(MAX_DEPTH)));
        assert!(!is_valid(&nested(MAX_DEPTH + 1)));
        assert!(!is_valid(&nested(100_000)));
    }
}

/// With all numbers as doubles, which both readers support.
fn as_f64(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Json::Number(number) => number.as_f64().into(),
        Json::Array(items) => items.into_iter().map(as_f64).collect(),
        Json::Object(map) => map.into_iter().map(|(key, value)| (key, as_f64(value))).collect(),
        other => other,
    }
}

/// Texts that are JSON, or almost.
fn text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(
        &[
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            " ",
            "\n",
            "\"",
            "\"a\"",
            "\"a\":",
            "\\",
            "\\u00e9",
            "\\ud800",
            "\\n",
            "1",
            "-",
            "0",
            "12.5",
            "e3",
            "null",
            "true",
            "é",
            "\u{1}",
            "{\"a\":1}",
            "[1,\"b\"]",
        ][..],
    );
    let pieces = prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat());
    // A valid text with some characters changed.
    let mutated = (prop::sample::select(VALID), any::<prop::sample::Index>(), any::<char>())
        .prop_map(|(text, at, c)| {
            let mut chars: Vec<char> = text.chars().collect();
            let at = at.index(chars.len());
            chars[at] = c;
            chars.into_iter().collect()
        });
    prop_oneof![pieces, mutated]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_valid_is_what_serde_json_takes(text in text()) {
        prop_assert_eq!(is_valid(&text), json_fault(&text).is_none(), "{:?}", text);
    }

    #[test]
    fn trees_are_what_serde_json_reads(text in text()) {
        let tree = tree(&text);
        prop_assert_eq!(tree.is_some(), is_valid(&text));
        // serde_json rejects halves of surrogate pairs and handles duplicate keys differently.
        if let (Some(tree), Ok(wanted)) = (tree, serde_json::from_str::<serde_json::Value>(&text))
            && tree.duplicate().is_none()
            && let Ok(read) = tree.to_json()
        {
            prop_assert_eq!(as_f64(read), as_f64(wanted));
        }
    }

    #[test]
    fn texts_are_what_serde_json_reads(inner in "([a-z\"\\\\/é😀]|\\\\u[0-9a-fA-F]{4}|\\\\ud83d\\\\ude00|\\\\[bfnrt]){0,12}") {
        let string = format!("\"{inner}\"");
        if is_valid(&string) {
            let mut out = "kept".to_owned();
            let read = unescape(&inner, &mut out).then_some(&out["kept".len()..]);
            let wanted = serde_json::from_str::<String>(&string).ok();
            prop_assert_eq!(read, wanted.as_deref());
            if read.is_none() {
                prop_assert_eq!(&out, "kept");
            }
        }
    }
}
