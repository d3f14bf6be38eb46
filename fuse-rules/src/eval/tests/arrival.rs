//! What happens to an event before rules see it: routing, cloud events, decoding, and the parameters of its path.

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::generate::{body, condition};
use super::many::Random;
use super::{RECEIVED, registry};
use crate::analysis::tests::generate::{Theme, body as small_body, condition as small_condition};
use crate::analysis::{Analysis, Placed};
use crate::diagnostic::tests::kinds;
use crate::reference::{self, World};
use crate::ruleset::Ruleset;
use crate::{Event, Fuses, Plan};

fn load(text: &str) -> Ruleset {
    Ruleset::parse("a.rules", text, &kinds::registry())
        .unwrap_or_else(|why| panic!("{why}\n{text}"))
}

/// The event that matches a request with these headers and this body: its name, `-`, or why there is none.
fn routed(plan: &Plan, headers: &[(&str, &str)], body: &str) -> String {
    let event = Event::unread("s", "rest", body.as_bytes()).unwrap();
    let event = headers.iter().fold(event, |event, (name, value)| event.header(name, value));
    match plan.arrive(event) {
        Ok(arrived) => arrived.map_or("-".into(), |arrived| arrived.event().name().to_owned()),
        Err(why) => why.to_string(),
    }
}

#[test]
fn a_request_is_the_event_whose_conditions_are_true() {
    let rules = |rest: &str| {
        format!(
            r#"source s webhook {{
                port = 1, path = "/x"
                event push {{ when headers.x-event == "push" }}
                event opened {{
                  when headers.x-event == "pull_request"
                  when body.action == "opened"
                }}
                event other-path {{ path = "/y" }}
                {rest}
            }}"#
        )
    };
    let plan = load(&rules("event rest")).plan();
    let pull = [("X-Event", "pull_request")];
    assert_eq!(routed(&plan, &[("X-Event", "push")], "{}"), "push");
    assert_eq!(routed(&plan, &pull, r#"{"action": "opened"}"#), "opened");
    assert_eq!(routed(&plan, &pull, r#"{"action": "closed"}"#), "rest");
    // A condition that is unknown does not take the event.
    assert_eq!(routed(&plan, &pull, "{}"), "rest");
    assert_eq!(routed(&plan, &[], "[]"), "rest");
    // Two values of the key that a condition reads could be two events.
    let twice = routed(&plan, &pull, r#"{"action": "opened", "action": "x"}"#);
    assert!(twice.contains("twice"), "{twice}");
    assert!(routed(&plan, &pull, "{").contains("not JSON"));

    // Beyond the limit on work, the event is unknown. The request must not become another event.
    let dear = r#"source s webhook {
        port = 1, path = "/x"
        event dear { when any(x in body.a: any(y in body.b: x == y)) }
        event rest
    }"#;
    let plan = load(dear).plan();
    let long = |one: &str| vec![one; 2_000].join(",");
    let expensive = format!(r#"{{"a": [{},2], "b": [{}]}}"#, long("1"), long("2"));
    let refused = routed(&plan, &[], &expensive);
    assert!(refused.contains("examine more than 2000000 values"), "{refused}");
    assert_eq!(routed(&plan, &[], r#"{"a": [1], "b": [1]}"#), "dear");

    let plan = load(&rules("event rest { when headers.x-event == \"rest\" }")).plan();
    assert_eq!(routed(&plan, &pull, "{}"), "-");
    assert_eq!(routed(&plan, &[("X-Event", "rest")], "{}"), "rest");
    let elsewhere = Event::new("s", "other-path", b"{}").unwrap().header("x-event", "push");
    assert_eq!(plan.arrive(elsewhere).unwrap().unwrap().event().name(), "other-path");
}

#[test]
fn conditions_on_headers_alone_do_not_read_the_body() {
    let rules = "source s webhook { port = 1, path = \"/x\"
        event a { when headers.x == \"a\" }
        event rest }";
    let plan = load(rules).plan();
    assert_eq!(routed(&plan, &[("x", "a")], "not JSON"), "a");
    assert_eq!(routed(&plan, &[], "not JSON"), "rest");
}

/// The message of the rule's action, or why there is none.
fn message(plan: &Plan, event: &Event<'_>) -> String {
    let evaluation = plan.evaluate(event, &Fuses::default());
    if let Some(why) = evaluation.refused {
        let all = plan.evaluate_all(event, &Fuses::default());
        assert_eq!(all.refused.as_ref(), Some(&why));
        assert_eq!(plan.explain(event, &Fuses::default()).refused.as_ref(), Some(&why));
        assert!(plan.missing(event).is_empty());
        return why;
    }
    let action = evaluation.decisions.first().and_then(|decision| decision.action.as_ref());
    action.map_or("-".into(), |action| action.fields["message"].as_str().unwrap().to_owned())
}

fn decoding(source: &str, message: &str) -> Plan {
    let rules = format!(
        "source s webhook {{ port = 1, path = \"/x\"\n{source}\n event rest }}
         sensor z on s.rest {{ rule r {{ trigger log {{ message = {message} }} }} }}"
    );
    load(&rules).plan()
}

#[test]
fn rules_see_the_decoded_body() {
    let event = |body| Event::new("s", "rest", body).unwrap();
    let plan = decoding("decode = body.inner", "string(body.a)");
    assert_eq!(message(&plan, &event(br#"{"a": 1, "inner": {"a": 2.0}}"#)), "2");
    let missing = "the body cannot be decoded: `body.inner` is missing";
    assert_eq!(message(&plan, &event(br#"{"a": 1}"#)), missing);
    let plan = decoding("decode = base64-decode(body)\n format = \"text\"", "body");
    assert_eq!(message(&plan, &event(b"\"aGVsbG8=\"")), "hello");
    let bad = message(&plan, &event(b"\"?\""));
    assert!(bad.starts_with("the body cannot be decoded: "), "{bad}");
    // A text is taken over as it is, so that even numbers that fuse cannot represent survive.
    let plan = decoding("decode = parse-json(body.payload)", "string(body.a)");
    assert_eq!(message(&plan, &event(br#"{"payload": "{\"a\": 2.50, \"b\": 1e999}"}"#)), "2.5");
    let bad = message(&plan, &event(br#"{"payload": "{"}"#));
    assert!(bad.starts_with("the body cannot be decoded: the text is not JSON"), "{bad}");
    let bad = message(&plan, &event(br#"{"payload": 1}"#));
    assert_eq!(bad, "the body cannot be decoded: 1 is not a text");
    // The id is that of the body that arrives.
    let plan = decoding("decode = body.inner\n id = body.id", "event.id");
    let event = event(br#"{"id": "outer", "inner": {"id": "inner"}}"#);
    assert_eq!(plan.source_field(&event, "id"), Ok(Some("outer".into())));
}

#[test]
fn a_structured_cloud_event_is_one_in_the_binary_mode() {
    let plan = decoding("id = headers.ce-id", "\"${event.type} ${headers.ce-source} ${body.a}\"");
    let body =
        br#"{"specversion": "1.0", "id": "7", "source": "/s", "type": "t", "data": {"a": "x"}}"#;
    let structured = Event::new("s", "rest", body)
        .unwrap()
        .header("Content-Type", "application/cloudevents+json");
    let binary = Event::new("s", "rest", br#"{"a": "x"}"#).unwrap();
    let attributes = [("ce-id", "7"), ("ce-source", "/s"), ("ce-type", "t")];
    let binary =
        attributes.into_iter().fold(binary, |event, (name, value)| event.header(name, value));
    for event in [structured, binary] {
        assert_eq!(message(&plan, &event), "t /s x");
        assert_eq!(plan.source_field(&event, "id"), Ok(Some("7".into())));
    }
    let other = Event::new("s", "rest", body).unwrap().header("Content-Type", "application/json");
    assert_eq!(message(&plan, &other), "-", "its attributes are not in its headers");
    // A text is not read as JSON.
    let plan = decoding("format = \"text\"", "body");
    let text = Event::new("s", "rest", b"\"{}\"").unwrap();
    assert_eq!(message(&plan, &text.header("content-type", "application/cloudevents+json")), "{}");
}

/// The data of a cloud event may be one, too.
#[test]
fn a_cloud_event_is_unwrapped_once() {
    let plan = decoding("id = headers.ce-id", "\"${event.type} ${body.type}\"");
    let body = br#"{"specversion": "1.0", "id": "7", "source": "/s", "type": "outer",
        "datacontenttype": "application/cloudevents+json",
        "data": {"specversion": "1.0", "id": "8", "source": "/s", "type": "inner"}}"#;
    let event = Event::unread("s", "rest", body).unwrap();
    let event = event.header("Content-Type", "application/cloudevents+json");
    assert_eq!(message(&plan, &event), "outer inner");
    assert_eq!(plan.source_field(&event, "id"), Ok(Some("7".into())));
    let mut arrived = plan.arrive(event).unwrap().unwrap();
    assert_eq!(arrived.source_field("id"), Ok(Some("7".into())));
    assert_eq!(plan.source_field(arrived.event(), "id"), Ok(Some("7".into())));
    let seen = arrived.seen().unwrap();
    assert_eq!(message(&plan, &seen), "outer inner");
    assert_eq!(plan.seen(&seen).unwrap().body(), seen.body());
}

#[test]
fn a_body_is_validated_wherever_it_is_read_first() {
    for (source, body) in [
        ("", "{"),
        ("id = body.id", "{"),
        ("id = headers.x-id", "{"),
        ("decode = body.inner", "{"),
        ("format = \"text\"\n decode = parse-json(body)", "\"{\""),
    ] {
        let plan = decoding(source, "\"x\"");
        let event = Event::unread("s", "rest", body.as_bytes()).unwrap().header("x-id", "1");
        let seen = plan.arrive(event).and_then(|arrived| {
            let mut arrived = arrived.unwrap();
            arrived.source_field("id")?;
            arrived.seen()
        });
        assert!(seen.unwrap_err().to_string().contains("not JSON"), "{source}");
    }
}

#[test]
fn parameters_of_the_path_are_values_of_the_event() {
    let rules = "source s webhook { port = 1, path = \"/hooks/{tenant}\", id = event.path.tenant, event rest }
        sensor z on s.rest { rule r {
          when event.path.tenant == \"acme\"
          trigger log { message = \"for ${event.path.tenant}\" } } }";
    let ruleset = load(rules);
    let plan = ruleset.plan();
    let event = Event::new("s", "rest", b"{}").unwrap().path_parameter("tenant", "acme");
    assert_eq!(message(&plan, &event), "for acme");
    assert_eq!(plan.source_field(&event, "id"), Ok(Some("acme".into())));
    super::decide(&ruleset, &event, &Fuses::default());
    let without = Event::new("s", "rest", b"{}").unwrap();
    super::decide(&ruleset, &without, &Fuses::default());
    assert_eq!(plan.missing(&without), ["event.path.tenant"]);
}

/// If the analysis proves that two conditions exclude each other, no request makes both true. The conditions use few
/// paths and constants, so they often exclude each other and often do not.
#[test]
fn at_most_one_event_takes_a_request() {
    let mut random = Random::new(5);
    let (mut pairs, mut proven, mut alone, mut overlapping) = (0, 0, 0, 0);
    while pairs < 300 {
        let theme = Theme::new(&mut random);
        let [one, other] = [(); 2].map(|()| small_condition(&mut random, &theme, &["body"], 1));
        let address = "source s webhook { port = 1, path = \"/x\"\n";
        let events =
            format!("{address} event a {{ when {one}\n }}\n event b {{ when {other}\n }} }}");
        let trigger = "trigger log { message = \"x\" }";
        let rules = format!(
            "{address} event e }} sensor z on s.e {{ rule a {{ when {one}\n {trigger} }} rule b {{ when {other}\n {trigger} }} }}"
        );
        // The checker rejects some conditions.
        let Ok(rules) = Ruleset::parse("a.rules", &rules, &kinds::registry()) else { continue };
        let is_proven = match Ruleset::parse("a.rules", &events, &kinds::registry()) {
            Ok(_) => true,
            Err(problems) if problems.iter().all(|one| one.topic.to_string() == "E0412") => false,
            Err(_) => continue,
        };
        pairs += 1;
        proven += usize::from(is_proven);
        let sensor = &rules.typed().sensors[0];
        let (mut is_alone, mut has_both) = (false, false);
        let mut look = |event: &Event<'_>| {
            let world = World::new(event, None);
            let is_true = |rule: &crate::typed::Rule| {
                rule.when.iter().all(|when| reference::truth(&world, Vec::new(), when) == Ok(true))
            };
            let truths = [&sensor.rules[0], &sensor.rules[1]].map(is_true);
            is_alone |= truths[0] != truths[1];
            has_both |= truths == [true, true];
            assert!(!is_proven || truths != [true, true], "{event:?} {}\n{events}", event.body());
        };
        let mut analysis = Analysis::new(rules.typed());
        for rule in &sensor.rules {
            let placed = Placed { sensor, rule };
            for answer in [analysis.matching(placed), analysis.failing(placed)] {
                if let Some(witness) = answer.witness() {
                    witness.event(witness.name.as_pair(), &mut look).unwrap();
                }
            }
        }
        for _ in 0..30 {
            let body = small_body(&mut random, "");
            let event = Event::new("s", "e", body.as_bytes()).unwrap();
            look(
                &event.header("X-Kind", random.pick(&["prod", "dev", "1", ""])).query("page", "1"),
            );
        }
        alone += usize::from(is_proven && is_alone);
        overlapping += usize::from(has_both);
    }
    println!(
        "{pairs} pairs: {proven} proven, {alone} of them with true ones; {overlapping} overlap"
    );
    assert!(proven * 10 > pairs && alone * 2 > proven, "{proven} and {alone} of {pairs}");
    assert!(overlapping * 5 > pairs, "{overlapping} of {pairs}");
}

proptest! {
    #![proptest_config(Config { cases: 600, ..Config::default() })]

    /// The plan finds the event whose condition the reference finds true.
    #[test]
    fn the_plan_and_the_reference_find_the_same_event(
        conditions in prop::collection::vec(condition(vec!["body".into()], 1), 2),
        excluded in any::<bool>(),
        bodies in prop::collection::vec(body(), 8),
    ) {
        // Independent conditions hardly ever exclude each other.
        let second = match excluded {
            true => format!("not ({}) and ({})", conditions[0], conditions[1]),
            false => conditions[1].clone(),
        };
        let text = format!(
            "source s webhook {{ port = 1, path = \"/x\"\n event a {{ when {}\n }}\n event b {{ when {second}\n }}\n event rest }}",
            conditions[0]
        );
        let Ok(ruleset) = Ruleset::parse("a.rules", &text, &kinds::registry()) else { return Ok(()) };
        let plan = ruleset.plan();
        for body in bodies {
            let event = Event::new("s", "rest", body.as_bytes()).unwrap();
            let world = World::new(&event, None);
            let events = &ruleset.typed().sources[0].events;
            let is_true = |condition| reference::truth(&world, Vec::new(), condition) == Ok(true);
            let taken: Vec<&str> = events
                .iter()
                .filter(|event| !event.when.is_empty() && event.when.iter().all(is_true))
                .map(|event| event.name.as_str())
                .collect();
            prop_assert!(taken.len() < 2, "{body}\n{text}");
            // A key that occurs twice is refused.
            if let Ok(arrived) = plan.arrive(event.clone()) {
                let name = arrived.as_ref().map(|arrived| arrived.event().name());
                prop_assert_eq!(name, Some(taken.first().copied().unwrap_or("rest")), "{}\n{}", body, text);
            }
        }
    }

    /// A body that is decoded is decided like the decoded body itself.
    #[test]
    fn decoding_is_the_same_as_sending_the_decoded_body(
        condition in condition(vec!["body".into()], 2),
        inner in body(),
    ) {
        let rules = |decode: &str| format!(
            "source q queue {{ {decode}\n event e }}
             sensor s on q.e {{ rule r {{ when {condition}\n trigger note {{}} }} }}"
        );
        let Ok(plain) = Ruleset::parse("a.rules", &rules(""), &registry()) else { return Ok(()) };
        let decoded = Ruleset::parse("a.rules", &rules("decode = body.inner"), &registry()).unwrap();
        let outer = format!("{{\"inner\": {inner}}}");
        let event = |body| {
            Event::new("q", "e", body).unwrap().received(RECEIVED.parse().unwrap())
        };
        let (outer, inner) = (event(outer.as_bytes()), event(inner.as_bytes()));
        let fuses = Fuses::default();
        let expected = plain.plan().evaluate_all(&inner, &fuses);
        let found = decoded.plan().evaluate_all(&outer, &fuses);
        // What cannot be written as JSON again, and keys that occur twice, are refused.
        if found.refused.is_none() && expected.refused.is_none() {
            prop_assert_eq!(&found, &expected);
            let acting = decoded.plan().evaluate(&outer, &fuses);
            prop_assert_eq!(acting, plain.plan().evaluate(&inner, &fuses));
        }
    }
}
