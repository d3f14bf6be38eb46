//! The text of explanations: the sentence, and the parts of each condition.

use std::fmt::Write as _;

use super::{event, load};
use crate::eval::{Explanation, Form, Found, Part};
use crate::fuses::Fuses;

/// An explanation as text; `>` marks the parts that decided.
pub(super) fn shown(explanation: &Explanation) -> String {
    let mut out = String::new();
    for explained in &explanation.decisions {
        let decision = &explained.decision;
        let element = explained.element.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
        writeln!(out, "{}{element} {}: {}", decision.rule, decision.outcome, decision.reason)
            .unwrap();
        explained.conditions.iter().for_each(|part| show(part, 1, &mut out));
    }
    out
}

fn show(part: &Part, depth: usize, out: &mut String) {
    let truth = part.truth.map_or("unknown".to_owned(), |truth| truth.to_string());
    let mark = if part.deciding { '>' } else { ' ' };
    let form = match part.form {
        Form::Test => String::new(),
        form => format!("{form:?} ").to_lowercase(),
    };
    let place = part.place.replace("test.rules:", "");
    let element = part.element.as_ref().map(|name| format!("[{name}] ")).unwrap_or_default();
    let indent = "  ".repeat(depth);
    write!(out, "{indent}{mark}{truth} {form}{element}{place} {}", part.text).unwrap();
    let mut notes: Vec<String> = part.found.iter().map(Found::to_string).collect();
    notes.extend(part.reason.clone());
    notes.extend((part.left_out > 0).then(|| format!("{} left out", part.left_out)));
    let notes = if notes.is_empty() { String::new() } else { format!("  # {}", notes.join("; ")) };
    writeln!(out, "{notes}").unwrap();
    part.parts.iter().for_each(|part| show(part, depth + 1, out));
}

/// Explains each body with rules whose conditions are `when`.
fn explained(declared: &str, when: &str, bodies: &[&str]) -> String {
    let ruleset = load(&format!(
        "source q queue {{ event e }}\n{declared}\nsensor s on q.e {{ rule r {{ {when}\n trigger note {{}} }} }}"
    ));
    let mut all = format!("{when}\n");
    for body in bodies {
        let explanation = ruleset.plan().explain(&event(body), &Fuses::default());
        write!(all, "\n{body}\n{}", shown(&explanation)).unwrap();
    }
    all
}

#[test]
fn parts_that_nest() {
    insta::assert_snapshot!(explained(
        "",
        "when body.a == 1 and (body.b == \"x\" or not (body.c > 2 and body.d is present))\n  when not body.off",
        &[
            r#"{"a":1,"b":"x","off":false}"#,
            r#"{"a":2,"b":"x","off":false}"#,
            r#"{"a":1,"b":"y","c":3,"d":null,"off":false}"#,
            r#"{"a":1,"b":"y","c":3,"off":false}"#,
            r#"{"a":1,"b":"x","off":true}"#,
        ],
    ));
}

#[test]
fn unknown_by_absence_and_by_mismatch() {
    insta::assert_snapshot!(explained(
        "",
        "when body.a == 1 or body.b == 2\n  when body.c\n  when body.d == 1 and (body.e or body.f == 1)",
        &[
            r#"{"b":1,"c":true,"d":1,"e":true}"#,
            r#"{"a":1,"c":"yes","d":1,"e":false}"#,
            r#"{"a":1,"c":true,"d":"1","e":"no"}"#,
            r#"{"c":false}"#,
        ],
    ));
}

#[test]
fn what_is_computed_stands_before_what_it_is_computed_of() {
    insta::assert_snapshot!(explained(
        "const zone = \"Europe/Madrid\"",
        "when weekday(event.time, zone) != \"mon\"
  when lower(string(body.a)) == \"x\" or len(body.l) + count(x in body.l: x.b == 1) > 2
  when any(x in filter(f in body.l: f.a == 1): x.b == 2)
  when cidr-contains(\"10.0.0.0/8\", body.ip) and first(x in body.l: x.a == 3).b == 2",
        &[
            r#"{"a":"Y","l":[{"a":1,"b":1}],"ip":"10.0.0.1"}"#,
            r#"{"a":1,"l":[{"a":3,"b":2}],"ip":"11.0.0.1"}"#,
            r#"{"l":[{"a":1,"b":2},{"a":"3","b":3}],"ip":1}"#,
        ],
    ));
}

#[test]
fn elements_of_quantifiers() {
    let three = r#"[{"n":"a"},{"n":"b"},{"n":"c"}]"#;
    let many: Vec<String> = (0..9).map(|n| format!("{{\"n\":\"{n}\"}}")).collect();
    insta::assert_snapshot!(explained(
        "",
        "when any(x in body.l: x.n == \"b\")\n  when all(x in body.l: x.n is string)\n  when none(x in body.l: x.n == \"z\" or x.m == 1)",
        &[
            r#"{"l":[{"n":"b","m":0}]}"#,
            &format!("{{\"l\":{three}}}"),
            r#"{"l":[]}"#,
            r#"{"l":[{"n":"a"}]}"#,
            r#"{"l":[{"n":"b"},{"n":1}]}"#,
            r#"{"l":[{"n":"b"},{"n":"y","m":1}]}"#,
            r#"{"l":[{"m":1},{"n":2}]}"#,
            r#"{"l":"none"}"#,
            "{}",
            &format!("{{\"l\":[{}]}}", many.join(",")),
        ],
    ));
}

#[test]
fn named_conditions_that_use_each_other() {
    insta::assert_snapshot!(explained(
        "const clusters = [\"eu\", \"us\"]
condition known(c) = c in clusters
condition flagged(x) = x.flag
condition also-flagged(x) = flagged(x)
condition ready(x) = known(x.cluster) and any(p in x.pods: also-flagged(p))",
        "when ready(body.app)\n  when not flagged(body)",
        &[
            r#"{"flag":false,"app":{"cluster":"eu","pods":[{"flag":false},{"flag":true}]}}"#,
            r#"{"flag":true,"app":{"cluster":"eu","pods":[{"flag":true}]}}"#,
            r#"{"flag":false,"app":{"cluster":"ap","pods":[{}]}}"#,
            r#"{"flag":false,"app":{"cluster":"eu","pods":[{},{"flag":"no"}]}}"#,
        ],
    ));
}

const EACH: &str = r#"
source q queue { event e }
fuse gate default off
sensor s on q.e {
  each a in body.l max 3
  when a.on
  rule fires { when a.n == 1  trigger note { value = a.v } }
  rule gated { requires gate  when a.n in [1, 2]  trigger note {} }
  rule inner { each b in a.m max 2  when b > a.n  trigger note { value = b } }
}
"#;

#[test]
fn each_with_its_elements() {
    let ruleset = load(EACH);
    let mut all = String::new();
    for body in [
        r#"{"l":[{"on":true,"n":1,"v":7,"m":[0,5]},{"on":false,"n":2,"m":[1]}]}"#,
        r#"{"l":[{"on":true,"n":1,"m":[]},{"n":1,"m":[1]},{"on":true,"n":3,"m":[1,2,3]}]}"#,
        r#"{"l":[]}"#,
        r#"{"l":[1,2,3,4]}"#,
        r#"{}"#,
        r#"{"l":[{"on":true,"on":false}]}"#,
    ] {
        let explanation = ruleset.plan().explain(&event(body), &Fuses::default());
        write!(all, "{body}\n{}\n", shown(&explanation)).unwrap();
    }
    insta::assert_snapshot!(all);
}

#[test]
fn data_is_small_and_has_stable_names() {
    let ruleset = load(
        "source q queue { event e }
sensor s on q.e { each a in body.l
  rule r { when a.n == 1 and not any(x in a.m: x == a.k)
  trigger note {} } }",
    );
    let body = event(r#"{"l":[{"n":1,"m":[1,2]}]}"#);
    let explanation = ruleset.plan().explain(&body, &Fuses::default());
    insta::assert_snapshot!(serde_json::to_string_pretty(&explanation).unwrap());
}

/// Large explanations are shortened, and say how much is left out; the deciding parts are kept.
#[test]
fn what_is_told_is_bounded() {
    let tests: Vec<String> = (0..200).map(|n| format!("body.a == {n}")).collect();
    let texts: Vec<String> = (0..200).map(|n| format!("\"text {n}\"")).collect();
    let not = |times, inner: &str| format!("{}{inner}{}", "not (".repeat(times), ")".repeat(times));
    let (declared, deep) = (not(30, "p"), not(15, "deep(body.b)"));
    let declared = format!("source q queue {{ event e }}\ncondition deep(p) = {declared}");
    let when = format!(
        "when {}\n when body.t in [{}]\n when {deep}",
        tests.join(" or "),
        texts.join(", ")
    );
    let ruleset = load(&format!(
        "{declared}\nsensor s on q.e {{ each x in body.l\n rule r {{ {when}\n trigger note {{}} }} }}"
    ));
    let body = |elements: usize| {
        let l = vec!["0"; elements].join(",");
        format!(r#"{{"a":150,"t":"text 7","b":false,"l":[{l}]}}"#)
    };
    let explain = |elements| ruleset.plan().explain(&event(&body(elements)), &Fuses::default());
    let one = explain(1);
    let [or, texts, nested] = one.decisions[0].conditions.as_slice() else { panic!("three") };
    assert_eq!((or.parts.len(), or.left_out), (1, 199));
    assert_eq!(or.parts[0].text, "body.a == 150");
    assert!(or.parts[0].deciding && texts.text.ends_with('…') && texts.text.len() < 300);
    let mut at = nested;
    while let Some(inner) = at.parts.first() {
        at = inner;
    }
    assert_eq!((at.left_out, at.found.len()), (1, 1));
    // A reader of JSON with a usual limit of 128 levels can read it.
    let json = serde_json::to_string(&one).unwrap();
    serde_json::from_str::<serde_json::Value>(&json).unwrap();

    // If there are very many decisions, their conditions are shown as wholes.
    fn size(part: &Part) -> usize {
        1 + part.parts.iter().map(size).sum::<usize>()
    }
    let rules: String =
        (0..5).map(|n| format!("rule r{n} {{ when {deep}\n trigger note {{}} }}\n")).collect();
    let many = load(&format!("{declared}\nsensor s on q.e {{ each x in body.l\n {rules} }}"));
    let (plan, body) = (many.plan(), body(1_000));
    let event = event(&body);
    let many = plan.explain(&event, &Fuses::default());
    assert_eq!(many.decisions.len(), 5_000);
    let conditions = many.decisions.iter().flat_map(|explained| &explained.conditions);
    let parts = conditions.clone().map(size).sum::<usize>();
    assert!((50_000..60_000).contains(&parts), "{parts}");
    let last = conditions.last().unwrap();
    assert_eq!((last.parts.len(), last.left_out, last.found.len()), (0, 1, 1));
    // For one rule alone, everything is shown.
    let alone = plan.explain_rules(&event, &Fuses::default(), &["s/r4"]);
    assert_eq!(alone.decisions.len(), 1_000);
    assert_eq!(alone.decisions.last().unwrap().conditions.last().unwrap().parts.len(), 1);
}

#[test]
fn a_conditional_and_the_branch_it_chooses() {
    insta::assert_snapshot!(explained(
        "",
        "when if body.env == \"prod\" then body.approved else body.size < 5 or body.force\n  \
         when (if body.env == \"prod\" then lower(body.team) else \"dev\") != \"\"",
        &[
            r#"{"env":"prod","approved":false,"team":"A"}"#,
            r#"{"env":"prod","approved":true,"team":"A"}"#,
            r#"{"env":"dev","size":9,"force":false}"#,
            r#"{"env":"dev","size":9}"#,
            r#"{"size":1}"#,
        ],
    ));
}

#[test]
fn a_let_by_its_name_and_value() {
    insta::assert_snapshot!(explained(
        "condition is-prod(env) = env == \"prod\"",
        "let env = body.labels.env\n  let name = lower(body.name)\n  let urgent = body.level > 3 and is-prod(env)\n  \
         let parts = split(name, \"-\")\n  \
         when env != \"dev\" and name starts-with \"a\"\n  when urgent or any(part in parts: part == name)\n  \
         when parts[0] == \"a\"",
        &[
            r#"{"labels":{"env":"prod"},"name":"A-b","level":4}"#,
            r#"{"labels":{"env":"prod"},"name":"A-b","level":1}"#,
            r#"{"labels":{},"name":1,"level":1}"#,
            r#"{"labels":{"env":"prod"}}"#,
        ],
    ));
}
