//! Mutations of fuses that blow: clauses are removed, and numbers and durations are changed.

use jiff::SignedDuration;

use super::mutations::{ChangedPart, Mutation, without_rules};
use crate::flow::{BlowClause, BlowCounts, BlowingFuse};
use crate::literals::duration_text;
use crate::span::Span;
use crate::typed::{Fuse, Rule, Rules, Sensor};

/// The mutations of all fuses. Clauses that count failures are left alone, because no action fails in a test.
pub(super) fn mutations(rules: &Rules) -> Vec<Mutation> {
    let all = rules.fuses.iter().enumerate();
    all.flat_map(|(index, fuse)| {
        let mutants = of_fuse(fuse).into_iter().map(move |(fuse, what, span)| {
            let (sensors, changed) = (requiring(rules, index), ChangedPart::Action);
            Mutation { span, what, sensors, fuse: Some(fuse), changed }
        });
        mutants.collect::<Vec<_>>()
    })
    .collect()
}

/// The sensors with rules that require a fuse, with these rules.
fn requiring(rules: &Rules, fuse: usize) -> Vec<Sensor> {
    let sensors = rules.sensors.iter().filter_map(|sensor| {
        let rules = sensor.rules.iter().filter(|rule| rule.requires.contains(&fuse));
        let rules: Vec<Rule> = rules.cloned().collect();
        (!rules.is_empty()).then(|| Sensor { rules, ..without_rules(sensor) })
    });
    sensors.collect()
}

fn of_fuse(fuse: &Fuse) -> Vec<(BlowingFuse, String, Span)> {
    let Some(original) = fuse.blowing() else { return Vec::new() };
    let mut mutants = Vec::new();
    let counted = fuse.blow.iter().enumerate();
    for (at, (clause, span)) in counted.filter(|(_, (one, _))| one.counts == BlowCounts::Actions) {
        let mut without = original.clone();
        without.clauses.remove(at);
        mutants.push((without, format!("`{clause}` is removed"), *span));
        for changed in variants(*clause) {
            let mut with = original.clone();
            if let Some(place) = with.clauses.get_mut(at) {
                *place = changed;
            }
            mutants.push((with, format!("`{clause}` becomes `{changed}`"), *span));
        }
    }
    let is_tested = original.counts(BlowCounts::Actions);
    if let Some((after, span)) = original.reset_after.zip(fuse.reset_span).filter(|_| is_tested) {
        let from = duration_text(after);
        let manually = BlowingFuse { reset_after: None, ..original.clone() };
        mutants.push((manually, format!("`reset after {from}` is removed"), span));
        for other in around(after) {
            let what =
                format!("`reset after {from}` becomes `reset after {}`", duration_text(other));
            mutants.push((
                BlowingFuse { reset_after: Some(other), ..original.clone() },
                what,
                span,
            ));
        }
    }
    mutants
}

fn variants(clause: BlowClause) -> Vec<BlowClause> {
    let counts =
        [clause.count.checked_sub(1).filter(|fewer| *fewer > 0), clause.count.checked_add(1)];
    let counts = counts.into_iter().flatten().map(|count| BlowClause { count, ..clause });
    counts.chain(around(clause.within).map(|within| BlowClause { within, ..clause })).collect()
}

/// Half and twice the duration.
fn around(duration: SignedDuration) -> impl Iterator<Item = SignedDuration> {
    [duration / 2, duration.checked_mul(2).unwrap_or(duration)].into_iter()
}
