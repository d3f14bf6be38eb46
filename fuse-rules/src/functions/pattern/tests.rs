//! What patterns capture and replace, and how much they may examine.

use jiff::Timestamp;

use super::*;

fn captured(pattern: &str, text: &str) -> Option<String> {
    let pattern = SearchPattern::to_capture(pattern).unwrap();
    pattern.capture(text).unwrap().map(|value| value.to_json_text().unwrap())
}

fn replaced(pattern: &str, replacement: &str, text: &str) -> String {
    let pattern = SearchPattern::to_replace(pattern, replacement).unwrap();
    pattern.replace(text, &CallContext::new(Timestamp::UNIX_EPOCH)).unwrap()
}

#[test]
fn what_is_captured() {
    for (pattern, text, expected) in [
        (r"[A-Z]+-\d+", "feature/SDK-1234-add-thing-2", Some(r#""SDK-1234""#)),
        (r"[A-Z]+-\d+", "feature/none", None),
        (r"^refs/heads/(.+)$", "refs/heads/a/b", Some(r#""a/b""#)),
        (r"^(?:refs/heads/)?(.+)$", "main", Some(r#""main""#)),
        ("(a)?b", "b", None),
        ("(a)?b", "ab", Some(r#""a""#)),
        ("x*", "abc", Some(r#""""#)),
        ("é.", "né😀!", Some(r#""é😀""#)),
        (
            "(?<team>[a-z]+)-(?<env>dev|prod)(?:-(?<zone>[ab]))?",
            "of pay-prod",
            Some(r#"{"team":"pay","env":"prod"}"#),
        ),
        ("(?<a>(?<b>x)(y))", "xy", Some(r#"{"a":"xy","b":"x"}"#)),
        ("(?P<only>x)|y", "y", Some("{}")),
    ] {
        assert_eq!(captured(pattern, text).as_deref(), expected, "{pattern} in {text}");
    }
}

/// A group is declared as always captured only if it is.
#[test]
fn optional_groups() {
    for (pattern, expected) in [
        ("(?<a>x)", "a"),
        ("(?<a>x)?(?<b>y)", "a? b"),
        ("(?<a>x)|(?<b>y)", "a? b?"),
        ("(?:(?<a>x)+(?<b>y)*){2}", "a b?"),
        ("(?<a>(?<b>x)|y)", "a b?"),
        ("(?<a>)", "a"),
    ] {
        let pattern = SearchPattern::to_capture(pattern).unwrap();
        let Captured::Groups(groups) = pattern.captured() else { panic!("{pattern:?}") };
        let shown: Vec<_> = groups
            .iter()
            .map(|group| format!("{}{}", group.name, if group.optional { "?" } else { "" }))
            .collect();
        assert_eq!(shown.join(" "), expected);
        for text in ["x", "y", "xx", "xy", "xyxy", "xyx"] {
            let Ok(Some(Value::Map(found))) = pattern.capture(text) else { continue };
            for group in groups.iter().filter(|group| !group.optional) {
                assert!(found.iter().any(|(name, _)| *name == *group.name), "{pattern:?} {text}");
            }
        }
    }
}

#[test]
fn what_is_replaced() {
    for (pattern, replacement, text, expected) in [
        (r"[^a-z0-9]+", "-", "feature/Add  Thing", "feature-dd-hing"),
        (r"(\w+)@(\w+)", "$2 at $1", "a@b, c@d", "b at a, d at c"),
        (r"(?<n>\d+)", "<${n}|$n|$$n>", "v12", "v<12|12|$n>"),
        ("(a)|(b)", "[$1$2]", "abc", "[a][b]c"),
        ("(x)", "$1a", "x", "xa"),
        ("x*", "-", "aé", "-a-é-"),
        ("x", "$ 5", "x", "$ 5"),
        ("x", "", "axbx", "ab"),
        ("x", "$0$0", "x", "xx"),
        ("y", "-", "x", "x"),
    ] {
        assert_eq!(replaced(pattern, replacement, text), expected, "{pattern} {replacement}");
    }
}

#[test]
fn what_cannot_be_used() {
    let unknown = |name: &str| PatternError::UnknownGroup(name.into());
    for (replacement, expected) in [
        ("$2", unknown("2")),
        ("$10", unknown("10")),
        ("${1x}", unknown("1x")),
        ("$name", unknown("name")),
        (r"\1", PatternError::Backslash('1')),
    ] {
        assert_eq!(SearchPattern::to_replace("(a)", replacement).unwrap_err(), expected);
    }
    assert_eq!(SearchPattern::to_capture("(a)(b)").unwrap_err(), PatternError::SeveralGroups(2));
    for pattern in ["(", "(?=a)", r"(a)\1", r"(\pL{999}){99}"] {
        let error = SearchPattern::to_capture(pattern).unwrap_err();
        assert!(matches!(error, PatternError::Malformed(_)), "{pattern}");
    }
}

/// A search that always looks at the whole rest of the text would take quadratic time.
#[test]
fn searching_is_bounded() {
    let text = "A".repeat(30_000);
    let context = CallContext::new(Timestamp::UNIX_EPOCH);
    let replace =
        |pattern: &str| SearchPattern::to_replace(pattern, "").unwrap().replace(&text, &context);
    assert!(replace(".*[^A-Z]|[A-Z]").unwrap_err().contains("too long"));
    assert_eq!(context.take_searched(), 0);
    for pattern in ["A", "[A-Z]+", "(B?A)", "(?:A|AB)", "A[a-z]*"] {
        assert_eq!(replace(pattern).as_deref(), Ok(""), "{pattern}");
        assert!(context.take_searched() <= 1_000_000, "{pattern}");
    }
    let grow = SearchPattern::to_replace("A", &"$0".repeat(200)).unwrap();
    assert!(grow.replace(&text, &context).unwrap_err().contains("would be longer"));
}

#[test]
fn how_far_a_search_looks_ahead() {
    for (pattern, expected) in [
        ("abc", Some(3)),
        ("[^a-z0-9]+", Some(4)),
        ("[a-z]+", Some(1)),
        (r"v([0-9]{3,})", Some(4)),
        ("a?b?", Some(2)),
        ("<[^>]+>", None),
        ("a*b", None),
        ("(?:ab)+", Some(2)),
        ("(?:a[bc])+", None),
        ("a+?", None),
        (".*b|a", None),
    ] {
        assert_eq!(lookahead(&parse(pattern).unwrap()), expected, "{pattern}");
    }
}
