//! `during`; `still` and its `unless`: the event, the condition, and the keys of either event.

use super::codes;

const SOURCE: &str = "source t hook { port = 7, path = \"/t\"
  event on : { id: string, n: int, k?: string, xs: list<{ k: string, n: int }> }
}
source o hook { port = 8, path = \"/o\"
  event off : { id: string, n: string, xs: list<{ k: string, done: bool }> }
}
limiter shared { concurrency 1 }
limiter calls { limit 1 per 1h }\n";

/// Clauses of a rule about `t.on`, and the problem that is reported.
const CASES: &[(&str, &str)] = &[
    ("still 5m unless o.off when body.id == \"a\"", ""),
    ("still 5m per body.id unless o.off when body.n == \"a\"", ""),
    ("still 0s unless o.off when body.n == \"a\"", "E0506 `0s`"),
    ("still 31d unless o.off when body.n == \"a\"", "E0506 `31d`"),
    ("still 5m unless o.of when body.n == \"a\"", "E0205 `of`"),
    ("still 5m unless u.off when body.n == \"a\"", "E0205 `u`"),
    // The condition is about the other event.
    ("still 5m unless o.off when body.k == \"a\"", "E0203 `k`"),
    ("still 5m unless o.off when body.n == 1", "E0301 `body.n == 1`"),
    ("still 5m unless o.off when body.n", "E0302 `body.n`"),
    ("each x in body.xs\n still 5m unless o.off when x.k == \"a\"", "E0201 `x`"),
    ("still 5m unless o.off each x in body.xs when x.done", ""),
    ("still 5m unless o.off each x in body.id when x.done", "E0310 `body.id`"),
    ("still 5m unless o.off let x = body.id when x == \"a\"", ""),
    ("still 5m unless o.off each x in body.xs let y = x.k each z in body.xs when z.k == y", ""),
    (
        "still 5m unless o.off each x in body.xs each y in body.xs each z in body.xs when x.done",
        "E0501 `each z in body.xs`",
    ),
    // The keys exist for both.
    ("each x in body.xs\n still 5m per x.k unless o.off each x in body.xs when x.done", ""),
    ("each x in body.xs\n still 5m per x.k unless o.off when body.id == \"a\"", "E0513 `x`"),
    ("let x = body.id\n still 5m per x unless o.off when body.id == \"a\"", "E0513 `x`"),
    ("let x = body.id\n still 5m per x unless o.off let x = body.n when body.id == \"a\"", ""),
    ("each x in body.xs\n still 5m per x.k unless o.off let x = body.xs[0] when x.done", ""),
    ("still 5m per event.id, headers.a ?? \"\" unless o.off when body.id == \"a\"", ""),
    ("still 5m per len(filter(y in body.xs: y.k == \"a\")) unless o.off when body.id == \"a\"", ""),
    ("still 5m per body.n unless o.off when body.id == \"a\"", "E0513 `body.n`"),
    ("still 5m per body.xs[0].n ?? 0 unless o.off when body.id == \"a\"", "E0203 `n`"),
    // A key may be missing in the event of `unless`, which then cancels nothing.
    ("when body.k is present\n still 5m per body.k unless t.on when body.n == 1", ""),
    ("still 5m per body.k unless t.on when body.n == 1", "E0312 `body.k`"),
    // An invalid key is reported once.
    ("still 5m per body.z unless o.off when body.id == \"a\"", "E0203 `z`"),
    ("still 5m per body.xs unless o.off when body.id == \"a\"", "E0301 `body.xs`"),
    // Hours.
    ("during mon..fri 09:00..17:00, sat 10:00..12:00 \"Europe/Madrid\" else wait", ""),
    ("during fri..mon 22:00..06:00 except \"2026-12-25\"", ""),
    ("during 00:00..24:00", ""),
    ("during 2000:00..17:00", "E0514 `2000:00..17:00`"),
    ("during 9..17", "E0514 `9..17`"),
    ("during 10:00..10:00", "E0514 `10:00..10:00`"),
    ("during 24:00..06:00", "E0514 `24:00..06:00`"),
    ("during 09:00..24:01", "E0514 `09:00..24:01`"),
    ("during monday 09:00..17:00", "E0514 `monday`"),
    ("during mon..friday 09:00..17:00", "E0514 `mon..friday`"),
    ("during 09:00..17:00 \"Madrid\"", "E0514 `\"Madrid\"`"),
    ("during 09:00..17:00 except \"25.12.2026\"", "E0514 `\"25.12.2026\"`"),
    ("during 09:00..10:00\n during 11:00..12:00", "E0501 `during 11:00..12:00`"),
    // Concurrency.
    (
        "concurrency 1\n concurrency 1000 per body.id else skip\n concurrency 2 per body.id else queue",
        "",
    ),
    ("concurrency 0", "E0506 `0`"),
    ("concurrency 1001 per body.id", "E0506 `1001`"),
    ("concurrency 1 per body.xs", "E0301 `body.xs`"),
    ("concurrency shared per body.id else skip", ""),
    ("concurrency calls per body.id", "E0515 `calls`"),
    ("limit shared per body.id", "E0515 `shared`"),
    ("concurrency shard", "E0221 `shard`"),
    // One clause of each kind.
    (
        "still 5m unless o.off when body.id == \"a\"\n still 6m unless t.on when body.n == 1",
        "E0501 `still 6m unless t.on when body.n == 1`",
    ),
];

fn check(text: &str, expected: &str) {
    let expected: Vec<&str> = if expected.is_empty() { Vec::new() } else { vec![expected] };
    assert_eq!(codes(&format!("{SOURCE}{text}")), expected, "{text}");
}

#[test]
fn clauses_that_wait_are_checked() {
    let mut wrong = Vec::new();
    for (clauses, expected) in CASES {
        let rules = format!("sensor w on t.on {{ rule r {{\n{clauses}\n trigger note {{}} }} }}");
        let found = codes(&format!("{SOURCE}{rules}")).join(", ");
        if found != *expected {
            wrong.push(format!("{clauses}: {found:?} instead of {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_sensor_and_its_rule_wait_for_one_duration() {
    for (sensor, rule, expected) in [
        ("quiet 2m", "still 5m unless o.off when body.id == \"a\"", ""),
        ("quiet 2m", "quiet 3m per body.id", "E0501 `quiet 3m per body.id`"),
        ("once per body.id within 1h", "once per body.n within 1h", ""),
        ("concurrency 9", "concurrency 1 per body.id", ""),
    ] {
        let rule = format!("rule r {{ {rule}  trigger note {{}} }}");
        check(
            &format!("sensor w on t.on {{ {sensor}\n {rule} rule o {{ trigger note {{}} }} }}"),
            expected,
        );
    }
}

#[test]
fn a_reaction_does_not_wait() {
    for (clause, expected) in [
        ("limit 1 per 1h", ""),
        ("limit 1 per 1h else wait", "E0512 `limit 1 per 1h else wait`"),
        ("quiet 5m", "E0512 `quiet 5m`"),
        ("concurrency 1", "E0512 `concurrency 1`"),
        ("concurrency 1 else skip", "E0512 `concurrency 1 else skip`"),
        (
            "still 5m unless o.off when body.n == \"\"",
            "E0512 `still 5m unless o.off when body.n == \"\"`",
        ),
    ] {
        let rule = format!("trigger note {{}} on failure {{ {clause} trigger note {{}} }}");
        check(&format!("sensor w on t.on {{ rule r {{ {rule} }} }}"), expected);
    }
}

#[test]
fn a_test_expects_what_can_happen_to_what_waits() {
    for (clause, outcome, expected) in [
        ("quiet 5m", "waiting", ""),
        ("quiet 5m", "superseded", ""),
        ("quiet 5m", "cancelled", "E0604 `cancelled`"),
        ("quiet 5m", "suppressed", "E0604 `suppressed`"),
        ("still 5m unless o.off when body.n == \"\"", "waiting", ""),
        ("still 5m unless o.off when body.n == \"\"", "cancelled", ""),
        ("still 5m unless o.off when body.n == \"\"", "suppressed", ""),
        ("still 5m unless o.off when body.n == \"\"", "superseded", "E0604 `superseded`"),
        ("limit 1 per 1h", "waiting", "E0604 `waiting`"),
        ("concurrency 1", "waiting", ""),
        ("concurrency 1", "suppressed", "E0604 `suppressed`"),
        ("concurrency 1 else skip", "suppressed", ""),
        ("concurrency 1 else skip", "waiting", "E0604 `waiting`"),
        ("limit 1 per 1h else wait", "waiting", ""),
        ("limit 1 per 1h else wait", "suppressed", "E0604 `suppressed`"),
    ] {
        let send = "send t.on body { id = \"a\", n = 1, xs = [] }";
        check(
            &format!(
                "sensor w on t.on {{ rule r {{ {clause}  trigger note {{}} }} }}
                test \"t\" {{ {send} expect r {outcome} }}"
            ),
            expected,
        );
    }
}

#[test]
fn a_test_finishes_what_can_be_in_progress() {
    for (clause, rule, expected) in [
        ("concurrency 1", "r", ""),
        ("concurrency shared", "w/r", ""),
        ("limit 1 per 1h", "r", "E0604 `r`"),
        ("concurrency 1", "x", "E0601 `x`"),
    ] {
        let send = "send t.on body { id = \"a\", n = 1, xs = [] }";
        check(
            &format!(
                "sensor w on t.on {{ rule r {{ {clause}  trigger note {{}} }} }}
                test \"t\" {{ {send} finish {rule} }}"
            ),
            expected,
        );
    }
}

#[test]
fn only_what_can_be_stopped_is_replaced() {
    let flow = "trigger flow { template = \"a\", namespace = \"b\" }";
    for (clauses, triggers, expected) in [
        ("concurrency 1 else replace", flow, ""),
        (
            "concurrency shared per body.id else replace",
            &format!("trigger note {} {flow}", "{}"),
            "",
        ),
        ("concurrency 1 else replace", "trigger note {}", "E0516 `concurrency 1 else replace`"),
        ("concurrency 1 else replace\nshadow", "trigger note {}", ""),
        ("limit 1 per 1h else replace", flow, "E0101 `replace`"),
    ] {
        check(&format!("sensor w on t.on {{ rule r {{ {clauses}\n{triggers} }} }}"), expected);
    }
}
