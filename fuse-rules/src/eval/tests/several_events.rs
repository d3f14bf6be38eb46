//! Sensors that listen to several events.

use super::{RECEIVED, decide, load};
use crate::event::Event;
use crate::fuses::Fuses;

const RULES: &str = r#"
source q queue { event e, event f : { n: int }, event g }
source other queue { event f }
sensor both on q.e or q.f {
  rule name { trigger text { text = "${event.source}.${event.name} ${body.n}" } }
  rule large { when body.n > 5  trigger text { text = "large" } }
}
sensor one on q.f { rule r { trigger text { text = "f" } } }
sensor all on q.g or other.f or q.f { rule r { when body.n is int  trigger text { text = event.source } } }
"#;

#[test]
fn each_event_has_the_rules_of_all_its_sensors() {
    let ruleset = load(RULES);
    let fired = |source: &str, name: &str, body: &str| -> Vec<String> {
        let event = Event::new(source, name, body.as_bytes()).unwrap();
        let event = event.received(RECEIVED.parse().unwrap());
        let decisions = decide(&ruleset, &event, &Fuses::default()).decisions;
        let shown = decisions.into_iter().map(|decision| match decision.action {
            Some(action) => format!("{} {}", decision.rule, action.fields["text"]),
            None => format!("{} {}", decision.rule, decision.outcome),
        });
        shown.collect()
    };
    assert_eq!(fired("q", "e", r#"{"n":9}"#), ["both/name \"q.e 9\"", "both/large \"large\""]);
    let of_f = ["both/name \"q.f 1\"", "both/large not-matched", "one/r \"f\"", "all/r \"q\""];
    assert_eq!(fired("q", "f", r#"{"n":1}"#), of_f);
    assert_eq!(fired("other", "f", r#"{"n":1}"#), ["all/r \"other\""]);
    assert_eq!(fired("q", "g", r#"{"n":"1"}"#), ["all/r not-matched"]);
}

#[test]
fn a_sensor_is_listed_once_and_planned_per_event() {
    let ruleset = load(RULES);
    let names: Vec<_> = ruleset.rules().map(|rule| rule.name.to_owned()).collect();
    assert_eq!(names, ["both/name", "both/large", "one/r", "all/r"]);
    let events: Vec<String> = ruleset
        .sensors()
        .map(|sensor| {
            let events: Vec<_> = sensor.events.iter().map(ToString::to_string).collect();
            events.join(" or ")
        })
        .collect();
    assert_eq!(events, ["q.e or q.f", "q.f", "q.g or other.f or q.f"]);
    let listing = ruleset.plan().listing();
    assert_eq!(listing.matches("rule both/large").count(), 2, "{listing}");
    assert_eq!(ruleset.plan().always_decided(), ["both/name", "one/r"]);
}
