//! An explanation as text: a heading per rule and element with the outcome, then the reasons.

use clap::builder::styling::{AnsiColor, Style};
use fuse_rules::explain::{Explained, Part};
use fuse_rules::flow::{Cancellation, Flow, FlowRequest};
use fuse_rules::{Decision, Outcome};
use fuse_runtime::event::EventKey;
use fuse_runtime::ledger::MetState;

use super::asked::Asked;
use super::condition::{Shown, condition, is_plain, line_at, others};
use super::{RenderedAction, Report};

/// The note at the end of an incomplete explanation.
const CUT: &str =
    "\nnot shown: why rules did not fire, since that would take too long for this event";

/// The maximum number of elements on one line.
const MOST: usize = 8;

pub(super) fn text(report: &Report<'_>, asked: &Asked) -> String {
    let Report { explanation, objects, file, closest, met } = report;
    let EventKey { id, .. } = &objects.event;
    let mut out = format!("{}, from {file}, id `{id}`\n", objects.event.full_name());
    let notes = met.iter().flat_map(|met| met.notes(id));
    notes.for_each(|note| line_at(&mut out, 0, &note));
    if let Some(why) = &explanation.refused {
        return format!("{out}\nrejected as a whole, so no rule fires: {why}\n");
    }
    if let Some(why) = &explanation.mismatch {
        line_at(&mut out, 0, &format!("\nnot of its type: {why}"));
    }
    let decisions = &explanation.decisions;
    match asked.rules() {
        Some(rules) => {
            out.push('\n');
            rules.iter().for_each(|rule| line_at(&mut out, 0, &summary(rule, decisions)));
        }
        None if decisions.is_empty() && explanation.cancels.is_empty() && !explanation.cut => {
            return format!("{out}\nno rule listens to this event\n");
        }
        None => {}
    }
    let mut before: Option<&Explained> = None;
    let mut text = Text { out, asked, report, short: false };
    for explained in decisions {
        // Several triggers have one decision each, with the same reasons.
        if before.is_some_and(|before| same(before, explained)) {
            text.action(explained);
        } else {
            text.decision(explained);
        }
        before = Some(explained);
    }
    let mut out = text.out;
    for (i, cancellation) in explanation.cancels.iter().enumerate() {
        let Cancellation { rule, request } = cancellation;
        let line = format!("what waits at `{request}` of {rule} is cancelled by this event");
        line_at(&mut out, 0, &if i == 0 { format!("\n{line}") } else { line });
    }
    if explanation.cut {
        line_at(&mut out, 0, CUT);
    }
    for (i, (rule, closest)) in closest.iter().enumerate() {
        let changes: Vec<_> = closest.changes.iter().map(ToString::to_string).collect();
        let line = format!("{rule} would match if {}", changes.join(", and "));
        line_at(&mut out, 0, &if i == 0 { format!("\n{line}") } else { line });
    }
    out
}

/// Whether two decisions are about the same rule and element, with the same outcome.
fn same(one: &Explained, other: &Explained) -> bool {
    let key = |explained: &Explained| {
        let decision = &explained.decision;
        (decision.rule.clone(), decision.element.clone(), decision.outcome, decision.reason.clone())
    };
    key(one) == key(other)
}

/// Whether a rule fired, and for which elements.
fn summary(rule: &str, decisions: &[Explained]) -> String {
    let elements = |fired: bool| {
        let of_rule = decisions.iter().filter(|explained| {
            explained.decision.rule == rule
                && (explained.decision.outcome == Outcome::Fired) == fired
        });
        let mut elements: Vec<Option<&str>> =
            of_rule.map(|explained| explained.element.as_deref()).collect();
        elements.dedup();
        elements
    };
    let named = |elements: &[Option<&str>]| {
        let names = elements.iter().copied().flatten().take(MOST).map(str::to_owned);
        let more = elements.len().saturating_sub(MOST);
        let mut names: Vec<String> =
            names.chain((more > 0).then(|| format!("{more} more"))).collect();
        let last = names.pop().unwrap_or_default();
        if names.is_empty() { last } else { format!("{} and {last}", names.join(", ")) }
    };
    match (elements(true).as_slice(), elements(false).as_slice()) {
        ([], []) => format!("{rule} did not fire; an explanation would take too long"),
        ([None], _) => format!("{rule} fired"),
        ([], [None]) => format!("{rule} did not fire"),
        (fired, []) => format!("{rule} fired for {}", named(fired)),
        ([], not) => format!("{rule} did not fire for {}", named(not)),
        (fired, not) => format!("{rule} fired for {}; it did not for {}", named(fired), named(not)),
    }
}

struct Text<'a> {
    out: String,
    asked: &'a Asked,
    report: &'a Report<'a>,
    /// Whether the previous decision took one line.
    short: bool,
}

impl Text<'_> {
    fn line(&mut self, indent: usize, line: &str) {
        line_at(&mut self.out, indent, line);
    }

    fn decision(&mut self, explained: &Explained) {
        let decision = &explained.decision;
        let element =
            explained.element.as_ref().map(|name| format!(", {name}")).unwrap_or_default();
        let heading = format!("{}{element}: {}", decision.rule, outcome(decision.outcome));
        let short = self.one_line(explained);
        if !(short.is_some() && self.short) {
            self.out.push('\n');
        }
        self.short = short.is_some();
        if let Some(why) = short {
            return self.line(0, &format!("{heading}, {why}"));
        }
        self.line(0, &heading);
        self.line(2, &reason(explained));
        self.conditions(explained);
        if decision.outcome == Outcome::Waiting {
            decision.flow.iter().for_each(|request| self.line(2, ends(request)));
        }
        if decision.outcome.is_rendered() {
            decision.flow.iter().for_each(|request| self.clause(decision, request));
        }
        self.action(explained);
    }

    /// A clause that lets the decision through, with its state.
    fn clause(&mut self, decision: &Decision, request: &FlowRequest) {
        let clause = request.to_string();
        let states = self.report.met.iter().flat_map(|met| met.states_of(decision));
        match states.into_iter().find(|met| met.clause == clause) {
            Some(MetState { state, frees, .. }) => {
                self.line(2, &format!("{clause}: {state}; {frees}"))
            }
            None => self.line(2, &clause),
        }
    }

    /// The text for a decision that is the same for all rules of a sensor, or that was not asked
    /// about.
    fn one_line(&self, explained: &Explained) -> Option<String> {
        let decision = &explained.decision;
        match (self.asked, decision.outcome) {
            (Asked::WhyNot(_), Outcome::Fired) => Some(decision.reason.clone()),
            (Asked::All, Outcome::NotMatched | Outcome::Unknown) => {
                let Some(deciding) = explained.deciding() else {
                    return Some(reason(explained));
                };
                let of_sensor = explained.conditions.iter().take(explained.of_sensor);
                let shared = of_sensor.into_iter().any(|condition| condition.deciding);
                let place = &deciding.place;
                shared
                    .then(|| format!("{} (the sensor's condition, at {place})", reason(explained)))
            }
            _ => None,
        }
    }

    fn conditions(&mut self, explained: &Explained) {
        let outcome = explained.decision.outcome;
        let matched = !matches!(outcome, Outcome::NotMatched | Outcome::Unknown);
        let conditions = &explained.conditions;
        if self.asked.rules().is_some() {
            let shown = if matched { Shown::Unmarked } else { Shown::All };
            if shown == Shown::All && conditions.iter().any(|condition| condition.deciding) {
                self.line(2, "its conditions; `>` marks those that decided:");
            }
            let mut conditions: Vec<&Part> = conditions.iter().collect();
            if matches!(self.asked, Asked::WhyNot(_)) {
                conditions.sort_by_key(|condition| condition.truth == Some(true));
            }
            conditions.into_iter().for_each(|one| condition(&mut self.out, one, 4, shown));
            return;
        }
        // The reason is sufficient.
        if outcome == Outcome::Rejected {
            return;
        }
        let deciding: Vec<&Part> = conditions.iter().filter(|one| one.deciding).collect();
        let rest = conditions.iter().filter(|one| !one.deciding).map(|one| one.truth);
        let others = others(rest, "condition").map(|others| format!("({others})"));
        if let ([only], false) = (deciding.as_slice(), matched)
            && is_plain(only)
        {
            return self.line(4, &format!("at {} {}", only.place, others.unwrap_or_default()));
        }
        deciding.iter().for_each(|one| condition(&mut self.out, one, 4, Shown::Deciding));
        if let Some(others) = others {
            self.line(4, &others);
        }
    }

    /// The action that would be performed.
    fn action(&mut self, explained: &Explained) {
        let decision = &explained.decision;
        if let (Asked::WhyNot(_), Outcome::Fired) = (self.asked, decision.outcome) {
            return;
        }
        match self.report.objects.of(explained) {
            None => {}
            Some(RenderedAction { kind, attempts, object: Ok(object) }) => {
                let does = match kind.as_str() {
                    "log" => "log",
                    "http" | "slack" | "teams" | "pagerduty" => "send",
                    _ => "submit",
                };
                let policy = format!("{kind} {attempts}");
                self.line(2, &format!("trigger {} would {does}:", policy.trim_end()));
                for line in format!("{object:#}").lines() {
                    self.line(4, line);
                }
            }
            Some(RenderedAction { kind, object: Err(why), .. }) => {
                self.line(2, &format!("trigger {kind} would result in a dead letter: {why}"));
            }
        }
    }
}

/// The outcome of a rule, in words that say whether it fired.
fn outcome(outcome: Outcome) -> String {
    let (color, words) = match outcome {
        Outcome::Fired => (Some(AnsiColor::Green), "fired"),
        Outcome::NotMatched => (None, "not matched"),
        Outcome::Unknown => (Some(AnsiColor::Yellow), "unknown, so not fired"),
        Outcome::Gated => (Some(AnsiColor::Yellow), "gated, so not fired"),
        Outcome::Counted => (Some(AnsiColor::Yellow), "counted, so not fired"),
        Outcome::Shadow => (Some(AnsiColor::Yellow), "in shadow, so not performed"),
        Outcome::Suppressed => (Some(AnsiColor::Yellow), "suppressed, so not fired"),
        Outcome::Waiting => (Some(AnsiColor::Yellow), "waiting"),
        Outcome::Cancelled => (Some(AnsiColor::Yellow), "cancelled, so not fired"),
        Outcome::Superseded => (Some(AnsiColor::Yellow), "superseded, so not fired"),
        Outcome::Declined => (Some(AnsiColor::Yellow), "declined, so not fired"),
        Outcome::Expired => (Some(AnsiColor::Yellow), "expired, so not fired"),
        Outcome::Rejected => (Some(AnsiColor::Red), "rejected, so not fired"),
    };
    let style = color.map_or(Style::new(), AnsiColor::on_default).bold();
    format!("{style}{words}{style:#}")
}

/// What ends a wait before it is due.
fn ends(request: &FlowRequest) -> &'static str {
    match request.flow {
        Flow::Quiet { .. } => "a newer event with this key takes its place",
        Flow::During { .. } | Flow::Limit { .. } => "no event ends this wait earlier",
        Flow::Concurrency { .. } => "it goes on when a place is free",
        Flow::Requires { .. } => "it goes on when the fuses are on",
        Flow::Approval { .. } => "`fuse approve` and `fuse decline` answer it earlier",
        _ => "an event with this key that meets its `unless` cancels it",
    }
}

fn reason(explained: &Explained) -> String {
    let decision = &explained.decision;
    let lead = match decision.outcome {
        Outcome::Rejected if explained.conditions.iter().any(|one| one.deciding) => {
            "every condition holds, but "
        }
        Outcome::NotMatched | Outcome::Unknown | Outcome::Rejected => "because ",
        _ => "",
    };
    format!("{lead}{}", decision.reason)
}
