//! `limit-never-reached`

use crate::flow::Flow;
use crate::lint::context::{Findings, LintContext};
use crate::lint::{Level, Lint, Pass};
use crate::literals::duration_text;
use crate::typed::{FlowClause, Rule, Shown};

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "limit-never-reached",
        title: "a `limit` that another clause keeps from being reached",
        level: Level::Warn,
        page: include_str!("../../../lints/limit-never-reached.md"),
    },
    check,
};

fn check(context: &LintContext<'_>, out: &mut Findings) {
    for sensor in &context.rules.sensors {
        for clause in &sensor.flow {
            // The clause is reported only if no rule reaches it.
            let stricter: Option<Vec<Stricter<'_>>> =
                sensor.rules.iter().map(|rule| stricter(rule, clause)).collect();
            if let Some(by) = stricter.as_deref().and_then(<[_]>::first) {
                report(clause, by, out);
            }
        }
        for rule in &sensor.rules {
            for clause in rule.flow.iter().filter(|clause| !sensor.shares(clause)) {
                if let Some(by) = stricter(rule, clause) {
                    report(clause, &by, out);
                }
            }
        }
    }
}

/// A clause that keeps a limit from being reached.
struct Stricter<'r> {
    clause: &'r FlowClause,
    /// How many actions it lets through in the window of the limit.
    at_most: u128,
}

/// The first clause of a rule that keeps this limit from ever being the one that suppresses an action.
fn stricter<'r>(rule: &'r Rule, clause: &FlowClause) -> Option<Stricter<'r>> {
    let Flow::Limit { count, per, .. } = clause.flow else { return None };
    // Other rules may reach it.
    if clause.limiter.is_some() {
        return None;
    }
    let count = u128::from(count);
    let at = rule.flow.iter().position(|own| own.span == clause.span)?;
    let keys = texts(clause);
    let mut others = rule.flow.iter().enumerate().filter(|(other, _)| *other != at);
    others.find_map(|(other, stricter)| {
        let (most, window) = match stricter.flow {
            // Any number of matches may arrive, and waits may end late.
            Flow::During { .. }
            | Flow::After { .. }
            | Flow::Quiet { .. }
            | Flow::Still { .. }
            | Flow::Requires { .. }
            | Flow::Approval { .. }
            | Flow::Concurrency { .. } => return None,
            Flow::Once { within } => (1, within),
            Flow::Limit { count, per, .. } => (count, per),
        };
        // Actions that share all keys of the limit also share those of the other clause.
        let is_coarser = texts(stricter).iter().all(|key| keys.contains(key));
        let windows =
            per.as_nanos().unsigned_abs().div_ceil(window.as_nanos().unsigned_abs().max(1));
        let at_most = windows.saturating_mul(most.into());
        // If both are full at the same time, the first one decides.
        let is_stricter = at_most < count || at_most == count && other < at;
        (is_coarser && is_stricter).then_some(Stricter { clause: stricter, at_most })
    })
}

fn texts(clause: &FlowClause) -> Vec<String> {
    clause.keys.iter().map(|key| Shown(key).to_string()).collect()
}

fn report(clause: &FlowClause, by: &Stricter<'_>, out: &mut Findings) {
    let Flow::Limit { count, per, .. } = clause.flow else { return };
    let (stricter, per) = (by.clause.text(&texts(by.clause)), duration_text(per));
    let message = format!(
        "this limit of {count} per {per} is never reached: `{stricter}` lets at most {} through in that time",
        by.at_most
    );
    let help = match by.at_most {
        0 | 1 => "remove it".to_owned(),
        most => format!("remove it, or write a number less than {most}"),
    };
    out.add(clause.span, message, |problem| {
        problem.label("never reached").related(by.clause.span, "this is stricter").help(help)
    });
}
