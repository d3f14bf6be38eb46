//! Detects equivalent mutants: whether any event distinguishes a mutant from the original rules.

use std::sync::Arc;

use super::mutations::{ChangedPart, Mutation};
use crate::analysis::{Analysis, Answer, Events, Placed, Witness};
use crate::typed::{self, Rule, Rules, Sensor};

/// Whether a mutant behaves like the original rules.
pub(super) enum Equivalence<'m> {
    /// Provably for every event.
    Equivalent,
    /// Not for this event of this mutated sensor.
    DistinguishedBy(&'m Sensor, Box<Witness>),
    Unknown,
}

pub(super) fn equivalence<'m>(rules: &Rules, mutation: &'m Mutation) -> Equivalence<'m> {
    let mut analysis = Analysis::new(rules);
    let mut equivalent = true;
    for mutant in &mutation.sensors {
        match sensor_equivalence(&mut analysis, rules, mutant, mutation.changed) {
            Equivalence::Equivalent => {}
            found @ Equivalence::DistinguishedBy(..) => return found,
            Equivalence::Unknown => equivalent = false,
        }
    }
    if equivalent { Equivalence::Equivalent } else { Equivalence::Unknown }
}

fn sensor_equivalence<'r, 'm: 'r>(
    analysis: &mut Analysis<'r>,
    rules: &'r Rules,
    mutated: &'m Sensor,
    changed: ChangedPart,
) -> Equivalence<'m> {
    let named = |sensor: &&Arc<Sensor>| sensor.name == mutated.name;
    let Some(sensor) = rules.sensors.iter().find(named) else { return Equivalence::Unknown };
    let declared = rules.sources.iter().flat_map(|source| {
        source.events.iter().filter(|event| sensor.listens_to(&source.name, &event.name))
    });
    let rejects = declared.into_iter().all(typed::EventDecl::rejects);
    // The comparison below covers the events that the rules match, not their actions.
    let mut equivalent = matches!(changed, ChangedPart::Condition | ChangedPart::Unless);
    for mutant in &mutated.rules {
        let Some(rule) = sensor.rules.iter().find(|rule| rule.name == mutant.name) else {
            return Equivalence::Unknown;
        };
        let original = Placed { sensor, rule };
        match changed {
            ChangedPart::Condition | ChangedPart::Several => {}
            ChangedPart::Action => {
                return match analysis.matching(original) {
                    Answer::Found(witness) => Equivalence::DistinguishedBy(mutated, witness),
                    _ => Equivalence::Unknown,
                };
            }
            ChangedPart::Unless if is_same_unless(rules, rule, mutant) => {}
            ChangedPart::Unless => return Equivalence::Unknown,
            ChangedPart::Value => return Equivalence::Unknown,
        }
        let mutant = Placed { sensor: mutated, rule: mutant };
        for (a, b) in [(original, mutant), (mutant, original)] {
            match analysis.separating(a, b) {
                Answer::Found(witness) => {
                    return Equivalence::DistinguishedBy(mutated, witness);
                }
                Answer::Never(Events::Any) => {}
                // Rules also evaluate events that do not have the declared type, unless the source rejects them.
                Answer::Never(Events::Typed) => equivalent &= rejects,
                Answer::Unknown => equivalent = false,
            }
        }
    }
    if equivalent { Equivalence::Equivalent } else { Equivalence::Unknown }
}

/// Whether provably the same events end the waits of both rules.
fn is_same_unless(rules: &Rules, original: &Rule, mutant: &Rule) -> bool {
    let sensors = |rule: &Rule| -> Vec<Sensor> {
        rule.cancellable().map(|(clause, unless)| rule.canceller(clause, unless)).collect()
    };
    let (original, mutant) = (sensors(original), sensors(mutant));
    let mut analysis = Analysis::new(rules);
    original.len() == mutant.len()
        && original.iter().zip(&mutant).all(|(a, b)| {
            let (Some(a), Some(b)) = (placed(a), placed(b)) else { return false };
            let mut never = |a, b| matches!(analysis.separating(a, b), Answer::Never(Events::Any));
            never(a, b) && never(b, a)
        })
}

/// A sensor with its only rule.
fn placed(sensor: &Sensor) -> Option<Placed<'_>> {
    Some(Placed { sensor, rule: sensor.rules.first()? })
}
