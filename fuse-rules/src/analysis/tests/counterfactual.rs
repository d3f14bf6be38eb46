//! Events, and the changes that make rules match them.

use super::*;
use crate::analysis::change::EventChange;
use crate::eval::tests::event;
use crate::reference::WorkBudget;

/// `clauses`, a body, and its changes.
fn changes(ty: &str, clauses: &str, body: &str) -> String {
    let clauses =
        if clauses.contains("when ") { clauses.to_owned() } else { format!("when {clauses}") };
    let ruleset = set(ty, &[&clauses]);
    let placed = placed(ruleset.typed());
    let mut analysis = Analysis::new(ruleset.typed());
    let budget = WorkBudget::new(u64::MAX);
    let Some(counterfactual) = analysis.counterfactual(placed[0], &event(body), &budget) else {
        return "unknown".to_owned();
    };
    let value = |value: &Option<crate::value::Value<'static>>| {
        value.as_ref().map_or("nothing".to_owned(), |value| value.to_json_text().unwrap())
    };
    let changes = counterfactual
        .changes
        .iter()
        .map(|change| format!("{}: {} -> {}", change.path, value(&change.from), value(&change.to)));
    changes.collect::<Vec<_>>().join("; ")
}

#[test]
fn the_smallest_change_is_found() {
    let mut out = String::new();
    for (clauses, body) in [
        ("body.a == \"x\"", r#"{"a":"x"}"#),
        ("body.a == \"x\"", r#"{"a":"y","b":1}"#),
        ("body.a == \"x\"", "{}"),
        ("body.a.b.c == \"x\"", r#"{"a":1}"#),
        ("body.a.b.c == \"x\"", r#"{"a":{"b":{"d":1}}}"#),
        ("body.a > 5 and body.a <= 9", r#"{"a":2}"#),
        ("body.a > 5 and body.a <= 9", r#"{"a":20}"#),
        ("body.a is missing", r#"{"a":{"b":1}}"#),
        ("not (body.a == \"x\")", r#"{"a":"x"}"#),
        ("not body.a", r#"{"a":true}"#),
        ("(body.a == 1 and body.b == 2) or body.c == 3", r#"{"a":1}"#),
        ("(body.a == 1 and body.b == 2) or body.c == 3", r#"{"a":1,"b":2}"#),
        ("(body.a == 1 and body.b == 2) or (body.c == 3 and body.d == 4)", r#"{"c":3}"#),
        ("each x in body.l when x.a == 1 and x.b == 2", r#"{"l":[{"a":5,"b":5},{"a":1}]}"#),
        ("each x in body.l when x.a == 1", "{}"),
        (
            "each x in filter(f in body.l: f.a == 1) when x.b == 2",
            r#"{"l":[{"a":5,"b":5},{"b":2}]}"#,
        ),
        ("any(x in body.l: x.a == 1 and x.b == 2)", r#"{"l":[{"a":1},{"c":1}]}"#),
        ("any(x in body.l: x.a == 1 and x.b == 2)", r#"{"l":[]}"#),
        ("all(x in body.l: x.a == 1)", r#"{"l":[{"a":1},{"a":2},{"b":2}]}"#),
        ("none(x in body.l: x.a == 1)", r#"{"l":[{"a":1},{"a":2}]}"#),
        ("headers.x-kind == \"pull\"", "{}"),
        ("headers.x-other is present and query.page == \"3\"", "{}"),
        ("lower(body.a) == \"prod\"", r#"{"a":"DEV"}"#),
        ("body.a == body.b", r#"{"a":"x","b":"y"}"#),
        ("body.a == body.b and body.c == body.a", r#"{"a":1,"b":2,"c":3}"#),
        ("body.a == body.b.c.d", r#"{"a":"x"}"#),
        ("body.b.c.d == body.a and body.k == 1", r#"{"a":"x","b":null}"#),
        ("body.a == body.b and lower(body.a) == \"q\"", r#"{"a":"x","b":"y"}"#),
        (
            "body.a >= 0 and body.b >= 0 and body.a == body.b and body.a + body.c == 1",
            r#"{"a":5,"b":7,"c":1}"#,
        ),
        ("lower(body.a) == body.b", r#"{"a":"X","b":"y"}"#),
        ("body.a in body.l", r#"{"a":"x","l":[["y"],"z"]}"#),
        ("any(x in body.l: x.a == body.a)", r#"{"a":"x","l":[{"a":"y"},{"a":"z"}]}"#),
        ("headers.x-kind == body.a", r#"{"a":"x"}"#),
        ("age(body.t) > 1h", r#"{"t":"2026-08-01T10:05:00Z"}"#),
        ("body.a == 1 and event.name == \"other\"", "{}"),
    ] {
        out.push_str(&format!("{clauses}\n    {body}\n    {}\n", changes("", clauses, body)));
    }
    insta::assert_snapshot!(out);
}

/// In a long list, only the first elements are changed. A later element that already matches is
/// kept.
#[test]
fn a_late_element_that_matches_is_kept() {
    let body = format!(
        r#"{{"a":2,"l":[{}"x"],"m":[{}{{"a":"x"}}]}}"#,
        "\"y\",".repeat(20),
        "{},".repeat(20)
    );
    for clause in [
        "any(l in body.l: l == \"x\")",
        "\"x\" in body.l",
        "first(m in body.m: m.a is present).a == \"x\"",
        "not none(m in body.m: m.a == \"x\")",
    ] {
        let changed = changes("", &format!("body.a == 1 and {clause}"), &body);
        assert_eq!(changed, "body.a: 2 -> 1", "{clause}");
    }
}

/// In a long list that a rule iterates over, the search chooses elements that almost match.
#[test]
fn elements_that_almost_match_are_chosen() {
    let far = "{\"m\":[{}]},".repeat(20);
    let body = format!(r#"{{"l":[{far}{{"a":1,"b":2,"m":[{{"c":3}}]}},{{}}]}}"#);
    let found = |clauses: &str| changes("", clauses, &body);
    let all = "when x.a == 1 and x.b == 2\nwhen x.d == 4";
    insta::assert_snapshot!(found(&format!("each x in body.l {all}")), @"body.l[20].d: nothing -> 4");
    let filtered = format!("each x in filter(f in body.l: f.a is present) {all}");
    insta::assert_snapshot!(found(&filtered), @"body.l[20].d: nothing -> 4");
}

/// The original event is cheap. After the change, its pairs are evaluated, and each copy of a list
/// counts.
#[test]
fn a_change_that_makes_evaluation_expensive_is_bounded() {
    let long = vec!["[1,2,3]"; 3_000].join(",");
    let body = format!(r#"{{"kind":"a","l":[{long}]}}"#);
    for clauses in [
        "when body.kind == \"b\" and any(x in body.l: any(y in body.l: len(x) + len(y) == 7))",
        "when body.kind == \"b\" and any(x in body.l: len(body.l) + len(x) == 7)",
        "when body.kind == \"b\" and count(x in body.l: len(body.l) + len(x) == 7) == 7",
        "when body.kind == \"b\" and len(map(x in body.l: body.l)) == 7",
        "each x in body.l max 5000 when body.kind == \"b\" and len(body.l) + len(x) == 7",
    ] {
        let ruleset = set("", &[clauses]);
        let (placed, event) = (placed(ruleset.typed()), event(&body));
        let budget = WorkBudget::new(300_000);
        let counterfactual =
            Analysis::new(ruleset.typed()).counterfactual(placed[0], &event, &budget);
        assert!(
            counterfactual.is_none() && budget.left() == 0,
            "{} left: {clauses}",
            budget.left()
        );
    }
}

#[test]
fn a_typed_event_stays_typed() {
    let ty = " : { kind: \"a\", n: int } | { kind: \"b\", s: string, o?: { x: int, y: string } }";
    let found = |clauses, body| changes(ty, clauses, body);
    insta::assert_snapshot!(found("body.n > 3", r#"{"kind":"a","n":1}"#), @"body.n: 1 -> 4");
    insta::assert_snapshot!(found("body.o.x == 3", r#"{"kind":"b","s":"t"}"#), @r#"body.o: nothing -> {"x":3,"y":"x"}"#);
    // This would need two more changes, which the search does not find.
    insta::assert_snapshot!(found("body.s == \"u\"", r#"{"kind":"a","n":1}"#), @"unknown");
}

/// A parameter of the path can change, but it is never missing.
#[test]
fn parameters_of_the_path_can_change() {
    let changes = |when: &str| {
        let text = format!(
            "source hooks webhook {{ port = 1, path = \"/{{tenant}}\", event e }}
             sensor s on hooks.e {{ rule r {{ when {when}  trigger log {{ message = \"x\" }} }} }}"
        );
        let registry = crate::diagnostic::tests::kinds::registry();
        let ruleset = Ruleset::parse("test.rules", &text, &registry).unwrap();
        let event = crate::Event::new("hooks", "e", b"{}").unwrap().path_parameter("tenant", "x");
        let mut analysis = Analysis::new(ruleset.typed());
        let budget = WorkBudget::new(u64::MAX);
        let found = analysis.counterfactual(placed(ruleset.typed())[0], &event, &budget)?;
        let change = |change: &EventChange| format!("{} = {:?}", change.path, change.to);
        Some(found.changes.iter().map(change).collect::<Vec<_>>().join(", "))
    };
    let tenant = changes("event.path.tenant == \"acme\" and body.a == 1").unwrap();
    assert!(tenant.contains("event.path.tenant = Some(String(\"acme\"))"), "{tenant}");
    assert_eq!(changes("event.path.tenant is missing"), None);
    assert_eq!(changes("event.path.tenant == \"\""), None);
}

/// A change must not turn the request into another event. A condition that the request does not meet is ignored: a request
/// may be shown without its headers.
#[test]
fn the_changed_request_stays_the_same_event() {
    let ruleset = crate::eval::tests::load(
        "source q queue { event e { when headers.x-kind == \"push\" or body.kind == \"push\" } }
         sensor s on q.e {
           rule kind { when body.kind == \"tag\"  trigger note {} }
           rule header { when headers.x-kind == \"tag\"  trigger note {} }
         }",
    );
    let placed = placed(ruleset.typed());
    let mut analysis = Analysis::new(ruleset.typed());
    let mut changed = |rule: usize, event: &crate::event::Event<'_>| {
        let found = analysis.counterfactual(placed[rule], event, &WorkBudget::new(u64::MAX));
        let mut paths: Vec<_> =
            found.unwrap().changes.iter().map(|change| change.path.to_string()).collect();
        paths.sort();
        paths
    };
    let bare = |body| crate::event::Event::new("q", "e", body).unwrap();
    assert_eq!(changed(0, &event("{}")), ["body.kind"]);
    assert_eq!(changed(1, &event("{}")), ["body.kind", "headers.x-kind"]);
    assert_eq!(changed(0, &bare(b"{\"kind\":\"push\"}")), ["body.kind", "headers.x-kind"]);
    assert_eq!(changed(0, &bare(b"{}")), ["body.kind"]);
}
