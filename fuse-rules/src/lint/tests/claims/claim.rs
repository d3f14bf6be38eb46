//! What a finding says, told from its words and places alone. What needs no event is tried at once: what is said
//! to be unused is taken out, a mended text is compared with what it was, a template is looked up.

use super::super::{load, try_load};
use super::generate::TEMPLATES;
use super::text::{Lines, is_same};
use super::{Finding, findings};
use crate::analysis::{ANY_TEXT, Analysis, Answer, Placed, RECEIVED};
use crate::diagnostic::fix::Edits;
use crate::eval::Plan;
use crate::event::Event;
use crate::fuses::Fuses;
use crate::lint::Lint;
use crate::ruleset::Ruleset;
use crate::{Decision, Outcome};

/// Texts with something that a shell reads in its own way.
const SAYING: &str = r#""(?s).*[$`\"'\\\\;|&<>(* \n].*""#;

/// What it takes events to try.
pub(super) enum Claim {
    /// The rule never acts.
    Never { rule: String },
    /// The rule acts on whatever it is asked about: at each element of so many lists.
    Always { rule: String, depth: usize },
    /// Whenever the one acts the other one does the same.
    Implied { rule: String, by: String },
    /// These rules act on the same events as those of the set; be it only on those without texts of several lines.
    Same { plan: Plan, of_lines: bool },
    /// That a condition is true helps rules to act: these, where it never is, act on nothing more.
    Helps { plan: Plan },
    /// The key of its `once` is the same for all events.
    OneKey { rule: String },
    /// The key of its `once` has the event's id in it.
    OwnKey { rule: String },
}

/// The claims of one finding, of which only those that need events are left.
pub(super) fn claims(text: &str, finding: &Finding) -> Vec<Claim> {
    let lines = Lines(text);
    let line = lines.number(finding.span);
    let own = lines.of(finding.span);
    let names = || lines.names(line);
    let one = || lines.name(line);
    let told = || format!("{finding:?}\n{text}");
    let message = finding.message.as_str();
    match finding.lint.name() {
        "never-matches" => return vec![Claim::Never { rule: one() }],
        "always-matches" => {
            let rule = one();
            return vec![Claim::Always { depth: lines.depth(&rule), rule }];
        }
        "contradictory-condition" => {
            assert!(!names().is_empty(), "{}", told());
            return names().into_iter().map(|rule| Claim::Never { rule }).collect();
        }
        "shadowed-rule" => {
            let by = lines.name(lines.number(finding.related[0].0));
            both_match(text, finding, &[one(), by.clone()]);
            return vec![Claim::Implied { rule: one(), by }];
        }
        "overlapping-rules" => {
            let other = lines.name(lines.number(finding.related[0].0));
            let objects = both_match(text, finding, &[one(), other]);
            assert!(objects.windows(2).all(|pair| pair[0] == pair[1]), "{objects:?}: {}", told());
        }
        "redundant-condition" => {
            // An alternative is left out by what never holds, another condition by what always does.
            let is_alternative = ["is never true", "is true only if"];
            let by = match is_alternative.iter().any(|words| message.contains(words)) {
                true => "event.id is missing",
                false => "event.id is present",
            };
            // Other conditions may make no sense to the checker without it.
            let changed = try_load(&lines.replaced(finding.span, by)).ok();
            return changed
                .map(|rules| Claim::Same { plan: rules.plan(), of_lines: true })
                .into_iter()
                .collect();
        }
        "constant-once-key" => {
            let rule = names().remove(0);
            return vec![match message.starts_with("all events") {
                true => Claim::OneKey { rule },
                false => Claim::OwnKey { rule },
            }];
        }
        "unanchored-match" if message.contains("is equivalent to") => {
            let of_lines = !message.contains("of one line");
            return vec![Claim::Same { plan: load(&finding.fixed(text)).plan(), of_lines }];
        }
        "unanchored-match" => {
            let word = own.trim_matches('"');
            let is_anchored = word.starts_with('^') != word.ends_with('$');
            let is_name = ["body.name", "headers.x-kind", "event.id", "event.type"]
                .iter()
                .any(|name| lines.all()[line].contains(&format!("{name} contains {own}")));
            assert!(is_anchored || is_name && !word.starts_with('-'), "{}", told());
        }
        "mapping-may-be-missing" => {
            let sides: Vec<_> = own.split(" ?? ").map(inside).collect();
            let (last, before) = sides.split_last().unwrap();
            let mut missing: Vec<_> = before.iter().map(|path| lacks(lines, line, path)).collect();
            missing.push(Some(format!("{last} is missing")));
            let missing = missing.into_iter().flatten().collect::<Vec<_>>().join(" and ");
            let outcomes = possible(text, finding, &[&missing]);
            let mut others = outcomes.iter().filter(|outcome| **outcome != Outcome::Rejected);
            assert_eq!(others.next(), None, "this is not needed: {}", told());
        }
        "untrusted-text" | "unsafe-parameter" => {
            let says = |path: &str| {
                let says = [
                    format!("{path} matches {SAYING}"),
                    format!("lower(string({path})) matches {SAYING}"),
                ];
                says.into_iter().find(|condition| checks(lines, line, condition))
            };
            let mut sides = own.split(" ?? ").map(inside);
            let one = sides.next().unwrap();
            // The second one says it where it stands in for the first.
            let instead = sides.next().filter(|other| other.contains('.')).and_then(|other| {
                Some(format!("({} and {})", lacks(lines, line, one)?, says(other)?))
            });
            let any = says(one).into_iter().chain(instead).collect::<Vec<_>>().join(" or ");
            if checks(lines, line, &any) {
                possible(text, finding, &[&any]);
            }
        }
        "all-over-empty-list" => {
            let list = finding.help.split(['(', ')']).nth(1).unwrap();
            // Of what stands inside of a quantifier nothing can be said outside of it.
            if list == "q" || list.starts_with("q.") {
                return Vec::new();
            }
            // Where other conditions have it be something else as well, the checker wants to know first.
            let empty = format!("all(one in {list}: event.id is missing)");
            possible(text, finding, &[&empty, &format!("{list} is list and {empty}")]);
            let changed = try_load(&lines.replaced(finding.span, "event.id is missing")).ok();
            return changed.map(|rules| Claim::Helps { plan: rules.plan() }).into_iter().collect();
        }
        "group-status" => {
            let meant = finding.help.split('`').nth(1).unwrap();
            let condition = match meant.split_once('.') {
                Some(("q", field)) => format!("any(q in body.alerts: q.{field} != {own})"),
                _ => format!("{meant} != {own}"),
            };
            possible(text, finding, &[&condition]);
        }
        "cross-element" => {
            let index = |text: &str| text.split(['[', ']']).nth(1).unwrap().to_owned();
            let other = finding.related.first().map(|(span, _)| index(lines.of(*span)));
            assert_ne!(other, Some(index(own)), "{}", told());
        }
        "mixed-and-or" => assert!(is_same(text, &finding.fixed(text)), "{}", told()),
        "unused-allow" => {
            let fixed = finding.fixed(text);
            assert!(is_same(text, &fixed), "{}", told());
            let others = |text: &str| {
                let all = findings(&load(text)).into_iter();
                let others = all.filter(|finding| !finding.lint.name().ends_with("-allow"));
                others.map(|finding| (finding.lint, finding.message)).collect::<Vec<_>>()
            };
            assert_eq!(others(text), others(&fixed), "{}", told());
        }
        "malformed-allow" => {
            let is_known = |name: &str| Lint::find(name).is_ok();
            let is_whole = own.starts_with("# fuse: allow(") && own.contains(" because ");
            assert!(!is_whole && !is_known(own), "{}", told());
        }
        "unused-source" => {
            let end = (line..).find(|at| lines.all()[*at] == "}").unwrap();
            assert!(is_same(text, &lines.without(line..end + 1)), "{}", told());
        }
        "unused-const" | "unused-condition" | "unused-event" | "unused-fuse" | "unused-type"
        | "unused-use" => assert!(is_same(text, &lines.without(line..line + 1)), "{}", told()),
        "rule-without-test" => {
            let expected = format!("expect {own}");
            assert!(!lines.all().contains(&expected.as_str()), "{}", told());
        }
        "undocumented-rule" => {
            let all = lines.all();
            let before = all[..line].iter().rev().find(|line| !line.starts_with("# fuse"));
            assert_ne!(before, Some(&"# What it is for."), "{}", told());
        }
        "no-fuse" => {
            let (all, at) = (lines.all(), lines.at(line).unwrap());
            let of_sensor = all[at.sensor.start + 1] == "requires gate";
            let of_rule = all[at.rule.clone().unwrap()].contains(&"requires gate");
            let tells = all[at.rule.unwrap()].iter().any(|line| line.starts_with("trigger log"));
            assert!(!of_sensor && !of_rule && !tells, "{}", told());
        }
        "long-name-prefix" => {
            let made = finding.label.split('`').nth(1).unwrap().trim_end_matches("-…");
            assert!(own.starts_with(made) && own.len() > 46 && made.len() <= 46, "{}", told());
        }
        "unknown-template" => {
            assert!(!TEMPLATES.contains(&format!(" {}\n", own.trim_matches('"'))))
        }
        "unknown-parameter" => assert!(!TEMPLATES.contains(own), "{}", told()),
        "impossible-parameter" => {
            assert!(!["fast", "safe"].contains(&own.trim_matches('"')), "{}", told());
        }
        "missing-parameter" => {
            let all = lines.all();
            let own = &all[lines.at(line).unwrap().rule.unwrap()];
            assert!(!own.iter().any(|line| line.starts_with("ref =")), "{}", told());
        }
        other => panic!("nobody tries what `{other}` says"),
    }
    Vec::new()
}

/// The path of an expression, which may stand in a text or a call.
fn inside(expr: &str) -> &str {
    let expr = expr.strip_prefix("\"${").map_or(expr, |rest| rest.trim_end_matches("}\""));
    let expr = expr.rsplit('(').next().unwrap().trim_end_matches(')');
    expr.split(' ').next().unwrap()
}

/// Whether the checker takes one more condition of the rule of a line: of what is no text, or never missing, it is no
/// question.
fn checks(lines: Lines<'_>, line: usize, condition: &str) -> bool {
    let rule = lines.at(line).unwrap().rule.unwrap().start;
    try_load(&lines.with_condition(rule, condition)).is_ok()
}

/// That a default stands in for a value.
fn lacks(lines: Lines<'_>, line: usize, path: &str) -> Option<String> {
    let lacks = [
        format!("({path} is missing or {path} is null)"),
        format!("{path} is missing"),
        format!("{path} is null"),
    ];
    lacks.into_iter().find(|condition| checks(lines, line, condition))
}

/// Fails where it is proven that the rule of a finding never acts where something else is so, too, though the
/// finding says that it may: the first way of saying so that the checker takes. Of a rule that never acts at all nothing
/// is asked. Gives what the rules do on the events that are found.
fn possible(text: &str, finding: &Finding, ways: &[&str]) -> Vec<Outcome> {
    let lines = Lines(text);
    let all = lines.all();
    let names = lines.names(lines.number(finding.span));
    assert!(!names.is_empty(), "{finding:?}\n{text}");
    let mut is_possible = false;
    let mut outcomes = Vec::new();
    for name in &names {
        let is_rule = |at: &usize| all[*at].starts_with("rule ") && lines.name(*at) == *name;
        let rule = (0..all.len()).find(is_rule).unwrap();
        let asked = |way| lines.with_condition(rule, way);
        let changed = ways.iter().find_map(|way| try_load(&asked(way)).ok());
        // Nothing that the checker takes: it says why.
        let changed = changed.unwrap_or_else(|| load(&asked(ways[0])));
        let (answer, event) = matching(&changed, name);
        is_possible |= !answer.is_never() || matching(&load(text), name).0.is_never();
        outcomes.extend(answer.witness().map(|found| {
            let decided = found.event(event, |event| {
                load(text).plan().evaluate_all(event, &Fuses::default().set("gate", true))
            });
            let decided = decided.unwrap().decisions.into_iter();
            let is_own = |decision: &Decision| {
                decision.rule == *name
                    && decision.element.as_deref().unwrap_or_default() == found.element
            };
            decided.filter(is_own).map(|decision| decision.outcome).next().unwrap()
        }));
    }
    assert!(is_possible, "`{}` is impossible there: {finding:?}\n{text}", ways[0]);
    outcomes
}

/// Whether a rule matches, and its event.
fn matching<'r>(ruleset: &'r Ruleset, name: &str) -> (Answer, (&'r str, &'r str)) {
    let rules = ruleset.typed();
    let placed = |sensor| move |rule| Placed { sensor, rule };
    let mut all = rules.sensors.iter().flat_map(|sensor| sensor.rules.iter().map(placed(sensor)));
    let of = all.find(|placed| placed.rule.name == name).unwrap();
    (Analysis::new(rules).matching(of), (&of.sensor.source, &of.sensor.event))
}

/// The event that is shown is acted on by the rules. Gives what names the objects that they change.
fn both_match(text: &str, finding: &Finding, rules: &[String]) -> Vec<Vec<String>> {
    let (_, shown) = finding.help.split_once("both match ").unwrap();
    if shown.contains('…') {
        return Vec::new();
    }
    let (name, rest) = shown.split_once(' ').unwrap();
    let (source, name) = name.split_once('.').unwrap();
    let mut parts =
        serde_json::Deserializer::from_str(rest).into_iter::<&serde_json::value::RawValue>();
    let body = parts.next().unwrap().unwrap().get();
    let mut event = Event::new(source, name, body.as_bytes()).unwrap();
    let mut rest = &rest[body.len()..];
    event = event.id(ANY_TEXT).received(RECEIVED.parse().unwrap());
    while let Some((what, after)) =
        rest.strip_prefix(" with ").and_then(|with| with.split_once(' '))
    {
        let mut parts = serde_json::Deserializer::from_str(after).into_iter::<serde_json::Value>();
        let given = parts.next().unwrap().unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        for (key, value) in given.as_object().into_iter().flatten() {
            event = match what {
                "headers" => event.header(key, &text(value)),
                _ => event.query(key, &text(value)),
            };
        }
        if what == "id" {
            event = event.id(text(&given));
        }
        rest = &after[parts.byte_offset()..];
    }
    if let Some(at) = rest.strip_prefix(" received at ") {
        event = event.received(at.parse().unwrap());
    }
    let decided = load(text).plan().evaluate_all(&event, &Fuses::default().set("gate", true));
    let mut objects = Vec::new();
    for rule in rules {
        let acts = decided.decisions.iter().find(|d| d.rule == *rule && d.outcome.holds());
        let Some(acts) = acts else { panic!("{rule} does not match {shown}: {finding:?}\n{text}") };
        // What is rejected names none.
        if let Some(action) = &acts.action {
            let named = ["kind", "namespace", "name"]
                .map(|field| format!("{:?}", action.fields.get(field)));
            objects.push(named.to_vec());
        }
    }
    objects
}

impl Finding {
    /// The rules with the finding's fix.
    fn fixed(&self, text: &str) -> String {
        let mut edits = Edits::default();
        assert!(edits.take(self.fix.as_ref().unwrap()));
        edits.apply(self.span.file, text)
    }
}
