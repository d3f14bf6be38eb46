//! The `unless` conditions of `still`: what an event cancels, by all evaluators.

use std::fmt::Write as _;

use super::{RECEIVED, decide, decide_within, load};
use crate::decision::Outcome;
use crate::event::Event;
use crate::fuses::Fuses;
use crate::ruleset::Ruleset;

const SOURCE: &str = "source q queue { event e, event f }\nfuse gate default off\n";

fn event<'e>(name: &'e str, body: &'e str) -> Event<'e> {
    let event = Event::new("q", name, body.as_bytes()).unwrap();
    event.received(RECEIVED.parse().unwrap())
}

/// What an event cancels: the rules, and the clauses with their keys.
fn cancels(ruleset: &Ruleset, name: &str, body: &str) -> Vec<String> {
    let evaluation = decide(ruleset, &event(name, body), &Fuses::default());
    let cancels = evaluation.cancels.iter();
    cancels.map(|one| format!("{} {} | {}", one.rule, one.request.clause, one.request)).collect()
}

#[test]
fn an_event_without_rules_cancels_by_the_keys_of_the_clause() {
    let ruleset = load(&format!(
        "{SOURCE}sensor s on q.e {{
          each x in body.xs
          still 5m per x.key, body.env unless q.f each x in body.all when x.done == true
          rule one {{ trigger note {{}} }}
          rule two {{ shadow  trigger note {{}} }}
        }}"
    ));
    let body = r#"{ "env": "prod", "all": [
        { "key": "a", "done": true }, { "key": "a", "done": true }, { "key": 2, "done": true },
        { "key": "b", "done": false }, { "key": "c", "done": "yes" }, { "done": true }, 7
    ] }"#;
    let one = "s/one still per x.key, body.env | still 5m per";
    let two = "s/two shadow still per x.key, body.env | still 5m per";
    assert_eq!(
        cancels(&ruleset, "f", body),
        [
            format!("{one} \"a\", \"prod\""),
            format!("{one} 2, \"prod\""),
            format!("{two} \"a\", \"prod\""),
            format!("{two} 2, \"prod\""),
        ]
    );
    // A missing key, and no list.
    assert_eq!(cancels(&ruleset, "f", r#"{ "all": [{ "key": "a", "done": true }] }"#), [""; 0]);
    assert_eq!(cancels(&ruleset, "f", r#"{ "env": "prod" }"#), [""; 0]);
    assert_eq!(cancels(&ruleset, "e", body), [""; 0]);
    // They are no rules.
    let names: Vec<_> = ruleset.rules().map(|rule| rule.name.to_owned()).collect();
    assert_eq!(names, ["s/one", "s/two"]);
    let clause = "still 5m per x.key, body.env unless q.f each x in body.all when x.done == true";
    assert_eq!(ruleset.sensors().next().unwrap().flow, [clause]);
    let evaluation = decide(&ruleset, &event("f", body), &Fuses::default());
    assert!(evaluation.decisions.is_empty());
    let explanation = ruleset.plan().explain(&event("f", body), &Fuses::default());
    assert_eq!(explanation.cancels, evaluation.cancels);
    assert!(explanation.decisions.is_empty());
    let asked = ruleset.plan().explain_rules(&event("f", body), &Fuses::default(), &["s/two"]);
    assert_eq!(asked.cancels, evaluation.cancels[2..]);
}

#[test]
fn a_rule_and_its_unless_may_give_one_name_two_values() {
    let ruleset = load(&format!(
        "{SOURCE}sensor s on q.e {{ rule r {{
          let key = lower(string(body.a))
          when key != \"x\" and key != \"y\"
          still 5m per key unless q.e let key = upper(string(body.b)) when key != \"X\" and key != \"Y\"
          trigger note {{ value = key }}
        }} }}"
    ));
    let evaluation =
        decide(&ruleset, &event("e", r#"{ "a": "Me", "b": "you" }"#), &Fuses::default());
    assert_eq!(evaluation.decisions[0].flow[0].values, ["\"me\""]);
    assert_eq!(evaluation.cancels[0].request.values, ["\"YOU\""]);
}

#[test]
fn fuses_do_not_keep_an_event_from_cancelling() {
    let ruleset = load(&format!(
        "{SOURCE}sensor s on q.e {{ requires gate
          rule r {{ still 5m unless q.e when body.done == true  trigger note {{}} }}
        }}"
    ));
    let body = r#"{ "done": true }"#;
    let evaluation = decide(&ruleset, &event("e", body), &Fuses::default());
    assert_eq!(evaluation.decisions[0].outcome, Outcome::Gated);
    assert_eq!(evaluation.cancels.len(), 1);
    let refused =
        decide(&ruleset, &event("e", r#"{ "done": true, "done": true }"#), &Fuses::default());
    assert!(refused.refused.is_some() && refused.cancels.is_empty());
}

#[test]
fn what_is_too_expensive_cancels_nothing() {
    let ruleset = load(&format!(
        "{SOURCE}sensor s on q.e {{
          rule r {{ still 5m unless q.f each x in body.xs each y in body.xs when x == y  trigger note {{}} }}
          rule o {{ still 5m unless q.f when body.xs is present  trigger note {{}} }}
        }}"
    ));
    let numbers: Vec<String> = (0..40).map(|number| number.to_string()).collect();
    let body = format!("{{ \"xs\": [{}] }}", numbers.join(","));
    let within = |most: u64| {
        let evaluation = decide_within(&ruleset, &event("f", &body), &Fuses::default(), most);
        assert!(evaluation.decisions.is_empty());
        evaluation.cancels.into_iter().map(|one| one.rule).collect::<Vec<_>>()
    };
    assert_eq!(within(1_000_000), ["s/o", "s/r"]);
    assert_eq!(within(1_000), ["s/o"]);
    // So is a list that is longer than `max`.
    let long = load(&format!(
        "{SOURCE}sensor s on q.e {{ rule r {{
          still 5m unless q.f each x in body.xs max 39 when x == 1  trigger note {{}}
        }} }}"
    ));
    assert_eq!(cancels(&long, "f", &body), [""; 0]);
    assert_eq!(long.costs().next().unwrap().cost, 79);
}

/// The index finds the conditions: an event does not evaluate all of them.
#[test]
fn the_index_finds_unless_conditions() {
    let mut text = format!("{SOURCE}sensor s on q.e {{\n");
    for number in 0..200 {
        writeln!(
            text,
            "rule r{number} {{ still 5m unless q.f when body.app == \"a{number}\"  trigger note {{}} }}"
        )
        .unwrap();
    }
    let ruleset = load(&format!("{text}}}"));
    assert_eq!(cancels(&ruleset, "f", r#"{ "app": "a77" }"#), ["s/r77 still per  | still 5m"]);
    let listing = ruleset.plan().listing();
    let of_f = listing.split("event q.f").nth(1).unwrap();
    assert_eq!(of_f.matches("unless of s/r").count(), 200);
    assert_eq!(of_f.matches("found by f0.s0 == \"a").count(), 200);
    assert!(!ruleset.plan().always_decided().is_empty(), "the rules have no condition");
    let fields = ruleset.plan().body_fields("q", "f");
    assert_eq!(
        (fields[0].keys.as_slice(), fields[0].strings.len()),
        (&["app".to_owned()][..], 200)
    );
}
