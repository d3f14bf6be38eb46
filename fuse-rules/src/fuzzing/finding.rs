//! Findings, and how they are reported.

use std::collections::BTreeMap;

use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::Fuzzer;
use super::input::Input;
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::typed::Rule;
use crate::value::{Value, cut_at};

/// How often two rules must fire together before fuse reports that they always do.
const MIN_TOGETHER: u64 = 20;
/// The length at which a body is cut in diagnostics, in characters.
const MAX_BODY_CHARS: usize = 400;

/// The identity of a finding. Findings with the same key are duplicates.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct FindingKey {
    pub(super) rule: String,
    pub(super) kind: FindingKind,
    /// The missing path, the names in the reason of the decision, or the field.
    pub(super) detail: String,
}

/// The smallest input that reproduces a finding.
#[derive(Clone, Debug)]
pub(super) struct SmallestInput {
    /// The index of the target.
    pub(super) target: usize,
    pub(super) input: Input,
    pub(super) size: usize,
    /// The reason of the decision.
    pub(super) reason: String,
}

/// The kind of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// The rule fired for no event.
    NeverFired,
    /// The rule matches an event of its declared type, but its action cannot be built.
    Rejected,
    /// Whether the rule matches is unknown for an event of its declared type.
    Unknown,
    /// An untrusted text reaches an action unchanged.
    Hostile,
    /// Two rules always fired together, for the same events and elements.
    AlwaysTogether,
    /// The plan and the reference evaluator disagree. This is a bug in fuse.
    Disagreement,
}

/// Behaviour of the rules that their author may not have considered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// The kind of the finding.
    pub kind: FindingKind,
    /// The full name of the rule.
    pub rule: String,
    /// The description, in one sentence.
    pub message: String,
    /// The smallest event that reproduces the finding, if an event does.
    pub event: Option<FoundEvent>,
}

/// An event that reproduces a finding.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FoundEvent {
    /// The name of the source.
    pub source: String,
    /// The name of the event.
    pub name: String,
    /// The body as it is sent, as JSON.
    #[serde(serialize_with = "as_json")]
    pub body: String,
    /// Whether `body` is the body after `decode`, because fuse does not know how to encode it.
    pub is_decoded: bool,
    /// The headers, by name.
    pub headers: BTreeMap<String, String>,
    /// The query parameters, by name.
    pub query: BTreeMap<String, String>,
    /// The parameters of the path, by name.
    pub path: BTreeMap<String, String>,
    /// The time of receipt, in RFC 3339 format.
    pub received: String,
}

/// Serializes a body as raw JSON, which keeps all digits of its numbers.
fn as_json<S: Serializer>(body: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serde_json::from_str::<&RawValue>(body).map_err(S::Error::custom)?.serialize(serializer)
}

impl FoundEvent {
    /// The body as indented JSON. Numbers keep all their digits.
    pub fn pretty_body(&self) -> String {
        let body = Value::read_lenient(&self.body);
        serde_json::to_string_pretty(&Exact(&body)).unwrap_or_else(|_| self.body.clone())
    }
}

/// Serializes a value without losing digits of its numbers.
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
    /// The name of the kind, as in `never-fired`.
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

pub(super) fn findings(fuzzer: &Fuzzer<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for target in &fuzzer.targets {
        for (_, rule) in &target.rules {
            rule_findings(fuzzer, rule, &mut found);
        }
    }
    let without_rule = fuzzer.found.iter().filter(|(key, _)| key.rule.is_empty());
    found.extend(without_rule.map(|(key, smallest)| to_finding(fuzzer, key, smallest)));
    found
}

fn rule_findings(fuzzer: &Fuzzer<'_>, rule: &Rule, found: &mut Vec<Finding>) {
    let name = rule.name.as_str();
    let fired = fuzzer.fired.get(name).copied().unwrap_or(0);
    if fired == 0 {
        let proof = match fuzzer.never_matching.contains(name) {
            true => " because its conditions exclude each other",
            false => "",
        };
        found.push(Finding {
            kind: FindingKind::NeverFired,
            rule: name.to_owned(),
            message: format!("`{name}` did not fire for any of {} events{proof}", fuzzer.runs),
            event: None,
        });
    }
    let own = fuzzer.found.iter().filter(|(key, _)| key.rule == name);
    found.extend(own.map(|(key, smallest)| to_finding(fuzzer, key, smallest)));
    let mut pairs: Vec<_> =
        fuzzer.fired_together.iter().filter(|((first, _), _)| *first == name).collect();
    pairs.sort_unstable();
    for ((_, other), times) in pairs {
        let of_other = fuzzer.fired.get(other).copied().unwrap_or(0);
        if *times >= MIN_TOGETHER
            && *times == fired
            && of_other == fired
            && !fuzzer.differ(name, other)
        {
            found.push(Finding {
                kind: FindingKind::AlwaysTogether,
                rule: name.to_owned(),
                message: format!("`{name}` and `{other}` always fired together ({times} times)"),
                event: None,
            });
        }
    }
}

fn to_finding(fuzzer: &Fuzzer<'_>, key: &FindingKey, smallest: &SmallestInput) -> Finding {
    let FindingKey { rule, kind, detail } = key;
    let message = match kind {
        FindingKind::Rejected => {
            format!("`{rule}` matches but is rejected because {}", smallest.reason)
        }
        FindingKind::Unknown => format!("`{rule}` is unknown because {}", smallest.reason),
        FindingKind::Hostile => {
            format!("`{rule}` passes untrusted text to `{detail}` unchanged")
        }
        FindingKind::Disagreement => format!(
            "the plan and the reference evaluator disagree on `{rule}`: this is a bug in fuse, please report it"
        ),
        // These findings are about rules, not about single events.
        FindingKind::NeverFired | FindingKind::AlwaysTogether => String::new(),
    };
    let target = fuzzer.targets.get(smallest.target);
    let event = target.map(|target| {
        let sent = fuzzer.sent(target, &smallest.input);
        let is_decoded = sent.is_none();
        let input = sent.unwrap_or_else(|| smallest.input.clone());
        FoundEvent {
            source: target.source.to_owned(),
            name: target.name.to_owned(),
            body: input.text(),
            is_decoded,
            received: input.received.to_string(),
            headers: input.headers,
            query: input.query,
            path: input.path,
        }
    });
    Finding { kind: *kind, rule: rule.clone(), message, event }
}

pub(super) fn problems(fuzzer: &Fuzzer<'_>) -> Diagnostics {
    let rules = fuzzer.targets.iter().flat_map(|target| &target.rules);
    let spans: BTreeMap<&str, _> = rules.map(|(_, rule)| (rule.name.as_str(), rule.span)).collect();
    let problems = findings(fuzzer).into_iter().map(|finding| {
        let code =
            if finding.kind == FindingKind::Disagreement { Code::E0901 } else { Code::E0608 };
        let problem = match spans.get(finding.rule.as_str()) {
            Some(span) => Diagnostic::warning(code, *span, finding.message),
            None => Diagnostic::without_place(code, finding.message),
        };
        let event = finding.event.map(|event| {
            let FoundEvent { source, name, body, is_decoded, .. } = &event;
            let decoded = if *is_decoded { "the decoded body of " } else { "" };
            format!("{decoded}{source}.{name} {}", cut_at(body, MAX_BODY_CHARS))
        });
        problem
            .label(finding.kind.as_str())
            .maybe_help(event.map(|event| format!("found with {event}")))
    });
    Diagnostics::new(fuzzer.ruleset.files().clone(), problems.collect())
}
