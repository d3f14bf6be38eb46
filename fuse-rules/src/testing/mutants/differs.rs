//! Whether a fault makes a difference at all, and for which event.

use serde_json::Value as Json;

use super::make::Fault;
use crate::analysis::{Analysis, Answer, Placed};
use crate::check::typed::{Rules, Sensor};

/// For which events a fault makes a difference.
pub(super) enum Differs {
    /// For none, which is proven.
    Never,
    /// For one with this body.
    For(Json),
    Unknown,
}

pub(super) fn differs(rules: &Rules, fault: &Fault) -> Differs {
    let named = |sensor: &&Sensor| sensor.name == fault.sensor.name;
    let Some(sensor) = rules.sensors.iter().find(named) else { return Differs::Unknown };
    let mut analysis = Analysis::new(rules);
    let mut never = true;
    for faulty in &fault.sensor.rules {
        let Some(rule) = sensor.rules.iter().find(|rule| rule.name == faulty.name) else {
            return Differs::Unknown;
        };
        let right = Placed { sensor, rule };
        if !fault.of_condition {
            // It matches as before, and does something else.
            return match analysis.matching(right) {
                Answer::Found(witness) => body(&witness.body),
                _ => Differs::Unknown,
            };
        }
        let wrong = Placed { sensor: &fault.sensor, rule: faulty };
        for (a, b) in [(right, wrong), (wrong, right)] {
            match analysis.separating(a, b) {
                Answer::Found(witness) => return body(&witness.body),
                Answer::Never(_) => {}
                Answer::Unknown => never = false,
            }
        }
    }
    if never { Differs::Never } else { Differs::Unknown }
}

fn body(body: &crate::value::Value<'_>) -> Differs {
    body.to_json().map_or(Differs::Unknown, Differs::For)
}
