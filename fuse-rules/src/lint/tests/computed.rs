//! The texts and fixes of findings about computed values.

use std::fmt::Write as _;

use super::{examples, found};
use crate::diagnostic::fix::Edits;
use crate::lint::Lint;

#[test]
fn a_finding_says_what_the_function_returns() {
    let mut out = String::new();
    for clauses in [
        r#"when lower(body.level) == "ERROR""#,
        r#"when "Dev" == trim(lower(body.level)) or lower(body.level) == "Dev""#,
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
    ] {
        let text = examples::file(clauses);
        let of_lint = |name| found(Lint::find(name).unwrap(), &text, "");
        let all = ["contradictory-condition", "redundant-condition"].map(of_lint);
        for problem in all.iter().flatten() {
            let help = problem.help.as_deref().unwrap_or_default();
            writeln!(out, "{clauses}\n    {}\n    {help}", problem.message).unwrap();
            if let Some(fix) = &problem.fix {
                let mut edits = Edits::default();
                assert!(edits.take(fix));
                let fixed = edits.apply(fix.edits[0].span.file, &text);
                let changed = fixed.lines().find(|line| !text.contains(line)).unwrap();
                writeln!(out, "    fixed: {}", changed.trim()).unwrap();
            }
        }
    }
    insta::assert_snapshot!(out);
}
