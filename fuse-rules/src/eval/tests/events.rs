//! Complete events: elements, fuses, mappings, refusals.

use super::{decide, event, load};
use crate::decision::Outcome;
use crate::event::Event;
use crate::fuses::Fuses;

/// One line per decision: `rule element outcome reason`.
fn lines(rules: &str, body: &str, fuses: &Fuses) -> String {
    let ruleset = load(&format!("source q queue {{ event e }}\n{rules}"));
    let evaluation = decide(&ruleset, &event(body), fuses);
    let mut out = String::new();
    for decision in evaluation.decisions {
        let element = decision.element.map_or("-".to_owned(), |path| format!("{path:?}"));
        let fields = decision.action.map(|action| serde_json::to_string(&action.fields).unwrap());
        let tail = fields.unwrap_or(decision.reason);
        out.push_str(&format!("{} {element} {} {tail}\n", decision.rule, decision.outcome));
    }
    out
}

#[test]
fn each_decides_element_by_element() {
    let rules = r#"
        sensor s on q.e {
          each a in body.alerts
          when a.status == "firing"
          rule one { when a.slo == "x"  trigger text { text = a.name } }
          rule two { trigger text { text = "${a.name}!" } }
        }"#;
    let body = r#"{"alerts":[
        {"status":"firing","slo":"x","name":"p"},
        {"status":"resolved","slo":"x","name":"q"},
        {"status":"firing","slo":"y"},
        {"status":"firing"},
        7
    ]}"#;
    insta::assert_snapshot!(lines(rules, body, &Fuses::default()), @r#"
    s/one [0] fired {"text":"p"}
    s/one [1] not-matched 
    s/one [2] not-matched 
    s/one [3] unknown `a.slo` is missing
    s/one [4] unknown `a.status` is missing
    s/two [0] fired {"text":"p!"}
    s/two [1] not-matched 
    s/two [2] rejected `text` needs `a.name`, which is missing
    s/two [3] rejected `text` needs `a.name`, which is missing
    s/two [4] unknown `a.status` is missing
    "#);
}

#[test]
fn what_is_no_list_of_elements() {
    let rules = "sensor s on q.e { each a in body.alerts max 2  rule r { trigger note {} } }";
    for (body, expected) in [
        (r#"{"alerts":[]}"#, "s/r - not-matched `body.alerts` is an empty list\n"),
        ("{}", "s/r - unknown `body.alerts` is missing\n"),
        (
            r#"{"alerts":{}}"#,
            "s/r - unknown `each` iterates over a list, but `body.alerts` is a map\n",
        ),
        (
            r#"{"alerts":null}"#,
            "s/r - unknown `each` iterates over a list, but `body.alerts` is null\n",
        ),
        (
            r#"{"alerts":[1,2,3]}"#,
            "s/r - rejected `body.alerts` has 3 elements, more than `max 2` allows\n",
        ),
        (r#"{"alerts":[1,2]}"#, "s/r [0] fired {}\ns/r [1] fired {}\n"),
    ] {
        assert_eq!(lines(rules, body, &Fuses::default()), expected, "{body}");
    }
}

#[test]
fn a_second_each_gives_index_paths() {
    let rules = r#"
        sensor s on q.e {
          each a in body.as
          when a.on
          rule r { each b in a.bs  when b > 1  trigger note { value = b } }
          rule plain { trigger note {} }
        }
        sensor t on q.e { rule only { each b in body.bs  trigger note { value = b } } }"#;
    let body = r#"{"as":[{"on":true,"bs":[1,2,"x"]},{"on":false,"bs":[9]},{"on":true,"bs":[]},{"on":true},{"bs":[5]}],"bs":[3]}"#;
    insta::assert_snapshot!(lines(rules, body, &Fuses::default()), @r#"
    s/r [0, 0] not-matched 
    s/r [0, 1] fired {"value":2}
    s/r [0, 2] unknown `>` cannot compare `b`, a string, with `1`, a number
    s/r [1] not-matched 
    s/r [2] not-matched `a.bs` is an empty list
    s/r [3] unknown `a.bs` is missing
    s/r [4] unknown `a.on` is missing
    s/plain [0] fired {}
    s/plain [1] not-matched 
    s/plain [2] fired {}
    s/plain [3] fired {}
    s/plain [4] unknown `a.on` is missing
    t/only [0] fired {"value":3}
    "#);
}

#[test]
fn fuses_gate_what_would_have_fired() {
    let rules = "
        fuse a default off
        fuse b default on
        sensor s on q.e {
          requires a
          rule r { requires b  when body.x  trigger note {} }
          rule unmappable { when body.x  trigger note { value = body.none } }
        }";
    let fired = r#"{"x":true}"#;
    let decided = |body, fuses: Fuses| lines(rules, body, &fuses);
    let off = Fuses::default();
    insta::assert_snapshot!(decided(fired, off.clone()), @"
    s/r - gated fuse `a` is off
    s/unmappable - gated fuse `a` is off
    ");
    insta::assert_snapshot!(decided(r#"{"x":false}"#, off.clone()), @"
    s/r - not-matched 
    s/unmappable - not-matched
    ");
    insta::assert_snapshot!(decided(fired, off.clone().set("b", false)), @"
    s/r - gated fuses `a`, `b` are off
    s/unmappable - gated fuse `a` is off
    ");
    insta::assert_snapshot!(decided(fired, off.set("a", true)), @"
    s/r - fired {}
    s/unmappable - rejected `value` needs `body.none`, which is missing
    ");
}

#[test]
fn mappings_are_whole_or_rejected() {
    let rules = r#"
        sensor s on q.e {
          rule ok { trigger text { text = body.n, texts { a = body.t, b? = body.none, c? = body.z } } }
          rule missing { trigger text { text = body.none } }
          rule nothing { trigger text { text = body.z } }
          rule list { trigger text { text = body.l } }
          rule json { trigger text { text = json(body.l) } }
          rule nested { trigger text { text = "x", texts { from body { t, none } } } }
          rule name { trigger text { text = "x", name = body.upper } }
          rule both { trigger text { text = body.t }  trigger text { text = body.none } }
        }"#;
    let body = r#"{"n":2.50,"t":"v","z":null,"l":[1],"upper":"Not A Label"}"#;
    insta::assert_snapshot!(lines(rules, body, &Fuses::default()), @r#"
    s/ok - fired {"text":"2.5","texts":{"a":"v"}}
    s/missing - rejected `text` needs `body.none`, which is missing
    s/nothing - rejected `text` needs `body.z`, which is null
    s/list - rejected `text` is [1], but must be text (a string, number, boolean, time, duration or version)
    s/json - fired {"text":"[1]"}
    s/nested - rejected `texts.none` needs `body.none`, which is missing
    s/name - rejected `name` is "Not A Label", but must be a name of lower-case letters, digits and `-`, at most 63 characters
    s/both - fired {"text":"v"}
    s/both - rejected `text` needs `body.none`, which is missing
    "#);
}

#[test]
fn text_of_an_event_carries_no_template() {
    let rules = r#"
        sensor s on q.e {
          rule literal { trigger text { text = "{{workflow.name}}-${body.plain}" } }
          rule hostile { trigger text { text = body.hostile } }
          rule inside { trigger text { text = "x${body.hostile}" } }
          rule spliced { trigger text { text = "{${body.brace}x" } }
          rule double { trigger text { text = "${body.brace}${body.brace}" } }
          rule called { trigger text { text = lower(body.hostile) } }
          rule defaulted { trigger text { text = body.none ?? "{{x}}" } }
          rule raw { trigger text { text = raw(body.hostile) } }
          rule rawinside { trigger text { text = "a${raw(body.hostile)}" } }
        }"#;
    let body = r#"{"plain":"p","hostile":"{{=1}}","brace":"{"}"#;
    insta::assert_snapshot!(lines(rules, body, &Fuses::default()), @r#"
    s/literal - fired {"text":"{{workflow.name}}-p"}
    s/hostile - rejected `text` is "{{=1}}", and text from an event may not carry `{{`; use `raw(…)` to allow it
    s/inside - rejected `text` is "x{{=1}}", and text from an event may not carry `{{`; use `raw(…)` to allow it
    s/spliced - rejected `text` is "{{x", and text from an event may not carry `{{`; use `raw(…)` to allow it
    s/double - rejected `text` is "{{", and text from an event may not carry `{{`; use `raw(…)` to allow it
    s/called - rejected `text` is "{{=1}}", and text from an event may not carry `{{`; use `raw(…)` to allow it
    s/defaulted - fired {"text":"{{x}}"}
    s/raw - fired {"text":"{{=1}}"}
    s/rawinside - fired {"text":"a{{=1}}"}
    "#);
}

#[test]
fn once_needs_its_whole_key() {
    let rules = "sensor s on q.e { rule r { once per body.a, body.b within 4h  trigger note {} } }";
    let ruleset = load(&format!("source q queue {{ event e }}\n{rules}"));
    let decided = |body| decide(&ruleset, &event(body), &Fuses::default()).decisions.remove(0);
    let asked = decided(r#"{"a":1.0,"b":"x"}"#).flow;
    let shown: Vec<_> = asked.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["once per 1, \"x\" within 4h"]);
    let why = |body| {
        let decision = decided(body);
        assert_eq!(decision.outcome, Outcome::Rejected);
        decision.reason
    };
    assert_eq!(why(r#"{"a":1}"#), "`once per` needs `body.b`, which is missing");
    assert_eq!(why(r#"{"a":1,"b":null}"#), "`once per` needs `body.b`, which is null");
    assert_eq!(why(r#"{"a":1,"b":[]}"#), "`once per` takes single values, but `body.b` is a list");
}

#[test]
fn a_key_that_stands_twice_refuses_the_event_if_a_rule_reads_it() {
    let rules = "
        source q queue { event e }
        sensor s on q.e {
          each a in body.alerts
          rule r { when a.x == 1 and any(l in a.ls: l.n == 1)  trigger note { value = body.whole } }
        }";
    let ruleset = load(rules);
    let refused = |body| decide(&ruleset, &event(body), &Fuses::default()).refused.is_some();
    for (body, expected) in [
        (r#"{"alerts":[{"x":2}],"other":{"a":1,"a":2}}"#, false),
        (r#"{"alerts":[{"x":2,"y":1,"y":2}]}"#, false),
        (r#"{"alerts":[{"x":2,"x":2}]}"#, true),
        (r#"{"alerts":[{"x":2},{"x":2,"\u0078":2}]}"#, true),
        (r#"{"alerts":[{"x":2,"ls":[{"n":1},{"n":1,"n":2}]}]}"#, true),
        (r#"{"alerts":[{"x":2,"ls":[{"m":1,"m":2}]}]}"#, false),
        (r#"{"alerts":[],"alerts":[]}"#, true),
        (r#"{"alerts":[],"whole":{"deep":[{"a":1,"a":1}]}}"#, true),
    ] {
        assert_eq!(refused(body), expected, "{body}");
    }
    let evaluation = decide(&ruleset, &event(r#"{"alerts":[{"x":1,"x":1}]}"#), &Fuses::default());
    assert!(
        evaluation.decisions.iter().all(|d| d.outcome == Outcome::Rejected && d.action.is_none())
    );
}

#[test]
fn an_event_that_no_sensor_listens_to_decides_nothing() {
    let ruleset = load("source q queue { event e }");
    assert!(decide(&ruleset, &event("{}"), &Fuses::default()).decisions.is_empty());
    let other = Event::new("q", "unheard", b"{}").unwrap();
    assert!(ruleset.plan().evaluate(&other, &Fuses::default()).decisions.is_empty());
}

#[test]
fn a_source_field_is_an_expression_over_the_event() {
    let ruleset = load("source q queue { id = \"${body.a}-${headers.x-kind}\"\n event e }");
    let plan = ruleset.plan();
    let id = |body| plan.source_field(&event(body), "id");
    assert_eq!(id(r#"{"a":7}"#), Ok(Some("7-push".into())));
    assert_eq!(id("{}"), Ok(None));
    assert!(id(r#"{"a":7,"a":8}"#).unwrap_err().to_string().contains("`a` occurs twice"));
    assert_eq!(plan.source_field(&event("{}"), "other"), Ok(None));
}

#[test]
fn the_plan_can_be_read() {
    let rules = r#"
        source q queue { id = body.id, event e }
        fuse f default on
        sensor s on q.e {
          requires f
          each a in body.alerts max 5
          when not (a.status == "resolved" or a.muted)
          rule r {
            when a.slo == "x" and body.kind in ["k", "l"] and headers.x-kind is present
            when any(l in a.ls: l.name like "*.prod")
            once per a.id within 10m
            trigger text { text = a.name ?? "none", texts { k? = a.k } }
          }
          rule again { when a.slo == "x" or age(a.at) > 5m  trigger note {} }
        }"#;
    insta::assert_snapshot!(load(rules).plan().listing());
}

/// Two sites with the same condition on elements of the event, one inside an `each` and one
/// outside.
#[test]
fn an_atom_is_shared_only_where_it_means_the_same() {
    let one = "sensor one on q.e { when body.never == \"x\"
        rule r { when any(x in body.a: x.v == 1)  trigger note {} } }";
    let two = "sensor two on q.e { each alert in body.alerts
        when alert.v is int
        rule r { when any(x in body.a: x.v == 1)  trigger note {} } }";
    let body = r#"{"never":"y","a":[{"v":7}],"alerts":[{"v":1}]}"#;
    let expected = "one/r - not-matched \ntwo/r [0] not-matched \n";
    assert_eq!(lines(&format!("{one}\n{two}"), body, &Fuses::default()), expected);
    let other_way = "two/r [0] not-matched \none/r - not-matched \n";
    assert_eq!(lines(&format!("{two}\n{one}"), body, &Fuses::default()), other_way);
}

#[test]
fn templates_are_refused_wherever_they_hide() {
    let rules = r#"
        sensor s on q.e {
          rule values { trigger text { text = "x", texts = body.values } }
          rule keys { trigger text { text = "x", texts = body.keys } }
          rule clean { trigger text { text = "x", texts = body.clean } }
          rule default { trigger text { text = body.none ?? "{{workflow.name}}" } }
          rule given { trigger text { text = body.hostile ?? "{{workflow.name}}" } }
          rule trusted { trigger text { text = "x", texts = raw(body.values) } }
          rule inside { trigger text { text = "p-${raw(body.hostile) ?? "-"}" } }
          rule written { trigger text { text = "p-${body.none ?? "{{workflow.uid}}"}" } }
          rule hidden { trigger text { text = "p-${body.hostile ?? "-"}" } }
          rule mapped { trigger text { text = join(map(x in ["a"]: "${x}${body.hostile}"), "") } }
          rule first { trigger text { text = first(x in [body.hostile]: true) ?? "{{x}}" } }
          rule none { trigger text { text = first(x in [body.hostile]: false) ?? "{{x}}" } }
        }"#;
    let body =
        r#"{"values":{"a":"{{x}}"},"keys":{"{{k}}":"1"},"clean":{"a":"1"},"hostile":"{{=1}}"}"#;
    insta::assert_snapshot!(lines(rules, body, &Fuses::default()), @r#"
    s/values - rejected `texts` is {"a":"{{x}}"}, and text from an event may not carry `{{`; use `raw(…)` to allow it
    s/keys - rejected `texts` is {"{{k}}":"1"}, and text from an event may not carry `{{`; use `raw(…)` to allow it
    s/clean - fired {"text":"x","texts":{"a":"1"}}
    s/default - fired {"text":"{{workflow.name}}"}
    s/given - rejected `text` is "{{=1}}", and text from an event may not carry `{{`; use `raw(…)` to allow it
    s/trusted - fired {"text":"x","texts":{"a":"{{x}}"}}
    s/inside - fired {"text":"p-{{=1}}"}
    s/written - fired {"text":"p-{{workflow.uid}}"}
    s/hidden - rejected `text` is "p-{{=1}}", and text from an event may not carry `{{`; use `raw(…)` to allow it
    s/mapped - rejected `text` is "a{{=1}}", and text from an event may not carry `{{`; use `raw(…)` to allow it
    s/first - rejected `text` is "{{=1}}", and text from an event may not carry `{{`; use `raw(…)` to allow it
    s/none - fired {"text":"{{x}}"}
    "#);
}

#[test]
fn long_keys_are_told_apart() {
    let long = "k".repeat(80);
    let rules = format!(
        "sensor s on q.e {{ rule r {{ when body[\"{long}A\"] == 2  when body[\"{long}B\"] == 2  trigger note {{}} }} }}"
    );
    let body = format!(r#"{{"{long}A":2,"{long}B":1}}"#);
    assert_eq!(lines(&rules, &body, &Fuses::default()), "s/r - not-matched \n");
}

/// A rule that needs unlimited work for a small event is rejected soon, and the others decide it.
#[test]
fn work_is_bounded() {
    let cheap = "rule cheap { when body.t starts-with \"2\"  trigger note {} }";
    let long = |one: &str| format!("[{}{one}]", format!("{one},").repeat(4_000));
    let text = "2,".repeat(4_000);
    let body = format!(r#"{{"a":{},"b":{},"t":"{text}"}}"#, long("1"), long("2"));
    let rejected = |rules: String| {
        let text = format!("source q queue {{ event e }}\nsensor s on q.e {{ {rules} }}");
        let plan = load(&text).plan().with_max_work(2_000_000);
        let evaluation = plan.evaluate(&event(&body), &Fuses::default());
        assert_eq!(evaluation.refused, None);
        let (dear, others): (Vec<_>, Vec<_>) =
            evaluation.decisions.into_iter().partition(|decision| decision.rule == "s/dear");
        assert!(!dear.is_empty(), "{text}");
        for decision in dear {
            assert_eq!(decision.outcome, Outcome::Rejected, "{text}");
            assert!(decision.reason.contains("examine more than"), "{decision:?}");
        }
        let outcomes: Vec<_> = others.iter().map(|decision| decision.outcome).collect();
        let expected = if text.contains("rule cheap") { vec![Outcome::Fired] } else { Vec::new() };
        assert_eq!(outcomes, expected, "{text}");
    };
    let dear = |when: &str| format!("rule dear {{ {when}\n trigger note {{}} }}");
    let nested = dear("when any(x in body.a: any(y in body.b: x == y))");
    rejected(format!("{nested} {cheap}"));
    rejected(format!("{cheap} {nested}"));
    for when in [
        "when any(x in body.a: x in body.b)",
        "when any(x in body.a: x in [body.b, 5])",
        "when any(x in body.a: any(y in split(body.t, \",\"): x == y))",
        "when len(map(x in body.a: map(y in body.b: y))) == 1",
        "when len(filter(x in body.a: len(filter(y in body.b: true)) == x)) == 1",
        "when any(x in body.a: first(y in [body.b]: true)[0] == x)",
        "each x in body.a max 10000\n when json([x, body.b]) == \"\"",
    ] {
        rejected(dear(when));
    }
    rejected(
        "rule dear { each x in body.a max 10000\n trigger note { value = body.t } }".to_owned(),
    );
    // Two rules that are within the limit copy more together than an event may.
    let text = "2,".repeat(5_000);
    let body = format!(r#"{{"a":{},"t":"{text}"}}"#, long("1"));
    let copies = |name: &str| {
        format!("rule {name} {{ each x in body.a max 10000\n trigger note {{ value = body.t }} }}")
    };
    let rules = format!(
        "source q queue {{ event e }}\nsensor s on q.e {{ {} {} }}",
        copies("a"),
        copies("b")
    );
    let refused = load(&rules).plan().evaluate(&event(&body), &Fuses::default()).refused.unwrap();
    assert_eq!(refused, "the actions of this event would have more than 64 MiB");
}

/// The names of nested binders can be swapped: only the list that a name iterates over counts.
#[test]
fn atoms_that_read_alike_are_told_apart() {
    let first = "rule first { when any(a in body.xs: any(b in body.ys: a == 1))  trigger note {} }";
    let second =
        "rule second { when any(b in body.xs: any(a in body.ys: a == 1))  trigger note {} }";
    let body = r#"{"xs":[1],"ys":[2]}"#;
    let decided =
        |rules: &str| lines(&format!("sensor s on q.e {{ {rules} }}"), body, &Fuses::default());
    assert_eq!(
        decided(&format!("{first} {second}")),
        "s/first - fired {}\ns/second - not-matched \n"
    );
    assert_eq!(
        decided(&format!("{second} {first}")),
        "s/second - not-matched \ns/first - fired {}\n"
    );
}
