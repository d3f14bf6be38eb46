//! The events of a source: addresses, conditions and decoded bodies.

use crate::Ruleset;
use crate::diagnostic::tests::kinds;

/// The problems of a source with these events, as `CODE message`.
fn problems(events: &str) -> Vec<String> {
    let rules = format!("source s webhook {{ port = 1\n{events} }}");
    reported(&rules)
}

fn reported(rules: &str) -> Vec<String> {
    let problems = Ruleset::parse("a.rules", rules, &kinds::registry()).err();
    let shown = |problem: &crate::Diagnostic| format!("{} {}", problem.topic, problem.message);
    problems.iter().flat_map(|problems| problems.iter().map(shown)).collect()
}

#[test]
fn events_share_an_address_if_conditions_tell_them_apart() {
    let at_x = |events: &str| problems(&format!("path = \"/x\"\n{events}"));
    let when = |name: &str, condition: &str| format!("event {name} {{ when {condition} }}\n");
    let push = when("push", "headers.x-event == \"push\"");
    let same = "E0407 two events have the same address: port 1, path \"/x\", method \"POST\"";
    for (events, expected) in [
        ("event a\n event b".to_owned(), vec![same]),
        (format!("{push} event rest"), vec![]),
        (format!("event rest\n{push}"), vec![]),
        (format!("{push} event a\n event b"), vec![same]),
        (push.clone() + &when("tag", "headers.x-event == \"tag\""), vec![]),
        (
            push.clone()
                + &when("tag", "body.ref_type == \"tag\" and headers.X-Event == \"create\""),
            vec![],
        ),
        (when("a", "body.kind == \"a\"") + &when("b", "body.kind != \"a\""), vec![]),
        (when("a", "headers.x == \"1\"") + &when("b", "headers.x is missing"), vec![]),
        (
            push.clone() + &when("main", "body.ref == \"refs/heads/main\""),
            vec!["E0412 `push` and `main` of `s` match the same request"],
        ),
        (
            push.clone() + &when("again", "headers.x-event starts-with \"pu\""),
            vec!["E0412 `push` and `again` of `s` match the same request"],
        ),
        (
            when("a", "sha256(body.a) == body.b") + &when("b", "sha256(body.a) == body.c"),
            vec!["E0412 fuse cannot prove that `a` and `b` never match the same request"],
        ),
        (when("only", "headers.x-event == \"push\""), vec![]),
        (
            "event a { when headers.x == \"a\", format = \"form\" }\n event b".to_owned(),
            vec![
                "E0410 events of one address must have the same `format`: port 1, path \"/x\", method \"POST\"",
            ],
        ),
        (
            when("a", "event.id == \"x\""),
            vec!["E0213 `event.id` is not known yet when fuse evaluates this"],
        ),
        (when("a", "event.type == \"x\""), vec![]),
    ] {
        assert_eq!(at_x(&events), expected, "{events}");
    }
    let other_source =
        "source s webhook { port = 1, path = \"/x\", event a { when headers.x == \"a\" } }
        source t webhook { port = 1, path = \"/x\", event b }";
    assert_eq!(reported(other_source), [same]);
}

#[test]
fn conditions_of_events_are_checked_by_their_types() {
    let typed = |condition: &str| {
        problems(&format!(
            "path = \"/x\"\n event a : {{ action: \"opened\" | \"closed\" }} {{ when {condition} }}"
        ))
    };
    assert_eq!(typed("body.action == \"opened\""), [""; 0]);
    assert_eq!(typed("body.acton == \"opened\""), ["E0203 `body` has no field `acton`"]);
    assert_eq!(typed("body.action"), ["E0302 a condition must be true or false"]);
}

#[test]
fn the_request_that_two_events_take_is_shown() {
    let rules = "source s webhook {
  port = 1, path = \"/x\"
  event pushed { when headers.x-event == \"push\" }
  event main { when headers.x-event == \"push\" and body.ref == \"refs/heads/main\" }
}
";
    let problems = Ruleset::parse("a.rules", rules, &kinds::registry()).unwrap_err();
    insta::assert_snapshot!(problems.to_string(), @r#"
    error[E0412]: `pushed` and `main` of `s` match the same request
     --> a.rules:4:9
      |
    3 |   event pushed { when headers.x-event == "push" }
      |         ------ so does this event
    4 |   event main { when headers.x-event == "push" and body.ref == "refs/heads/main" }
      |         ^^^^ matches a request with the header `x-event: push` and the body `{"ref":"refs/heads/main"}`
      |
      = help: add conditions, so that each request matches at most one event
    "#);
}

#[test]
fn conditions_on_the_path_exclude_each_other() {
    let two = |one: &str, other: &str| {
        let problems = problems(&format!(
            "path = \"/{{tenant}}\"\n event a {{ when {one} }}\n event b {{ when {other} }}"
        ));
        problems.join("")
    };
    let (acme, other) = ("event.path.tenant == \"acme\"", "event.path.tenant == \"other\"");
    assert_eq!(two(acme, other), "");
    assert_eq!(two(acme, "event.path.tenant is missing"), "");
    let both = "E0412 `a` and `b` of `s` match the same request";
    assert_eq!(two(acme, "event.path.tenant starts-with \"ac\""), both);
}

#[test]
fn paths_may_have_parameters_and_must_not_overlap() {
    let overlap = |one: &str, other: &str| {
        format!(
            "E0407 the addresses of two events overlap: port 1, path \"{one}\", method \"POST\" and \
             port 1, path \"{other}\", method \"POST\""
        )
    };
    let two = |one: &str, other: &str, more: &str| {
        problems(&format!(
            "event a {{ path = \"{one}\" }}\n event b {{ path = \"{other}\"\n{more} }}"
        ))
    };
    assert_eq!(two("/h/{t}", "/h/x", ""), [overlap("/h/x", "/h/{t}")]);
    assert_eq!(two("/{a}/y", "/x/{b}", ""), [overlap("/x/{b}", "/{a}/y")]);
    assert_eq!(two("/h/{a}", "/h/{b}", ""), [overlap("/h/{b}", "/h/{a}")]);
    assert_eq!(two("/h/{t}", "/h/x/y", ""), [""; 0]);
    assert_eq!(two("/h/{t}", "/h/x", "method = \"GET\""), [""; 0]);
    assert_eq!(two("/h/{t}", "/h/{t}", "when headers.x == \"b\""), [""; 0]);

    let path = |path: &str| problems(&format!("event a {{ path = \"{path}\" }}"));
    assert!(path("/h/*")[0].starts_with("E0406 `path` has no wildcards"), "{:?}", path("/h/*"));
    assert!(path("/h/x{y}")[0].starts_with("E0406 `path` has parameters that are whole segments"));

    let sensor = |value: &str| {
        reported(&format!(
            "source s webhook {{ port = 1, path = \"/h/{{tenant}}\", event e }}
             source t webhook {{ port = 1, path = \"/t\", event e }}
             sensor z on s.e {{ rule r {{ trigger log {{ message = {value} }} }} }}
             sensor y on t.e {{ rule r {{ trigger log {{ message = \"x\" }} }} }}"
        ))
    };
    assert_eq!(sensor("event.path.tenant"), [""; 0]);
    assert_eq!(sensor("event.path.tenat"), ["E0211 the event's path has no parameter `tenat`"]);
    assert_eq!(sensor("event.path"), ["E0211 `event` has no such field"]);

    let test = |path: &str| {
        reported(&format!(
            "source s webhook {{ port = 1, path = \"/h/{{tenant}}\", event e }}
             sensor z on s.e {{ rule r {{ trigger log {{ message = \"x\" }} }} }}
             test \"t\" {{ send s.e body {{}} {path} expect r once }}"
        ))
    };
    assert_eq!(test("path { tenant = \"a\" }"), [""; 0]);
    let missing = ["E0602 this event needs the parameter `tenant` of its path"];
    assert_eq!(test(""), missing);
    assert_eq!(test("path { tenant = \"\" }"), missing);
}

#[test]
fn a_decoded_body_has_the_type_of_the_expression_or_the_declared_one() {
    let rules = |source: &str, ty: &str, clause: &str| {
        reported(&format!(
            "source s webhook {{ port = 1, path = \"/x\"\n{source}\n event e {ty} }}
             sensor z on s.e {{ rule r {{ {clause}\n trigger log {{ message = \"x\" }} }} }}"
        ))
    };
    let text = "format = \"text\"\n decode = base64-decode(body)";
    assert_eq!(
        rules(text, "", "when body.a == 1"),
        ["E0203 `body` is a string, which has no fields"]
    );
    let form = "format = \"form\"\n decode = body.payload";
    assert_eq!(rules(form, "", "when body == 1").len(), 1);
    // The type is that of the decoded body, so that it may have numbers.
    let inner = "decode = body.inner";
    assert_eq!(rules(inner, ": { n: int }", "when body.n == 1"), [""; 0]);
    assert_eq!(rules(inner, ": { n: int }", "when body.m == 1"), ["E0203 `body` has no field `m`"]);
    assert_eq!(
        rules(form, ": { n: int }", ""),
        ["E0411 the decoded body is a string, but the declared type is a map"]
    );
    assert_eq!(rules("decode { a = 1 }", "", ""), ["E0403 `decode` takes an expression"]);
    assert_eq!(
        rules("decode = event.name", "", ""),
        ["E0213 `event.name` is not known yet when fuse evaluates this"]
    );
}
