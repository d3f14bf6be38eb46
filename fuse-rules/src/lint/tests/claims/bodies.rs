//! Events for the generated rules.

use serde_json::Value as Json;

use crate::analysis::tests::generate;
use crate::eval::tests::many::Random;

/// A body of an event of `am.alerts`.
fn alerts(random: &mut Random) -> String {
    let status = |random: &mut Random| random.pick(&["firing", "resolved"]).to_owned();
    let mut fields: Vec<String> = Vec::new();
    let alerts: Vec<String> = (0..random.below(4))
        .map(|_| {
            let severity = random.pick(&["critical", "page", "info"]);
            let labels = random.pick(&["\"severity\":", "\"team\":"]);
            format!("{{\"status\":\"{}\",\"labels\":{{{labels}\"{severity}\"}}}}", status(random))
        })
        .collect();
    let state = random.pick(&["ok", "bad"]);
    let checks: Vec<String> =
        (0..random.below(3)).map(|_| format!("{{\"state\":\"{state}\"}}")).collect();
    let name = random.pick(&["prod", "prod-eu", "xprodx", "eu-prod", "eu", ""]);
    let title = random.pick(&["deploy", "deploy now", "Deploy", "$(deploy)"]);
    for (key, value) in [
        ("status", format!("\"{}\"", status(random))),
        ("alerts", format!("[{}]", alerts.join(","))),
        ("checks", format!("[{}]", checks.join(","))),
        ("name", format!("\"{name}\"")),
        ("issue", format!("{{\"title\":\"{title}\"}}")),
    ] {
        if !random.one_in(5) {
            fields.push(format!("\"{key}\":{value}"));
        }
    }
    format!("{{{}}}", fields.join(","))
}

/// An event for a rule set: its name and body.
pub(super) fn body(random: &mut Random, ty: &str) -> (&'static str, &'static str, String) {
    match random.below(3) {
        0 => ("am", "alerts", alerts(random)),
        _ => ("gh", "push", generate::body(random, ty)),
    }
}

/// A slightly mutated body.
pub(super) fn changed(random: &mut Random, body: &str) -> String {
    match serde_json::from_str(body) {
        Ok(mut value) => {
            change(random, &mut value);
            value.to_string()
        }
        Err(_) => body.to_owned(),
    }
}

fn change(random: &mut Random, value: &mut Json) {
    if !random.one_in(4) {
        match value {
            Json::Object(map) if !map.is_empty() => {
                let key = map.keys().nth(random.below(map.len())).unwrap().clone();
                match random.one_in(8) {
                    true => drop(map.remove(&key)),
                    false => change(random, map.get_mut(&key).unwrap()),
                }
                return;
            }
            Json::Array(all) if !all.is_empty() => {
                let at = random.below(all.len());
                match random.below(8) {
                    0 => drop(all.remove(at)),
                    1 => all.push(all[at].clone()),
                    _ => change(random, &mut all[at]),
                }
                return;
            }
            _ => {}
        }
    }
    // If the result is not JSON, keep the original body.
    if let Ok(scalar) = serde_json::from_str(&generate::scalar(random)) {
        *value = scalar;
    }
}
