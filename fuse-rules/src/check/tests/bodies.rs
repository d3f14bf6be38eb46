//! The types of bodies whose format has strings only.

use crate::Ruleset;
use crate::diagnostic::tests::kinds;

/// The problems of a sensor on an event with these fields and this type, as `CODE message (help)`.
fn problems(fields: &str, ty: &str, clause: &str) -> Vec<String> {
    let rules = format!(
        "source s webhook {{ port = 1, path = \"/x\", {fields}\n event e {ty} }}\n\
         sensor z on s.e {{ rule r {{ {clause}\n trigger log {{ message = \"x\" }} }} }}"
    );
    let Err(problems) = Ruleset::parse("a.rules", &rules, &kinds::registry()) else {
        return Vec::new();
    };
    let shown = |problem: &crate::Diagnostic| {
        let help = problem.help.as_deref().unwrap_or_default();
        format!("{} {} ({help})", problem.topic, problem.message)
    };
    problems.iter().map(shown).collect()
}

#[test]
fn values_of_forms_and_queries_are_strings() {
    let number = |help: &str| {
        vec![format!(
            "E0301 a string and a number cannot be compared with `==` (convert it: `{help}`)"
        )]
    };
    for fields in ["format = \"form\"", "method = \"GET\"", "method = \"GET\", format = \"text\""] {
        assert_eq!(problems(fields, "", "when body.count == 5"), number("int(body.count)"));
        assert_eq!(
            problems(fields, "", "when body[\"a b\"] == 1.5"),
            number("float(body[\"a b\"])")
        );
        assert_eq!(problems(fields, "", "when int(body.count) == 5"), [""; 0]);
        let nested = problems(fields, "", "when body.user.name == \"x\"");
        assert_eq!(nested, ["E0203 `body.user` is a string, which has no fields ()"]);
        let each = problems(fields, "", "each x in body.items");
        assert!(each[0].starts_with("E03"), "{each:?}");
    }
    // The parameters of a query are strings in every format.
    assert_eq!(problems("", "", "when query.page == 2"), number("int(query.page)"));
    assert_eq!(problems("", "", "when body.count == 5"), [""; 0]);
}

#[test]
fn a_text_is_a_string() {
    let fields = "format = \"text\"";
    assert_eq!(
        problems(fields, "", "when body.a == \"x\""),
        ["E0203 `body` is a string, which has no fields ()"]
    );
    assert_eq!(problems(fields, "", "when body contains \"x\""), [""; 0]);
    assert_eq!(
        problems(fields, "", "when body >= 5"),
        [
            "E0309 strings have no order (convert both sides: `int(…)`, `float(…)`, `time(…)` or `semver(…)`)"
        ]
    );
}

#[test]
fn a_declared_type_has_to_allow_the_format() {
    let form = "format = \"form\"";
    let narrowed =
        problems(form, ": { size: int | string, kind: \"a\" | \"b\", ... }", "when body.size == 5");
    assert_eq!(narrowed.len(), 1, "{narrowed:?}");
    assert!(narrowed[0].contains("int(body.size)"), "{narrowed:?}");
    assert_eq!(problems(form, ": { kind: \"a\" | \"b\" }", "when body.kind == \"a\""), [""; 0]);
    let unlisted = problems(form, ": { kind: string, ... }", "when body[\"other\"] == 1");
    assert!(unlisted[0].contains("int(body.other)"), "{unlisted:?}");
    assert_eq!(
        problems(form, ": { count: int }", ""),
        ["E0411 field `count` is a number, but with `format = \"form\"` all values are strings \
          (declare it as `string`, and convert it where you use it, as in `int(body.count)`)"]
    );
    assert_eq!(
        problems("method = \"GET\"", ": list<string>", ""),
        ["E0411 with `method = \"GET\"` the body is a map of strings, but its type is a list \
          (remove the type, or change the format)"]
    );
    assert_eq!(
        problems("format = \"text\"", ": { a: string }", ""),
        ["E0411 with `format = \"text\"` the body is a string, but its type is a map \
          (remove the type, or change the format)"]
    );
}

#[test]
fn an_event_can_have_another_format_than_its_source() {
    let rules = |id: &str, format: &str| {
        format!(
            "source s webhook {{ port = 1, format = \"form\", {id}\n \
             event a {{ path = \"/a\" }}\n event b {{ path = \"/b\"\n format = \"{format}\" }} }}\n\
             sensor z on s.b {{ rule r {{ when body.n == 5\n trigger log {{ message = \"x\" }} }} }}"
        )
    };
    let codes = |rules: &str| {
        let problems = Ruleset::parse("a.rules", rules, &kinds::registry()).err();
        problems.map(|all| all.iter().map(|one| one.topic.to_string()).collect::<Vec<_>>())
    };
    assert_eq!(codes(&rules("", "json")), None);
    assert_eq!(codes(&rules("", "form")).unwrap(), ["E0301"]);
    assert_eq!(codes(&rules("", "form-lists")).unwrap(), ["E0307"], "a list is not a number");
    // The `id` of a source applies to all of its events.
    assert_eq!(codes(&rules("id = body.id", "json")), None);
    assert_eq!(codes(&rules("id = body.a.b", "form")).unwrap(), ["E0203", "E0301"]);
}
