//! Derives claims from the message and the spans of a finding. Claims that need no event are checked immediately: for
//! example, by removing an unused declaration, or by comparing the rules before and after a fix.

use regex::Regex;

use super::super::{load, try_load};
use super::generate::TEMPLATES;
use super::missing::{branches, checks, lacks, may_be_missing, subject};
use super::text::{Lines, is_same};
use super::{Finding, findings};
use crate::analysis::{ANY_TEXT, Analysis, Answer, Placed};
use crate::diagnostic::fix::Edits;
use crate::eval::Plan;
use crate::event::{DEFAULT_RECEIVED, Event};
use crate::flow::FlowRequest;
use crate::fuses::Fuses;
use crate::lint::Lint;
use crate::ruleset::Ruleset;
use crate::{Decision, Outcome};

/// A pattern for texts with a special character of the shell.
const SHELL_SPECIAL: &str = r#""(?s).*[$`\"'\\\\;|&<>(* \n].*""#;

/// A claim that events can refute.
pub(super) enum Claim {
    /// The rule never acts.
    Never { rule: String },
    /// The rule acts on every event, and on every element of `depth` nested lists.
    Always { rule: String, depth: usize },
    /// Whenever `rule` acts, `by` does the same.
    Implied { rule: String, by: String },
    /// These rules act on the same events as the original ones. If `of_lines` is set, only events without
    /// multi-line texts count.
    Same { plan: Plan, of_lines: bool },
    /// The truth of a condition only helps rules to act: these rules, in which it is never true, act on no
    /// further events.
    Helps { plan: Plan },
    /// All events have the same key of this clause of flow control.
    OneKey { rule: String, clause: FlowLine },
    /// The key of this clause contains the id of the event.
    OwnKey { rule: String, clause: FlowLine },
    /// No event ends what waits at this rule.
    NeverCancels { rule: String },
    /// This limit suppresses nothing, whenever the events arrive.
    NeverReached { rule: String, clause: FlowLine },
}

/// A clause of flow control, as a line of the rules.
pub(super) struct FlowLine(String);

impl FlowLine {
    /// Whether this is the clause that asks.
    pub(super) fn asks(&self, request: &FlowRequest) -> bool {
        let keys = request.clause.split_once(" per ").map_or("", |(_, keys)| keys);
        let keys = if keys.is_empty() { Vec::new() } else { vec![keys.to_owned()] };
        request.flow.text_with(request.limiter.as_deref(), &keys) == self.0
    }
}

/// Checks a finding, and returns the claims that need events.
pub(super) fn claims(text: &str, finding: &Finding) -> Vec<Claim> {
    let lines = Lines(text);
    let line = lines.number(finding.span);
    let own = lines.of(finding.span);
    let names = || lines.names(line);
    let one = || lines.name(line);
    let shown = || format!("{finding:?}\n{text}");
    let message = finding.message.as_str();
    match finding.lint.name() {
        "never-matches" if message.contains("`unless`") => {
            return vec![Claim::NeverCancels { rule: names().remove(0) }];
        }
        "never-matches" => return vec![Claim::Never { rule: one() }],
        "always-matches" => {
            let rule = one();
            return vec![Claim::Always { depth: lines.depth(&rule), rule }];
        }
        "contradictory-condition" => {
            assert!(!names().is_empty(), "{}", shown());
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
            assert!(objects.windows(2).all(|pair| pair[0] == pair[1]), "{objects:?}: {}", shown());
        }
        "redundant-condition" => {
            // A condition that never holds removes an alternative; one that always holds removes another condition.
            let is_alternative = ["is never true", "is true only if"];
            let by = match is_alternative.iter().any(|words| message.contains(words)) {
                true => "event.id is missing",
                false => "event.id is present",
            };
            // The checker may reject the other conditions without this one.
            let changed = try_load(&lines.replaced(finding.span, by)).ok();
            return changed
                .map(|rules| Claim::Same { plan: rules.plan(), of_lines: true })
                .into_iter()
                .collect();
        }
        "constant-key" => {
            let rule = names().remove(0);
            let clause = FlowLine(lines.all()[line].to_owned());
            return vec![match message.starts_with("all events") {
                true => Claim::OneKey { rule, clause },
                false => Claim::OwnKey { rule, clause },
            }];
        }
        "limit-never-reached" => {
            let clause = FlowLine(lines.all()[line].to_owned());
            return vec![Claim::NeverReached { rule: one(), clause }];
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
            assert!(is_anchored || is_name && !word.starts_with('-'), "{}", shown());
        }
        "pattern-in-plain-text" => {
            let word = own.trim_matches('"');
            assert!(Regex::new(word).is_ok_and(|regex| regex.as_str() != regex::escape(word)));
            let fixed = finding.fixed(text);
            // Next to another place with the same slip, the checker may reject the fixed condition.
            let is_alone = text.matches(own).count() == 1;
            let is_accepted = try_load(&fixed).is_ok();
            assert!(if is_accepted { !is_same(text, &fixed) } else { !is_alone }, "{}", shown());
        }
        "mapping-may-be-missing" => may_be_missing(text, finding),
        "untrusted-text" | "unsafe-parameter" => {
            let says = |path: &str| {
                let says = [
                    format!("{path} matches {SHELL_SPECIAL}"),
                    format!("lower(string({path})) matches {SHELL_SPECIAL}"),
                ];
                says.into_iter().find(|condition| checks(lines, line, condition))
            };
            let unsafe_if = |(guard, value): (Option<String>, &str)| {
                let mut sides = value.split(" ?? ").map(subject);
                let one = sides.next().flatten()?;
                // The default matters only if the first value is missing.
                let instead = sides.next().flatten().and_then(|other| {
                    Some(format!("({} and {})", lacks(lines, line, one)?, says(other)?))
                });
                let any = says(one).into_iter().chain(instead).collect::<Vec<_>>().join(" or ");
                let any = guard.map_or(any.clone(), |guard| format!("{guard} and ({any})"));
                checks(lines, line, &any).then(|| format!("({any})"))
            };
            let all = branches(own).into_iter().filter_map(unsafe_if);
            let all = all.collect::<Vec<_>>().join(" or ");
            if !all.is_empty() {
                possible(text, finding, &[&all]);
            }
        }
        "all-over-empty-list" => {
            let list = finding.help.split(['(', ')']).nth(1).unwrap();
            // The list in a quantifier cannot be tested outside of it.
            if list == "q" || list.starts_with("q.") {
                return Vec::new();
            }
            // If the list may also be something else, the checker requires a type test first.
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
            let index = |text: &str| text.split(['[', ']']).nth(1).map(str::to_owned);
            // The name of a `let` has its index elsewhere.
            let Some(own) = index(own) else { return Vec::new() };
            let other = finding.related.first().and_then(|(span, _)| index(lines.of(*span)));
            assert_ne!(other, Some(own), "{}", shown());
        }
        "mixed-and-or" => assert!(is_same(text, &finding.fixed(text)), "{}", shown()),
        "unused-allow" => {
            let fixed = finding.fixed(text);
            assert!(is_same(text, &fixed), "{}", shown());
            let others = |text: &str| {
                let all = findings(&load(text)).into_iter();
                let others = all.filter(|finding| !finding.lint.name().ends_with("-allow"));
                others.map(|finding| (finding.lint, finding.message)).collect::<Vec<_>>()
            };
            assert_eq!(others(text), others(&fixed), "{}", shown());
        }
        "malformed-allow" => {
            let is_known = |name: &str| Lint::find(name).is_ok();
            let is_whole = own.starts_with("# fuse: allow(") && own.contains(" because ");
            assert!(!is_whole && !is_known(own), "{}", shown());
        }
        "unused-source" => {
            let end = (line..).find(|at| lines.all()[*at] == "}").unwrap();
            assert!(is_same(text, &lines.without(line..end + 1)), "{}", shown());
        }
        "unused-const" | "unused-condition" | "unused-event" | "unused-fuse" | "unused-let"
        | "unused-limiter" | "unused-type" | "unused-use" => {
            assert!(is_same(text, &lines.without(line..line + 1)), "{}", shown())
        }
        "unauthenticated-source" => {
            let end = (line..).find(|at| lines.all()[*at] == "}").unwrap();
            let has_auth = lines.all()[line..end].iter().any(|line| line.starts_with("auth "));
            assert!(lines.all()[line].starts_with("source ") && !has_auth, "{}", shown());
        }
        "source-without-id" => {
            let sent = own == "hook" && lines.all()[line].ends_with("gitlab.push");
            assert!(sent && !text.contains("\nid = "), "{}", shown());
        }
        "rule-without-test" => {
            let expected = format!("expect {own}");
            assert!(!lines.all().contains(&expected.as_str()), "{}", shown());
        }
        "undocumented-rule" => {
            let all = lines.all();
            let before = all[..line].iter().rev().find(|line| !line.starts_with("# fuse"));
            assert_ne!(before, Some(&"# What it is for."), "{}", shown());
        }
        "no-fuse" => {
            let (all, at) = (lines.all(), lines.at(line).unwrap());
            let of_sensor = all[at.sensor.start + 1] == "requires gate";
            let of_rule = all[at.rule.clone().unwrap()].contains(&"requires gate");
            let logs = all[at.rule.unwrap()].iter().any(|line| line.starts_with("trigger log"));
            assert!(!of_sensor && !of_rule && !logs, "{}", shown());
        }
        "long-name-prefix" => {
            let made = finding.label.split('`').nth(1).unwrap().trim_end_matches("-…");
            assert!(own.starts_with(made) && own.len() > 46 && made.len() <= 46, "{}", shown());
        }
        "unknown-template" => {
            assert!(!TEMPLATES.contains(&format!(" {}\n", own.trim_matches('"'))))
        }
        "unknown-parameter" => assert!(!TEMPLATES.contains(own), "{}", shown()),
        "impossible-parameter" => {
            assert!(!["fast", "safe"].contains(&own.trim_matches('"')), "{}", shown());
        }
        "missing-parameter" => {
            let all = lines.all();
            let own = &all[lines.at(line).unwrap().rule.unwrap()];
            assert!(!own.iter().any(|line| line.starts_with("ref =")), "{}", shown());
        }
        other => panic!("no claim for `{other}`"),
    }
    Vec::new()
}

/// Fails if the rule of a finding provably never acts under a further condition, although the finding claims that it
/// may. Uses the first of the given forms of the condition that the checker accepts. Ignores rules that never act.
/// Returns the outcomes for the events that the analysis finds.
pub(super) fn possible(text: &str, finding: &Finding, ways: &[&str]) -> Vec<Outcome> {
    let Some((is_possible, outcomes)) = ways.iter().find_map(|way| ask(text, finding, way)) else {
        panic!("the checker accepts none of {ways:?}: {finding:?}\n{text}");
    };
    assert!(is_possible, "`{}` is impossible there: {finding:?}\n{text}", ways[0]);
    outcomes
}

/// Whether a rule of a finding may act under a further condition, and the outcomes for the events that the analysis
/// finds. Returns nothing if the checker rejects the condition.
pub(super) fn ask(text: &str, finding: &Finding, way: &str) -> Option<(bool, Vec<Outcome>)> {
    let lines = Lines(text);
    let all = lines.all();
    let names = lines.names(lines.number(finding.span));
    assert!(!names.is_empty(), "{finding:?}\n{text}");
    let mut is_possible = false;
    let mut outcomes = Vec::new();
    for name in &names {
        let is_rule = |at: &usize| all[*at].starts_with("rule ") && lines.name(*at) == *name;
        let rule = (0..all.len()).find(is_rule).unwrap();
        let changed = try_load(&lines.with_condition(rule, way)).ok()?;
        let answer = matching(&changed, name);
        is_possible |= !answer.is_never() || matching(&load(text), name).is_never();
        outcomes.extend(answer.witness().map(|found| {
            let decided = found.event(found.name.as_pair(), |event| {
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
    Some((is_possible, outcomes))
}

/// Whether a rule can match.
fn matching(ruleset: &Ruleset, name: &str) -> Answer {
    let rules = ruleset.typed();
    let placed = |sensor| move |rule| Placed { sensor, rule };
    let mut all = rules.sensors.iter().flat_map(|sensor| sensor.rules.iter().map(placed(sensor)));
    let of = all.find(|placed| placed.rule.name == name).unwrap();
    Analysis::new(rules).matching(of)
}

/// Checks that the rules act on the event in the help. Returns the identities of the objects that they change.
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
    event = event.id(ANY_TEXT).received(DEFAULT_RECEIVED);
    while let Some((what, after)) =
        rest.strip_prefix(" with ").and_then(|with| with.split_once(' '))
    {
        let mut parts = serde_json::Deserializer::from_str(after).into_iter::<serde_json::Value>();
        let given = parts.next().unwrap().unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        for (key, value) in given.as_object().into_iter().flatten() {
            event = match what {
                "headers" => event.header(key, &text(value)),
                "path" => event.path_parameter(key, &text(value)),
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
        // A rejected action has no object.
        if let Some(action) = &acts.action {
            let named = ["kind", "namespace", "name"]
                .map(|field| format!("{:?}", action.fields.get(field)));
            objects.push(named.to_vec());
        }
    }
    objects
}

impl Finding {
    /// The rules with the fix of the finding applied.
    fn fixed(&self, text: &str) -> String {
        let mut edits = Edits::default();
        assert!(edits.take(self.fix.as_ref().unwrap()));
        edits.apply(self.span.file, text)
    }
}
