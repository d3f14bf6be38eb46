use super::*;

fn fault(body: &[u8]) -> String {
    Event::new("s", "e", body).unwrap_err().to_string()
}

#[test]
fn validity_is_the_grammars_and_says_where_it_ends() {
    for valid in ["\u{feff}1", "1e999", "\"\\ud800\"", "{\"a\":1,\"a\":2}", " [ ] ", "null"] {
        assert!(Event::new("s", "e", valid.as_bytes()).is_ok(), "{valid}");
    }
    assert_eq!(fault(b"\xff"), "the body is not UTF-8 at line 1, column 1");
    assert_eq!(
        fault(b"{\"message\":\n\"it's \"broken\"\"}"),
        "the body is not JSON: expected `,` or `}` at line 2, column 8"
    );
    for invalid in ["", "{", "[1,]", "01", "1\u{feff}", "1 2", "\"\t\"", "NaN", "'a'"] {
        assert!(Event::new("s", "e", invalid.as_bytes()).is_err(), "{invalid}");
    }
}

#[test]
fn other_encodings_are_named() {
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    for (body, encoding) in [
        (utf16("{\"a\": 1}"), "UTF-16"),
        (utf16("\u{feff}{}"), "UTF-16"),
        (b"\xfe\xff\0{\0}".to_vec(), "UTF-16"),
        (b"\0{\0}".to_vec(), "UTF-16"),
        (b"\xff\xfe\0\0{\0\0\0".to_vec(), "UTF-32"),
        (b"\x1f\x8b\x08\0".to_vec(), "compressed with gzip"),
    ] {
        let expected = format!("the body is {encoding}, not UTF-8 at line 1, column 1");
        assert_eq!(fault(&body), expected, "{body:?}");
    }
}

#[test]
fn depth_is_limited_but_brackets_in_strings_are_text() {
    let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    let is_event = |text: &str| Event::new("s", "e", text.as_bytes()).is_ok();
    assert!(is_event(&nested(MAX_DEPTH)));
    let deeper = fault(nested(MAX_DEPTH + 1).as_bytes());
    assert_eq!(deeper, "the body is nested more than 128 deep at line 1, column 129");
    assert!(is_event(&format!("\"\\\"{}\"", "[".repeat(500))) && !is_event(&nested(100_000)));
}

#[test]
fn headers_of_one_name_are_joined_whatever_their_case() {
    let event = Event::new("s", "e", b"1").unwrap().header("X-A", "1").header("x-a", "2");
    assert_eq!(event.headers().get("x-a").map(String::as_str), Some("1, 2"));
}
