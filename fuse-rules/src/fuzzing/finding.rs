//! What fuzzing finds, and how it is told.

use std::collections::BTreeMap;

use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::Fuzzer;
use super::input::Draft;
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::typed::Rule;
use crate::value::{Value, cut_at};

/// How often two rules have to fire together before it is told that they always do.
const OFTEN: u64 = 20;
/// How much of a body is shown in a problem.
const SHOWN: usize = 400;

/// What findings are told apart by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) rule: String,
    pub(super) what: FindingKind,
    /// The path that is missing, what else the decision is about, or the field.
    pub(super) detail: String,
}

/// The smallest event of a finding.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) target: usize,
    pub(super) draft: Draft,
    pub(super) size: usize,
    /// The reason of its decision.
    pub(super) reason: String,
}

/// What kind of thing was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// No event was found for which the rule fires.
    NeverFired,
    /// The rule matches an event of its declared type, and its action cannot be made.
    Rejected,
    /// The rule cannot tell of an event of its declared type whether it matches.
    Unknown,
    /// A text that outsiders write reaches an action as it is.
    Hostile,
    /// Two rules fired for the same events and elements, each time.
    AlwaysTogether,
    /// The plan and the reference do not agree, which is a fault of fuse.
    Disagreement,
}

/// Something that an author may not have thought of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// What kind of thing it is.
    pub kind: FindingKind,
    /// The rule's full name.
    pub rule: String,
    /// What there is to say of it, in a sentence.
    pub message: String,
    /// The smallest event that shows it, where one does.
    pub event: Option<FoundEvent>,
}

/// An event that shows something.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FoundEvent {
    /// The source's name.
    pub source: String,
    /// The event's name.
    pub name: String,
    /// The body, as JSON.
    #[serde(serialize_with = "as_json")]
    pub body: String,
    /// Headers, by name.
    pub headers: BTreeMap<String, String>,
    /// Parameters of the query, by name.
    pub query: BTreeMap<String, String>,
    /// When it was received, as RFC 3339 has it.
    pub received: String,
}

/// A body as what it is: a text of it would be quoted, and a number that is read loses digits.
fn as_json<S: Serializer>(body: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serde_json::from_str::<&RawValue>(body).map_err(S::Error::custom)?.serialize(serializer)
}

impl FoundEvent {
    /// The body as JSON that is laid out for people, every number as it is.
    pub fn pretty_body(&self) -> String {
        let body = Value::read_lenient(&self.body);
        serde_json::to_string_pretty(&Exact(&body)).unwrap_or_else(|_| self.body.clone())
    }
}

/// A value whose numbers are written with all of their digits.
struct Exact<'a>(&'a Value<'a>);

impl Serialize for Exact<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::List(items) => serializer.collect_seq(items.iter().map(Exact)),
            Value::Map(map) => {
                serializer.collect_map(map.iter().map(|(key, value)| (key, Exact(value))))
            }
            scalar => {
                let text = scalar.to_json_text().map_err(S::Error::custom)?;
                RawValue::from_string(text).map_err(S::Error::custom)?.serialize(serializer)
            }
        }
    }
}

impl FindingKind {
    /// Its name, as in `never-fired`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NeverFired => "never-fired",
            Self::Rejected => "rejected",
            Self::Unknown => "unknown",
            Self::Hostile => "hostile",
            Self::AlwaysTogether => "always-together",
            Self::Disagreement => "disagreement",
        }
    }
}

pub(super) fn all(fuzzer: &Fuzzer<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for target in &fuzzer.targets {
        for (_, rule) in &target.rules {
            of_rule(fuzzer, rule, &mut found);
        }
    }
    let nameless = fuzzer.found.iter().filter(|(key, _)| key.rule.is_empty());
    found.extend(nameless.map(|(key, held)| told(fuzzer, key, held)));
    found
}

fn of_rule(fuzzer: &Fuzzer<'_>, rule: &Rule, found: &mut Vec<Finding>) {
    let name = rule.name.as_str();
    let fired = fuzzer.fired.get(name).copied().unwrap_or(0);
    if fired == 0 {
        let proven = match fuzzer.never.contains(name) {
            true => ", and its conditions never hold together",
            false => "",
        };
        found.push(Finding {
            kind: FindingKind::NeverFired,
            rule: name.to_owned(),
            message: format!("`{name}` fired for none of {} events{proven}", fuzzer.runs),
            event: None,
        });
    }
    let own = fuzzer.found.iter().filter(|(key, _)| key.rule == name);
    found.extend(own.map(|(key, held)| told(fuzzer, key, held)));
    let mut pairs: Vec<_> =
        fuzzer.together.iter().filter(|((first, _), _)| *first == name).collect();
    pairs.sort_unstable();
    for ((_, other), times) in pairs {
        let of_other = fuzzer.fired.get(other).copied().unwrap_or(0);
        if *times >= OFTEN && *times == fired && of_other == fired && !fuzzer.differ(name, other) {
            found.push(Finding {
                kind: FindingKind::AlwaysTogether,
                rule: name.to_owned(),
                message: format!("`{name}` and `{other}` fired together each of {times} times"),
                event: None,
            });
        }
    }
}

fn told(fuzzer: &Fuzzer<'_>, key: &Key, held: &Held) -> Finding {
    let Key { rule, what: kind, detail } = key;
    let message = match kind {
        FindingKind::Rejected => {
            format!("`{rule}` matches, and is rejected because {}", held.reason)
        }
        FindingKind::Unknown => format!("`{rule}` is unknown because {}", held.reason),
        FindingKind::Hostile => {
            format!("`{rule}` gives `{detail}` a text that an outsider wrote, as it is")
        }
        FindingKind::Disagreement => format!(
            "plan and reference do not agree on `{rule}`: a fault of fuse, please report it"
        ),
        // These are told of rules, and not of events.
        FindingKind::NeverFired | FindingKind::AlwaysTogether => String::new(),
    };
    let target = fuzzer.targets.get(held.target);
    let event = target.map(|target| FoundEvent {
        source: target.source.to_owned(),
        name: target.name.to_owned(),
        body: held.draft.text(),
        headers: held.draft.headers.clone(),
        query: held.draft.query.clone(),
        received: held.draft.received.to_string(),
    });
    Finding { kind: *kind, rule: rule.clone(), message, event }
}

pub(super) fn problems(fuzzer: &Fuzzer<'_>) -> Diagnostics {
    let rules = fuzzer.targets.iter().flat_map(|target| &target.rules);
    let spans: BTreeMap<&str, _> = rules.map(|(_, rule)| (rule.name.as_str(), rule.span)).collect();
    let problems = all(fuzzer).into_iter().map(|finding| {
        let code =
            if finding.kind == FindingKind::Disagreement { Code::E0901 } else { Code::E0608 };
        let problem = match spans.get(finding.rule.as_str()) {
            Some(span) => Diagnostic::warning(code, *span, finding.message),
            None => Diagnostic::without_place(code, finding.message),
        };
        let event = finding.event.map(|event| {
            let FoundEvent { source, name, body, .. } = &event;
            format!("{source}.{name} {}", cut_at(body, SHOWN))
        });
        problem
            .label(finding.kind.as_str())
            .maybe_help(event.map(|event| format!("found with {event}")))
    });
    Diagnostics::new(fuzzer.ruleset.files().clone(), problems.collect())
}
