//! Minimization: makes an input smaller as long as it still reproduces the finding.

use super::Fuzzer;
use super::finding::FindingKey;
use super::input::Input;
use crate::value::Value;

/// The most smaller inputs that are tried.
const MAX_ATTEMPTS: usize = 400;

impl Fuzzer<'_> {
    /// The smallest input found that reproduces the finding.
    pub(super) fn minimized(&self, at: usize, input: &Input, key: &FindingKey) -> Input {
        let Some(target) = self.targets.get(at) else { return input.clone() };
        let reproduces =
            |input: &Input| self.run(target, input).is_some_and(|run| run.keys.contains(key));
        let mut best = input.clone();
        let mut tried = 0;
        loop {
            let before = best.size();
            for smaller in smaller(&best) {
                tried += 1;
                if tried > MAX_ATTEMPTS {
                    return best;
                }
                if smaller.size() < best.size() && reproduces(&smaller) {
                    best = smaller;
                    break;
                }
            }
            if best.size() == before {
                return best;
            }
        }
    }
}

/// Inputs with one part removed, the smallest first.
fn smaller(input: &Input) -> Vec<Input> {
    let mut out = Vec::new();
    let mut bodies = Vec::new();
    parts(&input.body, &mut |body| bodies.push(body));
    bodies.sort_by_cached_key(|body: &Value<'_>| body.to_json_text().map_or(0, |text| text.len()));
    out.extend(bodies.into_iter().map(|body| Input { body, ..input.clone() }));
    for key in input.headers.keys() {
        let mut fewer = input.clone();
        fewer.headers.remove(key);
        out.push(fewer);
    }
    for key in input.query.keys() {
        let mut fewer = input.clone();
        fewer.query.remove(key);
        out.push(fewer);
    }
    // A path always has its parameters.
    for key in input.path.keys() {
        let mut shorter = input.clone();
        shorter.set_parameter(key, "x".to_owned());
        out.push(shorter);
    }
    out
}

/// Calls `each` with variants of a value, each with one part removed or simplified.
fn parts(value: &Value<'static>, each: &mut dyn FnMut(Value<'static>)) {
    match value {
        Value::Map(map) => {
            for (i, (_, inner)) in map.iter().enumerate() {
                let mut fewer = map.clone();
                fewer.remove(i);
                each(Value::Map(fewer));
                parts(inner, &mut |inner| {
                    let mut with = map.clone();
                    if let Some((_, place)) = with.get_mut(i) {
                        *place = inner;
                    }
                    each(Value::Map(with));
                });
            }
        }
        Value::List(items) => {
            if items.len() > 2 {
                each(Value::List(items.iter().take(items.len() / 2).cloned().collect()));
            }
            for (i, inner) in items.iter().enumerate().take(10) {
                let mut fewer = items.clone();
                fewer.remove(i);
                each(Value::List(fewer));
                parts(inner, &mut |inner| {
                    let mut with = items.clone();
                    if let Some(place) = with.get_mut(i) {
                        *place = inner;
                    }
                    each(Value::List(with));
                });
            }
        }
        Value::String(text) if text.chars().count() > 4 => each(Value::text("x")),
        _ => {}
    }
}
