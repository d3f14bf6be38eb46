//! Whether a fault makes a difference at all, and for which event.

use super::make::Fault;
use crate::analysis::{Analysis, Answer, Events, Placed, Witness};
use crate::typed::{Rules, Sensor};

/// For which events a fault makes a difference.
pub(super) enum Differs {
    /// For none, which is proven.
    Never,
    /// For one with this body, as JSON.
    For(String),
    Unknown,
}

pub(super) fn differs(rules: &Rules, fault: &Fault) -> Differs {
    let mut analysis = Analysis::new(rules);
    let mut never = true;
    for faulty in &fault.sensors {
        match of_sensor(&mut analysis, rules, faulty, fault.of_condition) {
            Differs::Never => {}
            Differs::For(body) => return Differs::For(body),
            Differs::Unknown => never = false,
        }
    }
    if never { Differs::Never } else { Differs::Unknown }
}

fn of_sensor<'r>(
    analysis: &mut Analysis<'r>,
    rules: &'r Rules,
    wrong: &'r Sensor,
    of_condition: bool,
) -> Differs {
    let named = |sensor: &&Sensor| sensor.name == wrong.name;
    let Some(sensor) = rules.sensors.iter().find(named) else { return Differs::Unknown };
    let declared = rules.sources.iter().filter(|source| source.name == sensor.source);
    let declared = declared.flat_map(|source| &source.events);
    let rejects = declared.into_iter().any(|event| event.name == sensor.event && event.rejects());
    let mut never = true;
    for faulty in &wrong.rules {
        let Some(rule) = sensor.rules.iter().find(|rule| rule.name == faulty.name) else {
            return Differs::Unknown;
        };
        let right = Placed { sensor, rule };
        if !of_condition {
            // It matches as before, and does something else.
            return match analysis.matching(right) {
                Answer::Found(witness) => body(&witness),
                _ => Differs::Unknown,
            };
        }
        let faulty = Placed { sensor: wrong, rule: faulty };
        for (a, b) in [(right, faulty), (faulty, right)] {
            match analysis.separating(a, b) {
                Answer::Found(witness) => return body(&witness),
                Answer::Never(Events::Any) => {}
                // Events of other types are decided, too, unless the source rejects them.
                Answer::Never(Events::Typed) => never &= rejects,
                Answer::Unknown => never = false,
            }
        }
    }
    if never { Differs::Never } else { Differs::Unknown }
}

fn body(witness: &Witness) -> Differs {
    witness.text().map_or(Differs::Unknown, Differs::For)
}
