use std::collections::BTreeMap;

use crate::diagnostic::tests::kinds;
use crate::eval::Plan;
use crate::event::Event;
use crate::fuzzing::{FindingKind, Fuzzer};
use crate::ruleset::Ruleset;
use crate::schema::{Field, FieldType, Registry, Schema, SourceSchema};
use crate::testing::{Admitted, EventAdmission, Tests};

fn registry() -> Registry {
    Registry::new()
        .source(SourceSchema::new(Schema::new("queue", ""), Schema::new("event", "")))
        .trigger(
            Schema::new("page", "")
                .field(Field::required("team", FieldType::String, ""))
                .field(Field::optional("why", FieldType::String, "")),
        )
}

fn load(text: &str) -> Ruleset {
    let files = BTreeMap::from([("a.rules", text)]);
    Ruleset::load_in_detail(&["a.rules"], &files, &registry()).unwrap_or_else(|why| panic!("{why}"))
}

/// The findings for these rules, with the bodies that reproduce them.
fn found(text: &str, runs: usize) -> Vec<String> {
    let ruleset = load(text);
    let tests = Tests::new(&ruleset, &BTreeMap::new());
    let mut fuzzer = Fuzzer::new(&ruleset, 7).tests(&tests);
    (0..runs).for_each(|_| fuzzer.step());
    let found = fuzzer.findings().into_iter().map(|finding| {
        let body = finding.event.map_or(String::new(), |event| format!(": {}", event.body));
        format!("{} {}{body}", finding.kind.as_str(), finding.message)
    });
    found.collect()
}

const SOURCE: &str = "source q queue { event e, event typed : { kind: string, size: int, note?: string, tags: list<string>, ... } }\n";

/// A source that accepts only bodies with a `team`.
struct WithTeam;

fn has_team(body: &str) -> bool {
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    !body["team"].is_null()
}

impl EventAdmission for WithTeam {
    fn admit<'e>(&self, plan: &'e Plan, event: Event<'e>, _: &[(String, String)]) -> Admitted<'e> {
        if has_team(event.body()) {
            Ok(plan.arrive(event)?)
        } else {
            Err("there is no team".into())
        }
    }
}

#[test]
fn events_that_a_source_refuses_are_no_findings() {
    let rule = "sensor s on q.e { rule r { when body.a == 1  trigger page { team = body.team } } }";
    let ruleset = load(&format!("{SOURCE}{rule}"));
    let all_have_teams = |mut fuzzer: Fuzzer<'_>| {
        (0..2_000).for_each(|_| fuzzer.step());
        let events = fuzzer.findings().into_iter().filter_map(|finding| finding.event);
        events.into_iter().all(|event| has_team(&event.body))
    };
    assert!(!all_have_teams(Fuzzer::new(&ruleset, 7)));
    assert!(all_have_teams(Fuzzer::new(&ruleset, 7).admission(&WithTeam)));
}

#[test]
fn planted_faults_are_found_with_small_events() {
    let all = [
        // A rule that provably never fires.
        "sensor s on q.e { rule r { when body.a == 1 and body.b > 2 and body.b < 2  trigger page { team = \"x\" } } }",
        // A required value that may be missing.
        "sensor s on q.e { rule r { when body.a == \"x\"  trigger page { team = body.team } } }",
        // An untrusted text reaches an action.
        "sensor s on q.e { rule r { when body.action == \"opened\"  trigger page { team = body.pull_request.title } } }",
        // Two rules that always fire together.
        "sensor s on q.e { rule r { when body.a == 1 trigger page { team = \"x\" } } rule t { when 1 == body.a trigger page { team = \"y\" } } }",
        // Nested conditions on elements, with patterns.
        "sensor s on q.e { each x in body.xs when x.kind like \"prod-*\" rule r { when x.name matches r\"v[0-9]+\" and any(l in x.labels: l == \"deploy\") trigger page { team = \"x\" } } }",
        // No findings: the declared type guarantees everything.
        "sensor s on q.typed { rule r { when body.size >= 10 and \"a\" in body.tags  trigger page { team = body.kind, why? = body.note } } }",
    ];
    let reports: Vec<String> = all
        .iter()
        .map(|rules| {
            format!("{rules}\n  {}\n", found(&format!("{SOURCE}{rules}"), 3_000).join("\n  "))
        })
        .collect();
    insta::assert_snapshot!(reports.join("\n"));
}

#[test]
fn outcomes_that_tests_expect_are_not_reported() {
    let rules =
        "sensor s on q.e { rule r { when body.a == \"x\"  trigger page { team = body.team } } }";
    let test = "test \"t\" { send q.e body { a = \"x\" } expect r rejected send q.e body {} expect r unknown }";
    let without = found(&format!("{SOURCE}{rules}"), 500);
    assert!(without.iter().any(|found| found.contains("needs `body.team`, which is missing")));
    assert!(without.iter().any(|found| found.contains("`body.a` is missing")));
    let with = found(&format!("{SOURCE}{rules}\n{test}"), 500);
    assert!(!with.iter().any(|found| found.contains("is missing")), "{with:?}");
    assert!(!with.iter().any(|found| found.contains("`body.a` is missing")), "{with:?}");
}

#[test]
fn the_same_seed_finds_the_same() {
    let rules = format!(
        "{SOURCE}sensor s on q.e {{ rule r {{ when body.a > 3 and body.b.c == \"x\"  trigger page {{ team = body.team }} }} }}"
    );
    assert_eq!(found(&rules, 500), found(&rules, 500));
}

#[test]
fn one_rule_can_be_fuzzed_alone() {
    let ruleset = load(&format!(
        "{SOURCE}sensor s on q.e {{ rule r {{ trigger page {{ team = body.a }} }} rule t {{ trigger page {{ team = body.b }} }} }}"
    ));
    let mut fuzzer = Fuzzer::new(&ruleset, 1).only("t").unwrap();
    (0..200).for_each(|_| fuzzer.step());
    assert_eq!(fuzzer.fired(), (1, 1));
    assert!(fuzzer.findings().iter().all(|finding| finding.rule == "s/t"));
    assert!(fuzzer.findings().iter().any(|finding| finding.kind == FindingKind::Rejected));
    assert_eq!(Fuzzer::new(&ruleset, 1).only("x").unwrap_err(), ["s/r", "s/t"]);
}

/// fuse rejects oversized lists by design, whatever the rule does.
#[test]
fn rejections_by_design_are_not_reported() {
    let source = "source q queue { event e : { xs: list<string>, ... } }\n";
    let rules = "sensor s on q.e { each x in body.xs max 1 rule r { trigger page { team = x } } }";
    assert_eq!(found(&format!("{source}{rules}"), 1_000), Vec::<String>::new());
}

/// One of the rules also fires alone, so they do not always fire together.
#[test]
fn rules_that_fire_alone_do_not_always_fire_together() {
    let rules = "sensor s on q.e { rule a { when body.a == 1 trigger page { team = \"x\" } }
        rule b { when body.a in [1, 2] trigger page { team = \"y\" } } }";
    let found = found(&format!("{SOURCE}{rules}"), 2_000);
    assert!(!found.iter().any(|found| found.starts_with("always-together")), "{found:?}");
}

/// The fuzzer finds numbers with more digits than a 64-bit float holds, and their neighbours, even inside a function,
/// where the analysis does not find them.
#[test]
fn long_numbers_are_met_digit_by_digit() {
    for when in [
        "body.n == 12345678901234567890123",
        "abs(body.n) == 1234567890123456789.5",
        "abs(body.n) > 123456789012345678901 and abs(body.n) < 123456789012345678903",
        "body.o.n in [98765432109876543210, 2]",
    ] {
        let rules = format!(
            "sensor s on q.e {{ rule r {{ when {when} trigger page {{ team = \"x\" }} }} }}"
        );
        let found = found(&format!("{SOURCE}{rules}"), 2_000);
        assert!(!found.iter().any(|found| found.starts_with("never-fired")), "{when}: {found:?}");
    }
}

/// Events keep all digits of their numbers when they are shown or saved.
#[test]
fn events_that_are_found_keep_their_digits() {
    let ruleset = load(&format!(
        "{SOURCE}sensor s on q.e {{ rule r {{ when body.n == 12345678901234567890123 trigger page {{ team = body.team }} }} }}"
    ));
    let mut fuzzer = Fuzzer::new(&ruleset, 3);
    fuzzer.seed("q", "e", br#"{"n": 12345678901234567890123, "m": {"a": [1]}}"#).unwrap();
    assert!(fuzzer.seed("q", "e", b"{").is_err());
    let found = fuzzer.findings();
    let rejected = found.iter().find(|found| found.kind == FindingKind::Rejected).unwrap();
    let text = serde_json::to_string(rejected).unwrap();
    assert!(text.contains(r#""body":{"n":12345678901234567890123}"#), "{text}");
    let event = rejected.event.clone().unwrap();
    assert_eq!(event.pretty_body(), "{\n  \"n\": 12345678901234567890123\n}");
}

/// An interpolation of constants is a constant.
#[test]
fn interpolated_constants_are_met() {
    let rules = "const main = \"main\"
        condition is-branch(ref, name) = lower(ref) == \"refs/heads/${name}/1\"
        sensor s on q.e { rule r { when lower(body.ref) == \"refs/heads/${main}\" trigger page { team = \"x\" } }
          rule t { when is-branch(body.ref, \"dev\") trigger page { team = \"y\" } } }";
    let found = found(&format!("{SOURCE}{rules}"), 2_000);
    assert!(!found.iter().any(|found| found.starts_with("never-fired")), "{found:?}");
}

/// Every request has all parameters of its path, and findings keep them.
#[test]
fn parameters_of_the_path_are_set() {
    let text = "source hooks webhook { port = 1, path = \"/{tenant}/{job}\", event called }
        sensor s on hooks.called { rule r { when event.path.tenant == \"acme\" and lower(event.path.job) == \"build\"
          trigger log { message = body.text } } }";
    let files = BTreeMap::from([("a.rules", text)]);
    let ruleset = Ruleset::load_in_detail(&["a.rules"], &files, &kinds::registry()).unwrap();
    let mut fuzzer = Fuzzer::new(&ruleset, 7);
    (0..2_000).for_each(|_| fuzzer.step());
    assert_eq!(fuzzer.fired(), (1, 1));
    let findings = fuzzer.findings();
    let messages: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
    assert!(!messages.iter().any(|message| message.contains("event.path")), "{messages:?}");
    let rejected = findings.iter().find(|found| found.kind == FindingKind::Rejected).unwrap();
    let path = &rejected.event.as_ref().unwrap().path;
    assert_eq!((path["tenant"].as_str(), path["job"].to_lowercase().as_str()), ("acme", "build"));
}

/// Inputs are decoded bodies. Findings are what the sender sends, if fuse knows how to encode it.
#[test]
fn findings_of_decoded_events_are_encoded() {
    let found = |decode: &str| {
        let text = format!(
            "source topic webhook {{ port = 1, path = \"/\"
               event alarm {{ when body.Type == \"alarm\", decode = {decode} }}
               event other {{ when body.Type == \"other\" }} }}
             sensor s on topic.alarm {{ rule r {{ when body.n > 1  trigger log {{ message = body.text }} }} }}"
        );
        let files = BTreeMap::from([("a.rules", text.as_str())]);
        let ruleset = Ruleset::load_in_detail(&["a.rules"], &files, &kinds::registry()).unwrap();
        let mut fuzzer = Fuzzer::new(&ruleset, 7);
        (0..500).for_each(|_| fuzzer.step());
        let findings = fuzzer.findings();
        let rejected = findings.iter().find(|found| found.kind == FindingKind::Rejected).unwrap();
        let event = rejected.event.clone().unwrap();
        assert_eq!(fuzzer.problems().to_string().contains("the decoded body of"), event.is_decoded);
        event.body
    };
    let encoded = r#"{"Type":"alarm","a":{"Message":"{\"n\":"#;
    let body = found("parse-json(body.a.Message)");
    assert!(body.starts_with(encoded), "{body}");
    let body = found("body.records[0]");
    assert!(body.starts_with(r#"{"Type":"alarm","records":[{"n":"#), "{body}");
    let body = found("body.a ?? body.b");
    assert!(body.starts_with(r#"{"n":"#), "{body}");
}
