//! Mutations of flow control: clauses and keys are removed, and parameters are changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;

use super::operators::ConditionMutator;
use crate::flow::{DAY, Flow, Hours, Overflow, Window};
use crate::literals::duration_text;
use crate::span::Span;
use crate::typed::{Expr, FlowClause, Rule, Sensor};

/// The mutations of a rule's own clauses: the mutated rule, the change, and its span.
pub(super) fn of_rule(
    sensor: &Sensor,
    rule: &Rule,
    mutator: ConditionMutator<'_>,
) -> Vec<(Rule, String, Span)> {
    let own = rule.flow.iter().filter(|clause| !sensor.shares(clause));
    own.flat_map(|clause| variants(clause, mutator))
        .map(|(clause, changed, what, span)| (replaced(rule, clause, changed), what, span))
        .collect()
}

/// The mutations of a sensor's clauses, each with all rules of the sensor.
pub(super) fn of_sensor(
    sensor: &Sensor,
    mutator: ConditionMutator<'_>,
) -> Vec<(Vec<Rule>, String, Span)> {
    let all = sensor.flow.iter().flat_map(|clause| variants(clause, mutator));
    all.map(|(clause, changed, what, span)| {
        let rules = sensor.rules.iter().map(|rule| replaced(rule, clause, changed.clone()));
        (rules.collect(), what, span)
    })
    .collect()
}

/// The mutations of the parameters of the limiters that rules use, by name: the change, and the sensors with the rules that
/// it affects.
pub(super) fn of_limiters(sensors: &[Arc<Sensor>]) -> Vec<(String, String, Vec<Sensor>)> {
    let all = sensors.iter().flat_map(|sensor| &sensor.rules).flat_map(|rule| &rule.flow);
    let limiters: BTreeMap<&str, Flow> =
        all.filter_map(|clause| Some((clause.limiter.as_deref()?, clause.flow))).collect();
    let mut mutated = Vec::new();
    for (name, flow) in limiters {
        for (other, what) in parameters(flow) {
            let uses = |clause: &FlowClause| clause.limiter.as_deref() == Some(name);
            let affected = sensors.iter().filter_map(|sensor| {
                let rules = sensor.rules.iter().filter(|rule| rule.flow.iter().any(uses));
                let rules: Vec<Rule> = rules
                    .map(|rule| {
                        let mut rule = rule.clone();
                        let own = rule.flow.iter_mut().filter(|clause| uses(clause));
                        own.for_each(|clause| clause.flow = limited(clause.flow, other));
                        rule
                    })
                    .collect();
                (!rules.is_empty())
                    .then(|| Sensor { rules, ..super::mutations::without_rules(sensor) })
            });
            mutated.push((name.to_owned(), what, affected.collect()));
        }
    }
    mutated
}

/// The rule with another clause in place of this one, or none.
fn replaced(rule: &Rule, clause: &FlowClause, by: Option<FlowClause>) -> Rule {
    let mut rule = rule.clone();
    let at = rule.flow.iter().position(|own| own.span == clause.span);
    match (at.and_then(|at| rule.flow.get_mut(at)), by) {
        (Some(own), Some(by)) => {
            // Several clauses of one rule keep their numbers.
            *own = FlowClause { identity: own.identity.clone(), ..by };
        }
        (Some(_), None) => rule.flow.retain(|own| own.span != clause.span),
        (None, _) => {}
    }
    rule
}

/// The mutations of a clause: the clause, what replaces it (`None` if it is removed), the change, and its span.
fn variants<'c>(
    clause: &'c FlowClause,
    mutator: ConditionMutator<'_>,
) -> Vec<(&'c FlowClause, Option<FlowClause>, String, Span)> {
    let mut all = Vec::new();
    // The rule still requires its fuses.
    if !clause.flow.is_requires() {
        let removed = format!("`{}` is removed", clause.flow.word());
        all.push((clause, None, removed, clause.span));
    }
    for (i, key) in clause.keys.iter().enumerate() {
        // `once` needs a key.
        if clause.keys.len() == 1 && clause.flow.is_once() {
            continue;
        }
        let mut fewer = clause.clone();
        fewer.keys.remove(i);
        if let Some(unless) = &mut fewer.unless {
            Arc::make_mut(unless).keys.remove(i);
        }
        let what = format!("the key `{}` is removed", mutator.text(key.span));
        all.push((clause, Some(fewer), what, key.span));
    }
    for (hours, what) in clause.hours.iter().flat_map(|hours| other_hours(hours)) {
        let changed = FlowClause { hours: Some(Arc::new(hours)), ..clause.clone() };
        all.push((clause, Some(changed), what, clause.span));
    }
    if clause.flow.waits() && clause.flow.with_waits(false) != clause.flow {
        let changed = FlowClause { flow: clause.flow.with_waits(false), ..clause.clone() };
        all.push((clause, Some(changed), "`else wait` is removed".to_owned(), clause.span));
    }
    // Those of a limiter are changed for all of its rules at once.
    let own = if clause.limiter.is_some() { Vec::new() } else { parameters(clause.flow) };
    let own = own.into_iter().chain(other_overflow(clause.flow));
    for (flow, what) in own {
        let changed = FlowClause { flow, ..clause.clone() };
        all.push((clause, Some(changed), what, clause.span));
    }
    all
}

/// Other hours: each window begins an hour earlier, ends an hour later, or is on all days; no day is excepted.
fn other_hours(hours: &Hours) -> Vec<(Hours, String)> {
    const HOUR: u16 = 60;
    let mut all = Vec::new();
    for (i, window) in hours.windows.iter().enumerate() {
        let earlier = window.from.checked_sub(HOUR).filter(|from| *from != window.to);
        let later =
            Some(window.to.saturating_add(HOUR)).filter(|to| *to <= DAY && *to != window.from);
        let changed = [
            earlier.map(|from| Window { from, ..*window }),
            later.map(|to| Window { to, ..*window }),
            (window.days != Window::ALL_DAYS)
                .then_some(Window { days: Window::ALL_DAYS, ..*window }),
        ];
        for other in changed.into_iter().flatten() {
            let mut hours = hours.clone();
            if let Some(place) = hours.windows.get_mut(i) {
                *place = other;
            }
            all.push((hours, format!("`{window}` becomes `{other}`")));
        }
    }
    if !hours.except.is_empty() {
        let hours = Hours { except: Vec::new(), ..hours.clone() };
        all.push((hours, "`except` is removed".to_owned()));
    }
    all
}

/// The clause with other parameters.
fn parameters(flow: Flow) -> Vec<(Flow, String)> {
    match flow {
        Flow::During { .. } | Flow::Once { .. } => Vec::new(),
        Flow::Requires { within } => {
            let changed = halved_and_doubled(within).map(|other| {
                let (from, to) = (duration_text(within), duration_text(other));
                (Flow::Requires { within: other }, format!("`hold {from}` becomes `hold {to}`"))
            });
            changed.to_vec()
        }
        Flow::Quiet { length, max } => {
            let lengths = halved_and_doubled(length).map(|other| {
                let (from, to) = (duration_text(length), duration_text(other));
                (Flow::Quiet { length: other, max }, format!("`quiet {from}` becomes `quiet {to}`"))
            });
            let longest = max.into_iter().flat_map(|max| {
                let from = duration_text(max);
                let doubled = max.checked_mul(2).unwrap_or(max);
                let to = duration_text(doubled);
                [
                    (Flow::Quiet { length, max: None }, format!("`max {from}` is removed")),
                    (
                        Flow::Quiet { length, max: Some(doubled) },
                        format!("`max {from}` becomes `max {to}`"),
                    ),
                ]
            });
            lengths.into_iter().chain(longest).collect()
        }
        Flow::Still { length } => {
            let changed = halved_and_doubled(length).map(|other| {
                let (from, to) = (duration_text(length), duration_text(other));
                (Flow::Still { length: other }, format!("`still {from}` becomes `still {to}`"))
            });
            changed.to_vec()
        }
        Flow::Approval { within } => {
            let changed = halved_and_doubled(within).map(|other| {
                let (from, to) = (duration_text(within), duration_text(other));
                (Flow::Approval { within: other }, format!("`within {from}` becomes `within {to}`"))
            });
            changed.to_vec()
        }
        Flow::After { count, within } => {
            let counts = [count.checked_sub(1).filter(|fewer| *fewer > 1), count.checked_add(1)];
            let counts = counts.into_iter().flatten().map(|other| {
                let what = format!("`after {count}` becomes `after {other}`");
                (Flow::After { count: other, within }, what)
            });
            let durations = halved_and_doubled(within);
            let durations = durations.into_iter().map(|other| {
                let (from, to) = (duration_text(within), duration_text(other));
                (
                    Flow::After { count, within: other },
                    format!("`within {from}` becomes `within {to}`"),
                )
            });
            counts.chain(durations).collect()
        }
        Flow::Limit { count, per, waits } => {
            let counts = [count.checked_sub(1).filter(|fewer| *fewer > 0), count.checked_add(1)];
            let counts = counts.into_iter().flatten().map(|other| {
                let what = format!("`limit {count}` becomes `limit {other}`");
                (Flow::Limit { count: other, per, waits }, what)
            });
            let durations = halved_and_doubled(per);
            let durations = durations.into_iter().map(|other| {
                let (from, to) = (duration_text(per), duration_text(other));
                let what = format!("`per {from}` becomes `per {to}`");
                (Flow::Limit { count, per: other, waits }, what)
            });
            counts.chain(durations).collect()
        }
        Flow::Concurrency { count, otherwise } => {
            let counts = [count.checked_sub(1).filter(|fewer| *fewer > 0), count.checked_add(1)];
            let counts = counts.into_iter().flatten().map(|other| {
                let what = format!("`concurrency {count}` becomes `concurrency {other}`");
                (Flow::Concurrency { count: other, otherwise }, what)
            });
            counts.collect()
        }
    }
}

/// The clause with another `else`.
fn other_overflow(flow: Flow) -> Option<(Flow, String)> {
    let Flow::Concurrency { count, otherwise } = flow else { return None };
    let other = match otherwise {
        Overflow::Queue => Overflow::Skip,
        Overflow::Skip | Overflow::Replace => Overflow::Queue,
    };
    let what = format!("`else {}` becomes `else {}`", otherwise.as_str(), other.as_str());
    Some((Flow::Concurrency { count, otherwise: other }, what))
}

/// A clause with the number of a mutated limiter.
fn limited(clause: Flow, limiter: Flow) -> Flow {
    match (clause, limiter) {
        (Flow::Concurrency { otherwise, .. }, Flow::Concurrency { count, .. }) => {
            Flow::Concurrency { count, otherwise }
        }
        _ => limiter.with_waits(clause.waits()),
    }
}

fn halved_and_doubled(duration: SignedDuration) -> [SignedDuration; 2] {
    [duration / 2, duration.checked_mul(2).unwrap_or(duration)]
}

/// Calls `visit` with the `unless` conditions of a rule.
pub(super) fn unless_mut(rule: &mut Rule, visit: &mut dyn FnMut(&mut Expr)) {
    for unless in rule.flow.iter_mut().filter_map(|clause| clause.unless.as_mut()) {
        visit(&mut Arc::make_mut(unless).when);
    }
}
