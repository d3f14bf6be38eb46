//! What happens to an event before rules see it: which event it is, and its decoded body.

use std::collections::BTreeMap;

use super::frame::{self, Frame};
use super::stack::Stack;
use super::{Plan, unreadable};
use crate::event::{Event, UnreadableBody};
use crate::plan::{DecodePlan, Frames, RoutePlan};
use crate::scan::Extract;
use crate::semantics::Work;
use crate::typed::{Expr, ExprKind};
use crate::value::Value;

/// The parts of an event that its source changes before rules see it.
#[derive(Debug)]
pub(crate) struct SeenParts {
    pub(crate) body: String,
    pub(crate) headers: BTreeMap<String, String>,
}

/// The function whose text can be taken over as it is.
const PARSE_JSON: &str = "parse-json";

impl Plan {
    /// Calls `then` with the event as the conditions and expressions of its source read it. A cloud event in the
    /// structured mode, which its content type declares, is unwrapped: attributes become headers `ce-…`, and the data
    /// becomes the body.
    ///
    /// # Errors
    /// `then` gets the reason why the body is not a cloud event.
    pub fn arrived<T>(
        &self,
        event: &Event<'_>,
        then: impl FnOnce(Result<&Event<'_>, UnreadableBody>) -> T,
    ) -> T {
        if !event.is_structured() {
            return then(Ok(event));
        }
        let event_plan = self.compiled().event(event.source(), event.name());
        if event_plan.is_none_or(|event_plan| !event_plan.takes_cloud_events) {
            return then(Ok(event));
        }
        event.unwrapped(|event| then(event.map_err(UnreadableBody::Invalid)))
    }

    /// Calls `then` with the event as rules see it: with its body decoded, if its source has a `decode`. All other
    /// methods take an event as it arrives, and do this themselves.
    ///
    /// ```
    /// use fuse_rules::{Event, Registry, Ruleset};
    /// use fuse_rules::schema::{Schema, SourceSchema};
    ///
    /// let queue = SourceSchema::new(Schema::new("queue", "A queue."), Schema::new("event", ""));
    /// let rules = "source q queue { decode = body.payload, event e }";
    /// let plan = Ruleset::parse("a.rules", rules, &Registry::new().source(queue))?.plan();
    /// let event = Event::new("q", "e", br#"{"payload": {"a": 1}}"#)?;
    /// plan.seen(&event, |event| assert_eq!(event.unwrap().body(), r#"{"a":1}"#));
    /// let event = Event::new("q", "e", b"{}")?;
    /// let why = plan.seen(&event, |event| event.unwrap_err().to_string());
    /// assert_eq!(why, "the body cannot be decoded: `body.payload` is missing");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `then` gets the reason why the body cannot be decoded.
    pub fn seen<T>(
        &self,
        event: &Event<'_>,
        then: impl FnOnce(Result<&Event<'_>, UnreadableBody>) -> T,
    ) -> T {
        self.arrived(event, |event| {
            let event = match event {
                Ok(event) => event,
                Err(why) => return then(Err(why)),
            };
            let event_plan = self.compiled().event(event.source(), event.name());
            let decode = event_plan.and_then(|event_plan| event_plan.decode.as_ref());
            let Some(decode) = decode.filter(|_| !event.is_decoded()) else {
                return then(Ok(event));
            };
            match decoded(decode, event) {
                Ok(text) => then(Ok(&event.with_body(&text).decoded())),
                Err(why) => then(Err(why)),
            }
        })
    }

    /// Whether a request can be this event, given the event as rules see it. If it is decoded, the conditions on the
    /// body that arrived are not known to be false.
    pub(crate) fn may_be(&self, event: &Event<'_>) -> bool {
        let plan = self.compiled();
        let Some(event_plan) = plan.event(event.source(), event.name()) else { return true };
        match event_plan.route.and_then(|route| plan.routes.get(route)) {
            Some(route) if event_plan.decode.is_none() || !route.reads_body => {
                taken(route, event) == Ok(Some(event.name()))
            }
            _ => true,
        }
    }

    /// The body and the headers as rules see them, if they are not those that arrived.
    pub(crate) fn seen_parts(&self, event: &Event<'_>) -> Option<Result<SeenParts, String>> {
        self.seen(event, |seen| match seen {
            Ok(seen) if std::ptr::eq(seen.body(), event.body()) => None,
            Ok(seen) => Some(Ok(SeenParts {
                body: seen.body().to_owned(),
                headers: seen.headers().clone(),
            })),
            Err(why) => Some(Err(why.to_string())),
        })
    }

    /// The name of the event that a request is: of the events at the address of `event`, the one whose conditions are
    /// true, or else the one without conditions. `None` if there is none.
    ///
    /// ```
    /// use fuse_rules::{Event, Registry, Ruleset};
    /// use fuse_rules::schema::{Field, FieldType, Schema, SourceSchema};
    ///
    /// let path = Field::required("path", FieldType::UrlPath, "");
    /// let hook = Schema::new("hook", "A webhook.").field(path);
    /// let hook = SourceSchema::new(hook, Schema::new("event", "")).address(&["path"]);
    /// let rules = r#"
    ///     source hub hook {
    ///       path = "/hub"
    ///       event push { when headers.x-event == "push" }
    ///       event other
    ///     }
    /// "#;
    /// let plan = Ruleset::parse("a.rules", rules, &Registry::new().source(hook))?.plan();
    /// let event = Event::new("hub", "other", b"{}")?;
    /// assert_eq!(plan.route(&event), Ok(Some("other")));
    /// assert_eq!(plan.route(&event.header("X-Event", "push")), Ok(Some("push")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The conditions read the body, and it is not JSON, or a key that they read occurs twice in one object.
    pub fn route(&self, event: &Event<'_>) -> Result<Option<&str>, UnreadableBody> {
        let plan = self.compiled();
        let Some((name, event_plan)) = plan.named_event(event.source(), event.name()) else {
            return Ok(None);
        };
        match event_plan.route.and_then(|route| plan.routes.get(route)) {
            Some(route) => self.arrived(event, |event| taken(route, event?)),
            None => Ok(Some(name)),
        }
    }
}

/// The body that rules see, as JSON text.
fn decoded(decode: &DecodePlan, event: &Event<'_>) -> Result<String, UnreadableBody> {
    let fault =
        |why: &str| UnreadableBody::Undecodable(format!("the body cannot be decoded: {why}"));
    read(&decode.frames, event, true, |stack, work| {
        // The text of `parse-json(…)` is the body, so that nothing in it is lost.
        let inner = match &decode.expr.kind {
            ExprKind::Call { function, arguments, .. } if function.name == PARSE_JSON => {
                arguments.first()
            }
            _ => None,
        };
        let value =
            stack.value(inner.unwrap_or(&decode.expr)).map_err(|why| fault(&why.reason()))?;
        if let Some(why) = work.exceeded() {
            return Err(fault(&why));
        }
        if inner.is_none() {
            return value.to_json_text().map_err(|why| fault(&format!("it holds {why}")));
        }
        match &*value {
            Value::String(text) => match crate::event::json_fault(text) {
                Some((place, why)) => {
                    let (line, column) = (place.line, place.column);
                    Err(fault(&format!("the text is {why} at line {line}, column {column}")))
                }
                None => Ok(text.clone().into_owned()),
            },
            other => Err(fault(&format!("{} is not a text", other.show()))),
        }
    })?
}

fn taken<'p>(route: &'p RoutePlan, event: &Event<'_>) -> Result<Option<&'p str>, UnreadableBody> {
    let found = read(&route.frames, event, route.reads_body, |stack, work| {
        let holds = |condition: &Expr<_>| stack.truth(condition) == Ok(true);
        let taken = route.events.iter().find(|(_, conditions)| conditions.iter().all(holds));
        // Beyond the limit, a condition that is true is unknown.
        match work.exceeded() {
            Some(why) => Err(UnreadableBody::TooExpensive(why)),
            None => Ok(taken.map(|(name, _)| name.as_str())),
        }
    })??;
    Ok(found.or(route.rest.as_deref()))
}

/// Calls `then` with the values that expressions of a source read. Without `reads_body`, the body is not even
/// scanned.
fn read<T>(
    frames: &Frames,
    event: &Event<'_>,
    reads_body: bool,
    then: impl FnOnce(&Stack<'_, '_>, &Work) -> T,
) -> Result<T, UnreadableBody> {
    let mut extract = Extract::default();
    let body = if reads_body { event.body() } else { "null" };
    frame::read(&mut extract, frames, event, body).map_err(|why| unreadable(why, event))?;
    let work = Work::new(event.received_at());
    let frame = Frame::from_event(&extract, body);
    let stack = Stack::new(&frame, frames, &work);
    Ok(then(&stack, &work))
}
