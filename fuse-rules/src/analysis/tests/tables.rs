//! Conditions, with events that meet them and events that do not.

use super::*;

#[test]
fn of_single_values() {
    insta::assert_snapshot!(table(
        "",
        &[
            "body.a == \"x\"",
            "body.a != \"x\"",
            "body.a == null",
            "body.a",
            "not body.a",
            "body.a == 1 or body.a != 1",
            "body.a is missing or body.a is present",
            "body.a > 1 and body.a < 2",
            "body.a > 1 and body.a < 2 and body.a is int",
            "body.a > 1 and body.a < 3 and body.a is int",
            "body.a >= 1 and body.a <= 1",
            "body.a > 1 and body.a < 1.0000001",
            "body.a == 9007199254740993",
            "body.a in [1, 2] and body.a not in [2, 3]",
            "body.a in [1, \"x\"] and body.a is string",
            "body.a not in [1, \"x\"]",
            "body.a not in [\"y\", \"x\"]",
            "body.a is float and body.a is not int",
            "body.a is missing and body.a.b is present",
            "body.a.b == 1 and body.a == 1",
            "body.a.b == 1 and body.a[0] is present",
            "body.a[1] == 1 and body.a[-1] == 2",
            "body.a is not missing and body.a is not string",
            "headers.x-kind == \"push\" and headers[\"X-KIND\"] != \"pull\"",
            "headers.x-kind == \"push\" and headers[\"X-Kind\"] == \"pull\"",
            "query.page matches r\"[0-9]+\"",
            "event.source == \"q\"",
            "event.source == \"r\"",
            "event.name starts-with \"e\" and event.id == \"77\"",
            "event.type == \"t\" and headers.ce-type == \"u\"",
            "event.time == \"2027-01-01T00:00:00Z\"",
            "true",
            "body.a == \"x\" and not (body.a == \"x\" or body.b == 1)",
            "body == 1",
            "body is list",
        ]
    ));
}

#[test]
fn of_texts() {
    insta::assert_snapshot!(table(
        "",
        &[
            "body.a starts-with \"prod\" and body.a ends-with \"-1\"",
            "body.a starts-with \"prod\" and body.a starts-with \"dev\"",
            "body.a starts-with \"prod\" and not (body.a starts-with \"pro\")",
            "body.a contains \"eu\" and body.a like \"prod-*\" and body.a ends-with \"-7\"",
            "body.a matches r\"[a-z]{3}\" and body.a matches r\"[a-c]+\" and body.a != \"aaa\"",
            "body.a matches r\"[a-c]\" and body.a not in [\"a\", \"b\"]",
            "body.a matches r\"[a-c]\" and body.a not in [\"a\", \"b\", \"c\"]",
            "body.a matches r\"v[0-9]+\" and body.a like \"v?\"",
            "body.a matches r\"(?i)prod\" and not body.a like \"prod\" and body.a != \"Prod\"",
            "body.a matches r\"\\bprod\\b\" and body.a matches r\"[0-9]+\"",
            "body.a matches r\"\\p{Greek}+\"",
            "body.a like \"*a*\" or not body.a like \"*a*\"",
            "body.a is string and (body.a like \"*\" or body.a == 1)",
            "body.a matches r\".*\" and not body.a like \"*\"",
            "body.a == \"\" or body.a matches r\".+\"",
            "body.a matches r\"refs/heads/.*\" and body.a ends-with \"main\"",
        ]
    ));
}

#[test]
fn of_elements() {
    insta::assert_snapshot!(table(
        "",
        &[
            "each x in body.l when x.a == 1",
            "each x in body.l when x.a == 1 when body.l[0].a == 2",
            "each x in body.l when body.l is string",
            "each x in filter(f in body.l: f.a == 1) when x.b == 2",
            "each x in filter(f in body.l: f.a == 1) when x.a == 2",
            "each x in map(m in body.l: m.a) when x == 1",
            "each x in [5m, 6m] when x == 5m",
            "each x in map(m in body.l: { a = 5m }) when x is map and x.a == 5m",
            "each x in map(m in body.l: { a = 5m }) when x is map and x.a.b == 1 and x.a.b == 2",
            "any(x in body.l: x.a == 1 and x.b == 2)",
            "any(x in body.l: x.a == 1 and x.a == 2)",
            "any(x in body.l: x == 1) and all(y in body.l: y != 1)",
            "all(x in body.l: x == 1)",
            "none(x in body.l: x == 1)",
            "none(x in body.l: x == 1) and any(x in body.l: x == 1)",
            "any(x in body.l: x.a) and body.l is missing",
            "count(x in body.l: x.a == 1) >= 2",
            "len(body.l) == 3",
            "len(body.l) > 0",
            "\"x\" in body.l",
            "any(x in body.l: any(y in x.m: y == 1))",
            "len(filter(x in body.l: x == 2)) > 0",
            "first(x in body.l: x.a == 1).b == 2",
        ]
    ));
}

#[test]
fn of_what_is_not_understood() {
    insta::assert_snapshot!(table(
        "",
        &[
            "body.a == body.b",
            "body.a != body.b",
            "body.a < body.b and body.a == 7",
            "body.a == body.b and body.a != body.b",
            "body.a == body.b and body.b != body.a",
            "body.a < body.b and body.b < body.a",
            "body.a < body.b and body.a >= body.b",
            "body.a == body.b and body.a < body.b",
            "body.a <= body.b and body.a >= body.b and body.a != body.b",
            "lower(body.a) == \"prod\"",
            "lower(body.a) == \"Prod\"",
            "lower(body.a) == \"prod\" and body.a != \"prod\"",
            "(body.a ?? 1) == 1",
            "(body.a ?? 1) == 2",
            "age(body.t) > 5m",
            "age(body.t) < 5m",
            "\"t-${body.a}\" == \"t-x\"",
            "len(body.a) > 3",
            "body.a + 1 == 3",
            "int(body.a) >= 10",
            "semver(body.v) >= semver(\"1.2.0\")",
            "lower(body.a) == \"x\" and body.a is missing",
            "body.a + body.b == 3",
            "split(body.a, \"/\")[1] == \"x\"",
        ]
    ));
}

/// Each condition, and whether it is proven that it never holds.
fn verdicts(ty: &str, conditions: &[&str]) -> String {
    let mut out = String::new();
    for condition in conditions {
        let verdict = match parsed(ty, &[&format!("when {condition}")]) {
            Ok(ruleset) => {
                let placed = placed(ruleset.typed());
                answer_text(&Analysis::new(ruleset.typed()).matching(placed[0]))
            }
            Err(problems) => problems.to_string().lines().next().unwrap().to_owned(),
        };
        out.push_str(&format!("{condition}  # {verdict}\n"));
    }
    out
}

#[test]
fn of_computed_values() {
    insta::assert_snapshot!(verdicts(
        "",
        &[
            r#"lower(body.a) == "ERROR""#,
            r#"lower(body.a) == "error""#,
            r#"lower(body.a) in ["Error", "Warn"]"#,
            r#"lower(body.a) in ["Error", "warn"]"#,
            r#"lower(body.a) starts-with "Err""#,
            r#"lower(body.a) contains "É""#,
            r#"lower(body.a) like "*Ǆ*""#,
            r#"lower(body.a) matches r"[A-Z]+""#,
            r#"lower(body.a) matches r"(?i)ERROR""#,
            r#"upper(body.a) starts-with "err""#,
            r#"upper(body.a) == "STRASSE""#,
            r#"trim(body.a) == " a""#,
            r#"trim(body.a) ends-with "\n""#,
            r#"trim(body.a) contains " ""#,
            r#"url(body.a).host == "GitHub.com""#,
            r#"url(body.a).host == "github.com" and url(body.a).scheme == "HTTPS""#,
            r#"url(body.a).port == 70000"#,
            r#"url(body.a).path starts-with "/ä""#,
            r#"sha256(body.a) == "ABC""#,
            r#"sha256(body.a) starts-with "abc""#,
            r#"hex(body.a) ends-with "F""#,
            r#"base64(body.a) contains "-""#,
            r#"url-encode(body.a) contains "/""#,
            r#"weekday(body.a, "UTC") == "sun" and weekday(body.a, "UTC") == "mon""#,
            r#"time-of-day(body.a, "UTC") >= 23h and time-of-day(body.a, "UTC") < 2h"#,
            r#"time-of-day(body.a, "UTC") >= 23h or time-of-day(body.a, "UTC") < 2h"#,
            r#"time-of-day(body.a, "UTC") > 25h"#,
            r#"time-of-day(body.a, "UTC") < 0h"#,
            r#"time-of-day(body.a, "UTC") >= 23h and time-of-day(body.a, "Europe/Madrid") < 2h"#,
            r#"len(body.a) < 0"#,
            r#"len(body.a) == 1.5"#,
            r#"len(body.a) > 3 and len(body.a) < 4"#,
            r#"count(q in body.a: q == 1) < 0"#,
            r#"abs(body.a) == -1"#,
            r#"abs(body.a) < -1s"#,
            r#"body.a % 10 == 12"#,
            r#"body.a % 10 == -9.5"#,
            r#"age(body.a) > 10m and age(body.a) < 5m"#,
            r#"time(body.a) > time("2026-01-01T00:00:00Z") and time(body.a) < time("2025-01-01T00:00:00Z")"#,
            r#"body.a + body.b > 5 and body.a + body.b < 3"#,
            r#"int(body.a) == 1.5"#,
            r#"round(body.a) > 1 and round(body.a) < 2"#,
            r#"replace(body.a, "/", "-") == "a/b""#,
            r#"replace(body.a, "ab", "") contains "ab""#,
            r#"replace(body.a, "/", "//") contains "/""#,
            r#"split(body.a, "/")[0] == "a/b""#,
            r#"split(lower(body.a), "/")[0] == "A""#,
            r#"trim(lower(body.a)) == "Error""#,
            r#"lower(trim(body.a)) == "error ""#,
            r#"trim(base64(body.a)) contains "-""#,
            r#"capitalize(body.a) == "error""#,
            r#"capitalize(lower(body.a)) == "Error""#,
            r#"slice(trim(body.a), 0, 7) == "f95f852bd""#,
            r#"slice(trim(body.a), -3) ends-with "e.gz""#,
            r#"slice(trim(body.a), 2, 2) == "x""#,
            r#"slice(trim(body.a), 0, 7) == "f95f852""#,
            r#"slice(lower(body.a), 0, 3) == "ABC""#,
            r#"strip-prefix(upper(body.a), "V") == "v1""#,
            r#"strip-prefix(body.a, "v") == "v1""#,
            r#""b" in concat(["a"], [lower(body.a)])"#,
            r#""B" in concat(["a"], [lower(body.a)])"#,
            r#"(if body.a == 1 then "low" else "high") == "High""#,
            r#"(if body.a == 1 then "low" else "high") == "low" and body.a == 1"#,
            r#"(if body.a == 1 then 5m else 1h) > 2h"#,
            r#"(if body.a == 1 then lower(body.b) else "none") starts-with "N""#,
            r#"split(body.a, "/")[1] contains "b""#,
            r#""a,b" in split(body.a, ",")"#,
            r#""a" in split(body.a, ",")"#,
            r#""refs/heads/${body.a}" == "refs/tags/v1""#,
            r#""refs/${body.a}/x" starts-with "refs/heads""#,
            r#"(body.a ?? "dev") == "prod" and body.a != "prod""#,
            r#"(body.a ?? "dev") == "dev" and body.a is missing"#,
            r#"(lower(body.a) ?? "none") == "None""#,
            r#"lower(body.a) is null"#,
            r#"lower(body.a) is missing"#,
            r#"lower(body.a) == "on" and body.a == "OFF""#,
            r#"lower(body.a) == "on" and body.a in ["ON", "OFF"]"#,
            r#"lower(body.a) == "on" and lower(body.b) == "off" and body.a == body.b"#,
            r#"lower(body.a) == "on" and not (lower(body.a) == "on" and body.b is missing)"#,
            r#"any(q in body.a: lower(q.b) == "X")"#,
            r#"all(q in body.a: lower(q.b) == "X") and len(body.a) > 0"#,
            r#"lower(first(q in body.a: q.b == 1).c) == "X""#,
        ]
    ));
    insta::assert_snapshot!(verdicts(
        ": { level: \"ERROR\" | \"INFO\", n?: int, ... }",
        &[
            r#"lower(body.level) == "warn""#,
            r#"lower(body.level) == "info""#,
            r#"upper(body.level) == "WARN" or body.level starts-with "W""#,
            r#"len(body.level) > 5"#,
            r#"base64(body.level) == "SU5GTw==""#,
            r#"replace(body.level, "R", "") == "EO" and body.n > 2"#,
        ]
    ));
}

#[test]
fn of_types() {
    let ty = " : { kind: \"push\" | \"pull\", n: int, f?: float, t: timestamp, on?: bool, tags: list<string>,
               who: { name: string, age?: int } | null, x?: string | int, ... }";
    insta::assert_snapshot!(table(
        ty,
        &[
            "body.kind == \"push\"",
            "body.kind == \"push\" or body.kind == \"pull\"",
            "body.kind not in [\"pull\"] and body.kind != \"push\"",
            "body.kind is present",
            "body.n > 1 and body.n < 2",
            "body.n > 1 or body.n <= 1",
            "body.f > 1 and body.f < 2",
            "body.who is null or body.who.name is string",
            "body.who is null and body.who.name == \"x\"",
            "body.who.age > 3",
            "body.t starts-with \"2027\"",
            "body.t == \"x\"",
            "body.tags[0] == \"a\"",
            "each tag in body.tags when tag like \"a*\"",
            "each tag in body.tags when tag is string",
            "body.x is int or body.x is string",
            "body[\"other\"].deep == 1",
        ]
    ));
    let tagged = " : { kind: \"a\", a: int } | { kind: \"b\", b?: string }";
    insta::assert_snapshot!(
        "tagged",
        table(
            tagged,
            &[
                "body.kind == \"b\" and body.b == \"x\"",
                "body.kind == \"a\" and body.b is present",
                "body.kind == \"b\" and body.a is present",
                "body.a > 3",
                "body.kind == \"a\" or body.a is missing",
            ]
        )
    );
}

#[test]
fn of_two_rules() {
    let mut out = String::new();
    for (a, b) in [
        ("when body.a == \"x\"", "when body.a starts-with \"x\""),
        ("when body.a == \"x\" or body.b > 3", "when body.b >= 3 or body.a == \"x\""),
        ("when body.a in [\"x\", \"y\"]", "when body.a in [\"y\", \"z\"]"),
        ("when body.a < 3", "when body.a > 3"),
        ("when body.a matches r\"v[0-9]+\"", "when body.a like \"v*\""),
        ("each x in body.l when x.a == 1 and x.b == 2", "each y in body.l when y.a == 1"),
        ("each x in body.l when x.a == 1", "each y in body.m when y.a == 1"),
        ("each x in body.l when x.a == 1 and body.c == 1", "when body.c == 1"),
        ("each x in body.l max 5 when x.a == 1", "each x in body.l max 3 when x.a == 1"),
        // The element of a quantifier is not the element of the other rule.
        ("each x in body.l when x.a == 1", "when all(q in body.l: q.a != 2)"),
        ("each x in body.l when x.a == 1", "when any(q in body.l: q.a == 1)"),
        ("when lower(body.a) == \"x\" and body.b == 1", "when lower(body.a) == \"x\""),
    ] {
        let ruleset = set("", &[a, b]);
        let placed = placed(ruleset.typed());
        let mut analysis = Analysis::new(ruleset.typed());
        let both = answer_text(&analysis.meeting(placed[0], placed[1]));
        let first = answer_text(&analysis.separating(placed[0], placed[1]));
        let second = answer_text(&analysis.separating(placed[1], placed[0]));
        out.push_str(&format!(
            "{a}\n{b}\n    both:   {both}\n    first:  {first}\n    second: {second}\n"
        ));
    }
    insta::assert_snapshot!(out);
}

#[test]
fn of_clauses() {
    let mut out = String::new();
    for clauses in [
        "when body.a == \"x\" when body.a starts-with \"x\"",
        "when body.a > 3 and body.b == 1 when body.a < 2",
        "when body.a is missing or body.a is present",
        "when body.a > 3 when body.b == 1 or body.a >= 2 when body.a > 2",
        "when body.a == 1 or body.b == 1 when not (body.a == 1) when body.b == 1",
        "when any(x in body.l: x == 1) when none(x in body.l: x == 1)",
        "when body.a == 1 or (body.b > 5 and body.b < 2)",
        "when body.a > 5 when body.a < 2 or body.b == 1",
        "when body.a == 1 when body.b == 2 or (body.c == 1 and body.a > 0)",
        "when body.a > 3 or body.a > 5 or body.b == 1",
        "when body.a == \"main\" or body.a starts-with \"ma\"",
        "when body.a == 1 or body.b == 1 or 1 == body.a",
        "when body.a == 1 or (body.a != 1 and body.b == 1)",
        "when not (body.a > 3 or body.a > 5)",
        "when body.a == 1 or lower(body.b) == \"x\"",
    ] {
        let ruleset = set("", &[clauses]);
        let rules = ruleset.typed();
        let text = |span| rules.files.text(span);
        out.push_str(&format!("{clauses}\n"));
        for clause in Analysis::new(rules).rule_clauses(placed(rules)[0]) {
            let because: Vec<&str> = clause.because.iter().map(|span| text(*span)).collect();
            out.push_str(&format!(
                "    {:?}, {:?}: {} because of {because:?}\n",
                clause.finding,
                clause.events,
                text(clause.span)
            ));
        }
    }
    insta::assert_snapshot!(out);
}
