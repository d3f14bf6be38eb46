//! Finds the body that a sender sends so that rules see a given one, for events with a `decode`.

use data_encoding::BASE64;

use crate::analysis::{Analysis, Answer};
use crate::eval::Plan;
use crate::event::{Event, Stage};
use crate::path::{Root, Segment};
use crate::typed::{EventDecl, Expr, ExprKind, Path};
use crate::value::Value;

/// The largest index at which a list element is created.
const MAX_ENCODED_INDEX: usize = 20;

/// The inverse of a `decode` that takes one value out of the body.
#[derive(Debug)]
pub(crate) struct BodyEncoder {
    /// A body that meets the conditions of the event.
    base: Value<'static>,
    /// The path of the value that `decode` reads.
    path: Vec<Segment>,
    /// The encodings of this value, the innermost first.
    encodings: Vec<BodyEncoding>,
}

#[derive(Clone, Copy, Debug)]
enum BodyEncoding {
    JsonText,
    Base64,
}

impl BodyEncoder {
    /// The encoder for an event of this source; `None` if its `decode` has no simple inverse.
    pub(crate) fn new<'r>(
        analysis: &mut Analysis<'r>,
        source: &'r str,
        event: &'r EventDecl,
    ) -> Option<Self> {
        let mut encodings = Vec::new();
        let mut expr = event.decode.as_ref()?;
        while let ExprKind::Call { function, arguments, .. } = &expr.kind {
            encodings.push(match function.name {
                "parse-json" => BodyEncoding::JsonText,
                "base64-decode" => BodyEncoding::Base64,
                _ => return None,
            });
            expr = arguments.first()?;
        }
        let path = body_path(expr)?.segments.clone();
        let mut base = match analysis.taken_by_both(source, event, event) {
            Answer::Found(witness) => witness.body,
            _ => Value::Map(Vec::new()),
        };
        // Sources refuse an event whose id has no value.
        let ids = event.expressions.iter().filter(|(name, _)| name == "id");
        for id in ids.filter_map(|(_, expr)| body_path(expr)) {
            if !matches!(get(&base, &id.segments), Some(Value::String(_))) {
                set(&mut base, &id.segments, Value::text("1"));
            }
        }
        Some(Self { base, path, encodings })
    }

    /// The body that a sender sends, given the event as rules see it; `None` if fuse does not find it.
    pub(crate) fn sent_body(&self, plan: &Plan, seen: &Event<'_>) -> Option<String> {
        let body = Value::read_lenient(seen.body()).into_owned();
        let mut value = body.clone();
        for encoding in &self.encodings {
            value = match (encoding, value) {
                (BodyEncoding::JsonText, value) => Value::text(value.to_json_text().ok()?),
                (BodyEncoding::Base64, Value::String(text)) => {
                    Value::text(BASE64.encode(text.as_bytes()))
                }
                (BodyEncoding::Base64, _) => return None,
            };
        }
        let mut sent = self.base.clone();
        set(&mut sent, &self.path, value);
        let text = sent.to_json_text().ok()?;
        let sent = seen.borrowed().with_body(text.as_str()).at(Stage::Received);
        let arrived = plan.arrive(sent).ok()??;
        let decoded = arrived.seen().ok().filter(|event| event.name() == seen.name())?;
        (Value::read_lenient(decoded.body()) == body).then_some(text)
    }
}

/// The path that an expression is, if it is one into the body.
fn body_path(expr: &Expr) -> Option<&Path> {
    match &expr.kind {
        ExprKind::Path(path) if path.root == Root::Body => Some(path),
        _ => None,
    }
}

fn get<'v>(value: &'v Value<'static>, path: &[Segment]) -> Option<&'v Value<'static>> {
    path.iter().try_fold(value, |value, segment| value.step(segment).ok()?)
}

/// Sets the value at a path. Creates the lists and objects around it.
fn set(at: &mut Value<'static>, path: &[Segment], new: Value<'static>) {
    let Some((segment, rest)) = path.split_first() else {
        *at = new;
        return;
    };
    match segment {
        Segment::Key(key) => {
            if !matches!(at, Value::Map(_)) {
                *at = Value::Map(Vec::new());
            }
            let Value::Map(map) = at else { return };
            match map.iter_mut().find(|(own, _)| own == key) {
                Some((_, value)) => set(value, rest, new),
                None => {
                    let mut value = Value::Null;
                    set(&mut value, rest, new);
                    map.push((key.clone().into(), value));
                }
            }
        }
        Segment::Index(index) => {
            if !matches!(at, Value::List(_)) {
                *at = Value::List(Vec::new());
            }
            let Value::List(list) = at else { return };
            // A negative index counts from the end.
            let from_end = usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX);
            let index = usize::try_from(*index).unwrap_or(list.len().saturating_sub(from_end));
            let index = index.min(MAX_ENCODED_INDEX);
            while list.len() <= index {
                list.push(Value::Null);
            }
            if let Some(value) = list.get_mut(index) {
                set(value, rest, new);
            }
        }
    }
}
