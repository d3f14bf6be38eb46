//! Laws that hold for every function: its documentation, and that it never fails without a reason.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use semver::Version;

use super::*;
use crate::number::Number;
use crate::semantics::weight;
use crate::value::Unrepresentable;

#[test]
fn names_are_unique_and_every_function_is_documented() {
    let mut names: Vec<_> = all().map(|f| f.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all().count());
    for function in all() {
        assert!(function.doc.ends_with('.'), "{}", function.name);
        assert!(function.examples.len() >= 2, "{}", function.name);
        let own = |(call, _): &&(&str, _)| call.contains(&format!("{}(", function.name));
        assert!(function.examples.iter().find(own).is_some(), "{}", function.name);
    }
}

/// `docs/language.md` lists the functions; `UPDATE_DOCS=1` regenerates the list.
#[test]
fn the_documentation_has_every_function() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/language.md");
    let Ok(text) = std::fs::read_to_string(&page) else {
        println!("skipped: the documentation is not part of the package");
        return;
    };
    let (start, end) = ("<!-- functions -->\n", "<!-- end of functions -->\n");
    let (before, rest) = text.split_once(start).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    let expected = format!("{before}{start}{}{end}{after}", table());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&page, expected).unwrap();
    } else {
        assert!(text == expected, "docs/language.md: run this test with UPDATE_DOCS=1");
    }
}

/// The functions as a Markdown table, each with its first example.
fn table() -> String {
    let mut table = String::from("| function | type | gives | example |\n|---|---|---|---|\n");
    for function in all() {
        let (call, result) = function.examples[0];
        let result = result.map_or_else(String::new, |result| format!(" is `{result}`"));
        let (signature, returns, doc) = (function.signature(), function.returned(), function.doc);
        assert!(![&signature, doc, call, &result].iter().any(|cell| cell.contains('|')));
        table.push_str(&format!("| `{signature}` | {returns} | {doc} | `{call}`{result} |\n"));
    }
    table
}

fn text() -> impl Strategy<Value = String> {
    let known = [
        "",
        "v1.2.3",
        "1.2.3-rc.1+b",
        "10.0.0.0/8",
        "10.1.2.3",
        "::1",
        "2001:db8::/129",
        "Europe/Madrid",
        "UTC",
        "%Y-%m-%dT%H:%M:%S%z",
        "%255Y%-255f%:z%Q%c",
        "%s",
        "%",
        "-9999999999999",
        "1h30m",
        "1e400",
        "2026-08-01T10:00:00Z",
        "-009999-01-01T00:00:00Z",
        "9999-12-30T22:00:00Z",
        "https://a.b:1/c?d=e&d=f#g",
        "http://[::1]/",
        "data:,x",
        "ZnVzZQ==",
        "_-",
        "c3a9",
        "é",
        "(?<n>[0-9]+)?.",
        "[a-z]+",
        "(.)(.)",
        "<$0>",
        r#"{"a":[1,{"b":null}]}"#,
        r#"[1e999,"\ud800"]"#,
        "ms",
        "1785580200.5",
        "%s%.f",
        "%a %F %T%.f %z",
        "Sat 2026-08-01 10:00:00.5 +0000",
    ];
    prop_oneof![
        3 => prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        1 => ".{0,12}",
        1 => "[0-9a-fA-F%:./+-]{0,12}",
    ]
}

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        any::<i64>().prop_map(Number::from),
        (any::<i64>(), -399_i32..380).prop_map(|(digits, power)| {
            Number::parse(&format!("{digits}e{power}")).unwrap_or(Number::ZERO)
        }),
        Just(Number::parse(&"9".repeat(36)).unwrap()),
    ]
}

fn single() -> BoxedStrategy<Value<'static>> {
    let seconds = Timestamp::MIN.as_second()..=Timestamp::MAX.as_second();
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        number().prop_map(Value::Number),
        text().prop_map(Value::text),
        (any::<i64>(), 0..1_000_000_000).prop_map(|(s, n): (i64, i32)| Value::Duration(
            SignedDuration::new(s, if s < 0 { -n } else { n })
        )),
        seconds.prop_map(|s| Value::Time(Timestamp::from_second(s).unwrap())),
        (0_u64..3, 0_u64..3, prop::sample::select(&["", "-a", "-1", "+b"][..])).prop_map(
            |(a, b, rest)| {
                Value::Version(Box::new(Version::parse(&format!("{a}.{b}.0{rest}")).unwrap()))
            }
        ),
        Just(Value::Unrepresentable(Unrepresentable::Surrogate)),
        Just(Value::Unrepresentable(Unrepresentable::Number { integral: true })),
    ]
    .boxed()
}

fn value() -> BoxedStrategy<Value<'static>> {
    let list = |element| prop::collection::vec(element, 0..4).prop_map(Value::List);
    // Lists whose elements have one kind, which most functions require.
    let alike = (single(), 0_usize..4).prop_map(|(value, count)| Value::List(vec![value; count]));
    let numbers = list(number().prop_map(Value::Number).boxed());
    let entries = prop::collection::btree_map(text(), single(), 0..3);
    let map = entries.prop_map(|map| {
        Value::Map(map.into_iter().map(|(key, value)| (key.into(), value)).collect())
    });
    let nested = list(list(single()).boxed());
    let entry = (text(), single()).prop_map(|(key, value)| {
        Value::Map(vec![("key".into(), Value::text(key)), ("value".into(), value)])
    });
    let plain = prop_oneof![6 => single(), 1 => list(single()), 1 => alike, 1 => numbers, 1 => map];
    prop_oneof![10 => plain, 1 => nested, 1 => list(entry.boxed())].boxed()
}

/// Whether a result has the type that the function declares.
fn holds(returns: &Returns, arguments: &[Value<'_>], result: &Value<'_>) -> bool {
    let each = |result: &Value<'_>, holds: &dyn Fn(&Value<'_>) -> bool| match result {
        Value::List(list) => list.iter().all(holds),
        _ => false,
    };
    match returns {
        Returns::Of(kinds) => result.kind().within(*kinds),
        Returns::Words(words) => matches!(result, Value::String(text) if words.contains(&&**text)),
        Returns::Int => matches!(result, Value::Number(number) if number.is_integral()),
        Returns::ListOf(kinds) => each(result, &|value| value.kind().within(*kinds)),
        Returns::Argument(index) => match (&arguments[*index], result) {
            (Value::List(given), result) => each(result, &|value| given.contains(value)),
            (given, result) => given.kind() == result.kind(),
        },
        Returns::Element(index) => {
            each(&arguments[*index], &|_| true) && list(arguments, *index).contains(result)
        }
        Returns::ElementsOf(index) => match &arguments[*index] {
            Value::Map(map) => each(result, &|value| map.iter().any(|(_, held)| held == value)),
            _ => false,
        },
        Returns::Ints => {
            each(result, &|value| matches!(value, Value::Number(number) if number.is_integral()))
        }
        Returns::EntriesOf(index) => match &arguments[*index] {
            Value::Map(map) => each(result, &|entry| match entry {
                Value::Map(entry) => {
                    let [(first, Value::String(key)), (second, value)] = entry.as_slice() else {
                        return false;
                    };
                    (first.as_ref(), second.as_ref()) == ("key", "value")
                        && map.iter().any(|(name, held)| name == key && held == value)
                }
                _ => false,
            }),
            _ => false,
        },
        Returns::MapOfEntries(index) => match result {
            Value::Map(map) => map.iter().all(|(key, value)| {
                let entry =
                    [("key".into(), Value::String(key.clone())), ("value".into(), value.clone())];
                let has = |element: &Value<'_>| match element {
                    Value::Map(fields) => entry.iter().all(|field| fields.contains(field)),
                    _ => false,
                };
                list(arguments, *index).iter().any(has)
            }),
            _ => false,
        },
        Returns::Merged => match (result, arguments) {
            (Value::Map(map), [Value::Map(first), Value::Map(second)]) => {
                second.iter().all(|entry| map.contains(entry))
                    && first.iter().all(|(key, _)| map.iter().any(|(known, _)| known == key))
                    && map.iter().all(|entry| first.contains(entry) || second.contains(entry))
            }
            _ => false,
        },
        Returns::Joined => match result {
            Value::List(both) => {
                both.len() == list(arguments, 0).len() + list(arguments, 1).len()
                    && both.starts_with(list(arguments, 0))
                    && both.ends_with(list(arguments, 1))
            }
            _ => false,
        },
        Returns::Flattened(index) => each(result, &|value| {
            let inside =
                |inner: &Value<'_>| matches!(inner, Value::List(inner) if inner.contains(value));
            list(arguments, *index).iter().any(inside)
        }),
        Returns::Captured => match result {
            Value::String(_) => true,
            Value::Map(map) => map.iter().all(|(_, text)| text.kind() == Kinds::STRING),
            _ => false,
        },
        Returns::Maybe(present) => holds(present, arguments, result),
        Returns::Record(fields) => {
            let Value::Map(map) = result else { return false };
            let field = |key: &str| map.iter().find(|(k, _)| k == key).map(|(_, value)| value);
            map.iter().all(|(key, _)| fields.iter().any(|(name, ..)| name == key))
                && fields.iter().all(|(name, kinds, optional)| match field(name) {
                    Some(value) => value.kind().within(*kinds),
                    None => *optional,
                })
        }
    }
}

/// Whether a result and its parts are in the ranges of the function.
fn is_in_range(function: &str, result: &Value<'_>) -> bool {
    ranges::all().filter(|range| range.function == function).all(|range| {
        let part = match (range.part, result) {
            (None, result) => Some(result),
            (Some(key), Value::Map(map)) => {
                map.iter().find(|(own, _)| own == key).map(|(_, value)| value)
            }
            _ => return false,
        };
        part.is_none_or(|part| range.has(part))
    })
}

#[test]
fn the_ranges_of_texts_hold_for_every_character() {
    let context = CallContext::new(Timestamp::UNIX_EPOCH);
    let all: Vec<char> = (0..=u32::from(char::MAX)).filter_map(char::from_u32).collect();
    for name in ["lower", "upper", "capitalize", "trim"] {
        let range = ranges::find(name, None).unwrap();
        let call = |text: &str| {
            let arguments = [Value::text(text.to_owned())];
            find(name).unwrap().call(&arguments, None, &context).unwrap()
        };
        for some in all.chunks(64) {
            let result = call(&some.iter().collect::<String>());
            assert!(range.has(&result), "{name} gives {result:?}");
        }
        // A text that the function changes is not one of its results. The patterns may not know
        // the newest letters of Unicode.
        for text in all.iter().take(0x530).flat_map(|c| [format!("{c}"), format!("{c}b")]) {
            let is_changed = call(&text) != Value::text(text.clone());
            assert_eq!(range.has_text(&text), !is_changed, "{name} of {text:?}");
        }
    }
    for range in ranges::all() {
        assert!(range.regex().is_none_or(|regex| regex::Regex::new(&regex).is_ok()), "{range:?}");
        assert!(find(range.function).is_some(), "{range:?}");
    }
}

fn url_text() -> impl Strategy<Value = String> {
    let scheme =
        prop::sample::select(&["https", "HTTP", "ssh", "git+ssh", "file", "data", "x"][..]);
    let host = prop::sample::select(
        &[
            "//GitHub.com",
            "//É.Example:80",
            "//u:P@[::FFFF:1]:7",
            "//1.2.3",
            "///",
            "//a%C3b:0",
            "",
            "/",
        ][..],
    );
    (scheme, host, "[ -~éÉ\\t/?#]{0,12}").prop_map(|(a, b, c)| format!("{a}:{b}{c}"))
}

fn size(value: &Value<'_>, bytes_per_value: u64) -> u64 {
    let (values, bytes) = weight(value);
    values as u64 + bytes as u64 / bytes_per_value
}

/// The maximum size of a result.
fn most_of(function: &Function, arguments: &[Value<'_>], pattern: &SearchPattern) -> u64 {
    let all = |values: &[Value<'_>], bytes| values.iter().map(|one| size(one, bytes)).sum::<u64>();
    let (last, others) = arguments.split_last().unwrap();
    match function.size {
        ResultSize::AtMost(values) => values,
        ResultSize::Arguments => 1 + all(arguments, 64),
        ResultSize::Longer(times) => (1 + all(arguments, 64)) * times,
        ResultSize::Bytes => 1 + all(arguments, 1),
        ResultSize::Product => (1 + all(others, 64)) * (1 + size(last, 1)),
        ResultSize::Groups => (1 + all(&arguments[..1], 64)) * pattern.group_count() as u64,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    /// Total, of the declared type, and deterministic.
    #[test]
    fn every_function_takes_whatever_its_signature_says(values in prop::collection::vec(value(), 32)) {
        let context = CallContext::new(Timestamp::UNIX_EPOCH);
        for function in all() {
            let mut values = values.iter();
            let fitting = function.params.iter().map_while(|(_, wanted)| {
                values.find(|value| {
                    !matches!(value, Value::Unrepresentable(_)) && value.kind().within(*wanted)
                })
            });
            let arguments: Vec<Value<'_>> = fitting.cloned().collect();
            if arguments.len() < function.required() {
                continue;
            }
            let arguments = arguments.as_slice();
            let pattern = match (&function.call, arguments) {
                (Call::Pattern(_), [_, Value::String(source)]) => SearchPattern::to_capture(source),
                (Call::Pattern(_), [_, Value::String(source), Value::String(replacement)]) => {
                    SearchPattern::to_replace(source, replacement)
                }
                _ => SearchPattern::to_capture(""),
            };
            let Ok(pattern) = pattern else { continue };
            let result = function.call(arguments, Some(&pattern), &context);
            match &result {
                Err(NoResult::Absent) => {
                    prop_assert!(function.returns.may_be_absent(), "{}", function.name);
                }
                Err(NoResult::Fault(why)) => prop_assert!(!why.is_empty(), "{}", function.name),
                Ok(value) => prop_assert!(
                    holds(&function.returns, arguments, value) && is_in_range(function.name, value),
                    "{} of {arguments:?} gives {value:?}", function.name
                ),
            }
            if let Ok(value) = &result {
                let (size, most) = (size(value, 64), most_of(function, arguments, &pattern));
                prop_assert!(size <= most, "{} of {arguments:?}: {size} > {most}", function.name);
            }
            prop_assert_eq!(&result, &function.call(arguments, Some(&pattern), &context), "{}", function.name);
        }
    }

    #[test]
    fn the_parts_of_urls_are_in_their_ranges(text in url_text()) {
        let context = CallContext::new(Timestamp::UNIX_EPOCH);
        if let Ok(result) = find("url").unwrap().call(&[Value::text(text.clone())], None, &context) {
            prop_assert!(is_in_range("url", &result), "{text:?} gives {result:?}");
        }
    }

    #[test]
    fn what_is_encoded_decodes(text in ".{0,40}") {
        let context = CallContext::new(Timestamp::UNIX_EPOCH);
        for (encode, decode) in [("base64", "base64-decode"), ("hex", "hex-decode")] {
            let encoded = find(encode).unwrap().call(&[Value::text(text.clone())], None, &context).unwrap();
            let decoded = find(decode).unwrap().call(&[encoded], None, &context).unwrap();
            prop_assert_eq!(decoded, Value::text(text.clone()));
        }
    }

    #[test]
    fn what_is_sorted_is_in_order(numbers in prop::collection::vec(number(), 0..6)) {
        let context = CallContext::new(Timestamp::UNIX_EPOCH);
        let given = Value::List(numbers.iter().copied().map(Value::Number).collect());
        let mut expected = numbers;
        expected.sort_unstable();
        let expected = Value::List(expected.into_iter().map(Value::Number).collect());
        prop_assert_eq!(find("sort").unwrap().call(&[given], None, &context).unwrap(), expected);
    }
}
