//! Making an event smaller that shows something, as long as it still does.

use super::Fuzzer;
use super::finding::Key;
use super::input::Draft;
use crate::value::Value;

/// How many smaller events are tried.
const MOST_TRIED: usize = 400;

impl Fuzzer<'_> {
    /// A smaller event of which the same is found.
    pub(super) fn shrunk(&self, at: usize, draft: &Draft, key: &Key) -> Draft {
        let Some(target) = self.targets.get(at) else { return draft.clone() };
        let shows =
            |draft: &Draft| self.run(target, draft).is_some_and(|run| run.keys.contains(key));
        let mut best = draft.clone();
        let mut tried = 0;
        loop {
            let before = best.size();
            for smaller in smaller(&best) {
                tried += 1;
                if tried > MOST_TRIED {
                    return best;
                }
                if smaller.size() < best.size() && shows(&smaller) {
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

/// Events with one thing less, the largest steps first.
fn smaller(draft: &Draft) -> Vec<Draft> {
    let mut out = Vec::new();
    let mut bodies = Vec::new();
    parts(&draft.body, &mut |body| bodies.push(body));
    bodies.sort_by_cached_key(|body: &Value<'_>| body.to_json_text().map_or(0, |text| text.len()));
    out.extend(bodies.into_iter().map(|body| Draft { body, ..draft.clone() }));
    for key in draft.headers.keys() {
        let mut fewer = draft.clone();
        fewer.headers.remove(key);
        out.push(fewer);
    }
    for key in draft.query.keys() {
        let mut fewer = draft.clone();
        fewer.query.remove(key);
        out.push(fewer);
    }
    out
}

/// Calls `each` with the value with one of its parts left out or made simple.
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
