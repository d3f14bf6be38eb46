//! The texts and fixes of findings.

use std::fmt::Write as _;

use super::{examples, found};
use crate::diagnostic::fix::Edits;
use crate::lint::Lint;

/// The message, the help and the fix of each finding of some lints about these clauses.
fn shown(lints: &[&str], all: &[&str]) -> String {
    let mut out = String::new();
    for clauses in all {
        let text = examples::file(clauses);
        writeln!(out, "{clauses}").unwrap();
        let problems = lints.iter().map(|name| found(Lint::find(name).unwrap(), &text, ""));
        for problem in problems.collect::<Vec<_>>().iter().flatten() {
            let help = problem.help.as_deref().unwrap_or_default();
            writeln!(out, "    {}\n    {help}", problem.message).unwrap();
            if let Some(fix) = &problem.fix {
                let mut edits = Edits::default();
                assert!(edits.take(fix));
                let fixed = edits.apply(fix.edits[0].span.file, &text);
                super::load(&fixed);
                let changed = fixed.lines().find(|line| !text.contains(line)).unwrap();
                writeln!(out, "    fixed: {}", changed.trim()).unwrap();
            }
        }
    }
    out
}

#[test]
fn a_finding_says_what_a_function_returns() {
    let lints = ["contradictory-condition", "redundant-condition"];
    insta::assert_snapshot!(shown(
        &lints,
        &[
            r#"when lower(body.level) == "ERROR""#,
            r#"when body.size > 1 or lower(body.level) == "Dev""#,
            r#"when lower(body.level) in ["Error", "warn", "FATAL"] and body.size is int"#,
            r#"when upper(body.level) starts-with "err""#,
            r#"when (trim(body.text)) == (" a")"#,
            r#"when url(body.link).host == "GitHub.com""#,
            r#"when url(body.link).scheme not in ["HTTP"] or url(body.link).scheme == "HTTPS""#,
            r#"when sha256(body.text) == "ABC""#,
            r#"when len(body.text) < 0"#,
            r#"when 25h <= time-of-day(event.time, "UTC")"#,
            r#"when time-of-day(event.time, "UTC") > 23h and time-of-day(event.time, "UTC") <= 2h30m"#,
            r#"when body.size > 1 and time-of-day(event.time, "UTC") < 2h and time-of-day(event.time, "UTC") > 22h"#,
            "when time-of-day(event.time, \"UTC\") >= 23h\nwhen time-of-day(event.time, \"UTC\") < 2h",
            r#"when time-of-day(event.time, "UTC") < 8h and time-of-day(event.time, "UTC") < 2h and time-of-day(event.time, "UTC") == 3h"#,
        ]
    ));
}

#[test]
fn a_pattern_in_plain_text_is_written_as_a_pattern_or_as_text() {
    insta::assert_snapshot!(shown(
        &["pattern-in-plain-text", "unanchored-match"],
        &[
            r#"when body.env == "prod-.*""#,
            r#"when "^prod$" == body.env"#,
            r#"when body.env != "dev|test""#,
            r#"when body.env != "(dev|test)-[0-9]""#,
            r#"when body.env in ["dev", "^test"]"#,
            r#"when body.ref == "refs/heads/*""#,
            r#"when body.ref != "refs/heads/*" and body.ref not in ["*-rc"]"#,
            r#"when body.ref starts-with "^refs/tags/v""#,
            r#"when body.ref starts-with "v[0-9]+""#,
            r#"when body.ref starts-with "(a|b)-c.*$""#,
            r#"when body.file ends-with "\\.json$""#,
            r#"when body.text contains ".*out of memory.*""#,
            r#"when body.text contains "^ERROR""#,
            r#"when body.text contains "error|fatal""#,
            r#"when body.text contains "\\bOOM\\b \"x\"""#,
            r#"when split(body.text, "[,;]")[0] == "a""#,
            r#"when split(body.text, "[a-z]+")[0] == "a" and replace(body.text, "\\d+", "") == """#,
            r#"when body.text matches "(?i)ERROR" or body.text matches "(?i).*Out.*""#,
        ]
    ));
}
