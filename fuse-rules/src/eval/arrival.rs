//! What happens to an event before rules see it: which event it is, and its decoded body.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value as Json;

use super::frame::{self, Frame};
use super::stack::Stack;
use super::{Plan, unreadable};
use crate::event::{Event, Stage, UnreadableBody};
use crate::plan::{DecodePlan, EventPlan, Frames, RoutePlan, Slot};
use crate::scan::Extract;
use crate::semantics::Work;
use crate::typed::{Expr, ExprKind};
use crate::value::Value;

/// The function whose text can be taken over as it is.
const PARSE_JSON: &str = "parse-json";

/// The values of the fields of a nested block of a source, each with its name in the block. A value is `None` if its
/// expression has none for the event.
pub type BlockValues = Vec<(String, Option<Json>)>;

/// An event that arrived, which its source has unwrapped and routed.
pub struct ArrivedEvent<'e> {
    /// The plan of the event; `None` if no rules declare it.
    event_plan: Option<&'e EventPlan>,
    event: Event<'e>,
}

impl fmt::Debug for ArrivedEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArrivedEvent").field("event", &self.event).finish_non_exhaustive()
    }
}

impl<'e> ArrivedEvent<'e> {
    /// The event as the expressions of its source read it, under its own name.
    pub fn event(&self) -> &Event<'e> {
        &self.event
    }

    /// The same with the sender's id.
    #[must_use]
    pub fn with_id(self, id: impl Into<Cow<'e, str>>) -> Self {
        Self { event: self.event.id(id), ..self }
    }

    /// The value of a source's field that is an expression over the event; see [`Plan::source_field`].
    ///
    /// # Errors
    /// The body is not JSON, a key that the expression reads occurs twice in one object, or the expression would
    /// examine too many values.
    pub fn source_field(&mut self, field: &str) -> Result<Option<String>, UnreadableBody> {
        let expression = self.event_plan.and_then(|plan| plan.expression(field));
        let Some((frames, expr)) = expression else { return Ok(None) };
        let value = source_field(frames, expr, &self.event)?;
        self.event.set_read();
        Ok(value)
    }

    /// The values of those fields of a nested block of the source that are expressions over the event, such as
    /// `headers.location` in `reply`. `None` if the source has no such block.
    ///
    /// # Errors
    /// The body is not JSON, a key that the expressions read occurs twice in one object, or the expressions would
    /// examine too many values.
    pub fn source_block(&self, block: &str) -> Result<Option<BlockValues>, UnreadableBody> {
        let Some(plan) = self.event_plan.filter(|plan| plan.blocks.iter().any(|own| own == block))
        else {
            return Ok(None);
        };
        let expressions = plan
            .expressions
            .iter()
            .filter_map(|(name, expr)| Some((name.strip_prefix(block)?.strip_prefix('.')?, expr)));
        source_values(&plan.arrival, expressions, &self.event).map(Some)
    }

    /// The event as rules see it.
    ///
    /// # Errors
    /// The body is not JSON, or cannot be decoded.
    pub fn seen(self) -> Result<Event<'e>, UnreadableBody> {
        let Self { event_plan, mut event } = self;
        match event_plan.and_then(|plan| plan.decode.as_ref()) {
            Some(decode) if event.stage() < Stage::Seen => {
                let text = decoded(decode, &event)?;
                Ok(event.with_body(text).at(Stage::Seen))
            }
            _ => {
                event.validate().map_err(UnreadableBody::Invalid)?;
                event.set_read();
                Ok(event.at(Stage::Seen))
            }
        }
    }
}

impl Plan {
    /// Unwraps and routes an event, as its source does when the event arrives. A cloud event in the structured mode,
    /// which its content type declares, is unwrapped: attributes become headers `ce-…`, and the data becomes the
    /// body. The result is the event at the same address whose conditions are true, or else the one without
    /// conditions; `None` if there is neither. An event that no rules declare is returned as it is.
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
    /// let event = Event::unread("hub", "other", b"{}")?.header("X-Event", "push");
    /// let arrived = plan.arrive(event)?.ok_or("the request matches no event")?;
    /// assert_eq!(arrived.event().name(), "push");
    /// assert_eq!(arrived.seen()?.body(), "{}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The body is not a cloud event, although its content type says so. Or the conditions read the body, and it is
    /// not JSON, or a key that they read occurs twice in one object. Or they would examine too many values.
    pub fn arrive<'e>(
        &'e self,
        event: Event<'e>,
    ) -> Result<Option<ArrivedEvent<'e>>, UnreadableBody> {
        let plan = self.compiled();
        let Some(event_plan) = plan.event(event.source(), event.name()) else {
            return Ok(Some(ArrivedEvent { event_plan: None, event }));
        };
        let mut event = match event_plan.takes_cloud_events {
            true => event.unwrapped().map_err(UnreadableBody::Invalid)?,
            false => event,
        };
        let Some(route) = event_plan.route.and_then(|route| plan.routes.get(route)) else {
            return Ok(Some(ArrivedEvent { event_plan: Some(event_plan), event }));
        };
        let Some(name) = taken(route, &event)? else { return Ok(None) };
        if route.reads_body {
            event.set_read();
        }
        if name == event.name() {
            return Ok(Some(ArrivedEvent { event_plan: Some(event_plan), event }));
        }
        let event_plan = plan.event(event.source(), name);
        Ok(Some(ArrivedEvent { event_plan, event: event.named(name) }))
    }

    /// An event as rules see it: with its body decoded, if its source has a `decode`. All other methods take an event
    /// as it arrives, and do this themselves.
    ///
    /// ```
    /// use fuse_rules::{Event, Registry, Ruleset};
    /// use fuse_rules::schema::{Schema, SourceSchema};
    ///
    /// let queue = SourceSchema::new(Schema::new("queue", "A queue."), Schema::new("event", ""));
    /// let rules = "source q queue { decode = body.payload, event e }";
    /// let plan = Ruleset::parse("a.rules", rules, &Registry::new().source(queue))?.plan();
    /// let event = Event::new("q", "e", br#"{"payload": {"a": 1}}"#)?;
    /// assert_eq!(plan.seen(&event)?.body(), r#"{"a":1}"#);
    /// let event = Event::new("q", "e", b"{}")?;
    /// let why = plan.seen(&event).unwrap_err().to_string();
    /// assert_eq!(why, "the body cannot be decoded: `body.payload` is missing");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The body is not a cloud event, although its content type says so, or cannot be decoded.
    pub fn seen<'e>(&self, event: &'e Event<'_>) -> Result<Cow<'e, Event<'e>>, UnreadableBody> {
        match self.compiled().event(event.source(), event.name()) {
            Some(event_plan) if event.stage() < Stage::Seen => seen(event_plan, event),
            _ => Ok(Cow::Borrowed(event)),
        }
    }

    /// The value of a source's field that is an expression over the event, such as `id`, as
    /// canonical text. `None` if there is no such field, or if it has no value for this event.
    ///
    /// # Errors
    /// The body is not JSON, a key that the expression reads occurs twice in one object, or the expression would
    /// examine too many values.
    pub fn source_field(
        &self,
        event: &Event<'_>,
        field: &str,
    ) -> Result<Option<String>, UnreadableBody> {
        let event_plan = self.compiled().event(event.source(), event.name());
        let Some(event_plan) = event_plan else { return Ok(None) };
        match event_plan.expression(field) {
            Some((frames, expr)) => source_field(frames, expr, &*unwrapped(event_plan, event)?),
            None => Ok(None),
        }
    }

    /// Whether the event's source sets this field to an expression.
    pub fn has_source_field(&self, event: &Event<'_>, field: &str) -> bool {
        let event_plan = self.compiled().event(event.source(), event.name());
        event_plan.is_some_and(|event_plan| event_plan.expression(field).is_some())
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
}

/// Whether rules see an event as it was received: nothing is unwrapped or decoded.
pub(super) fn is_seen_as_received(event_plan: &EventPlan, event: &Event<'_>) -> bool {
    event.stage() == Stage::Seen || event_plan.decode.is_none() && !is_wrapped(event_plan, event)
}

/// Whether an event is a structured cloud event that is not unwrapped yet.
fn is_wrapped(event_plan: &EventPlan, event: &Event<'_>) -> bool {
    event_plan.takes_cloud_events && event.stage() == Stage::Received && event.is_structured()
}

/// An event as the expressions of its source read it.
fn unwrapped<'e>(
    event_plan: &EventPlan,
    event: &'e Event<'_>,
) -> Result<Cow<'e, Event<'e>>, UnreadableBody> {
    if !is_wrapped(event_plan, event) {
        return Ok(Cow::Borrowed(event));
    }
    event.borrowed().unwrapped().map(Cow::Owned).map_err(UnreadableBody::Invalid)
}

fn seen<'e>(
    event_plan: &EventPlan,
    event: &'e Event<'_>,
) -> Result<Cow<'e, Event<'e>>, UnreadableBody> {
    let event = unwrapped(event_plan, event)?;
    let Some(decode) = &event_plan.decode else { return Ok(event) };
    let text = decoded(decode, &event)?;
    let event = match event {
        Cow::Borrowed(event) => event.borrowed(),
        Cow::Owned(event) => event,
    };
    Ok(Cow::Owned(event.with_body(text).at(Stage::Seen)))
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

/// The value of an expression of the event's source, as canonical text.
fn source_field(
    frames: &Frames,
    expr: &Expr<Slot>,
    event: &Event<'_>,
) -> Result<Option<String>, UnreadableBody> {
    read(frames, event, true, |stack, work| {
        let value = stack.value(expr).ok();
        match work.exceeded() {
            Some(why) => Err(UnreadableBody::TooExpensive(why)),
            None => Ok(value.and_then(|value| value.canonical().map(Cow::into_owned))),
        }
    })?
}

/// The values of expressions of the event's source, each with its name.
fn source_values<'x>(
    frames: &Frames,
    exprs: impl Iterator<Item = (&'x str, &'x Expr<Slot>)>,
    event: &Event<'_>,
) -> Result<BlockValues, UnreadableBody> {
    read(frames, event, true, |stack, work| {
        let value = |expr| stack.value(expr).ok().and_then(|value| value.to_json().ok());
        let values: BlockValues =
            exprs.map(|(name, expr)| (name.to_owned(), value(expr))).collect();
        match work.exceeded() {
            Some(why) => Err(UnreadableBody::TooExpensive(why)),
            None => Ok(values),
        }
    })?
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
