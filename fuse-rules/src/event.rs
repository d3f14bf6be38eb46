//! An event in the form that rules see: valid JSON, headers, the query, and its source.

mod body;
mod cloud_event;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

use crate::scan;
pub use crate::scan::MAX_DEPTH;
use crate::span::Place;
use crate::value::Value;
use body::utf8;
pub use body::{foreign_encoding, without_bom};
pub(crate) use body::{json_fault, place};

/// When an event that a tool makes was received, by default: 2026-01-01T00:00:00Z.
pub(crate) const DEFAULT_RECEIVED: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// An event with a valid body.
///
/// ```
/// use fuse_rules::Event;
///
/// let event = Event::new("github", "push", br#"{"ref": "refs/heads/main"}"#)?
///     .id("72d3162e-cc78-11e3-81ab-4c9367dc0958")
///     .header("X-GitHub-Event", "push");
/// assert_eq!(event.source(), "github");
/// # Ok::<(), fuse_rules::InvalidBody>(())
/// ```
#[derive(Clone, Debug)]
pub struct Event<'a> {
    source: Cow<'a, str>,
    name: Cow<'a, str>,
    id: Cow<'a, str>,
    received: Timestamp,
    /// `None` if all parts are empty, so that small events without them can be moved quickly.
    context: Option<Box<Context>>,
    body: Cow<'a, str>,
    /// Whether the body is already validated.
    is_read: bool,
    stage: Stage,
}

/// What an event has besides its names, time and body.
#[derive(Clone, Debug)]
struct Context {
    headers: BTreeMap<String, String>,
    query: BTreeMap<String, String>,
    path: BTreeMap<String, String>,
    /// What a reaction reads as `outcome`.
    outcome: Value<'static>,
}

impl Context {
    const fn new() -> Self {
        Self {
            headers: BTreeMap::new(),
            query: BTreeMap::new(),
            path: BTreeMap::new(),
            outcome: Value::Null,
        }
    }
}

static NO_CONTEXT: Context = Context::new();

/// What the source of an event has done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Nothing: it is as it arrived.
    Received,
    /// The attributes of a structured cloud event are headers.
    Unwrapped,
    /// The body is decoded: it is the event that rules see.
    Seen,
}

impl<'a> Event<'a> {
    /// An event of a source, with the names of the rules for both. Until `id` and `received` set
    /// them, the id is empty and the time is the Unix epoch.
    ///
    /// A byte order mark before the body is skipped.
    ///
    /// # Errors
    /// The body is not UTF-8, not JSON (RFC 8259), or nested more than 128 deep.
    pub fn new(
        source: impl Into<Cow<'a, str>>,
        name: impl Into<Cow<'a, str>>,
        body: &'a [u8],
    ) -> Result<Self, InvalidBody> {
        let event = Self::unread(source, name, body)?;
        match event.fault() {
            Some(fault) => Err(fault),
            None => Ok(Self { is_read: true, ..event }),
        }
    }

    /// An event whose body is not validated yet. Evaluating the event validates the body in the
    /// same pass. If the body is not JSON, the event is refused, with the position in the reason.
    ///
    /// ```
    /// use fuse_rules::{Event, Fuses, Registry, Ruleset};
    ///
    /// let plan = Ruleset::parse("a.rules", "", &Registry::new())?.plan();
    /// let event = Event::unread("github", "push", b"{\"ref\":")?;
    /// let refused = plan.evaluate(&event, &Fuses::default()).refused;
    /// assert!(refused.unwrap().starts_with("the body is not JSON"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The body is not UTF-8.
    pub fn unread(
        source: impl Into<Cow<'a, str>>,
        name: impl Into<Cow<'a, str>>,
        body: &'a [u8],
    ) -> Result<Self, InvalidBody> {
        Ok(Self {
            source: source.into(),
            name: name.into(),
            id: Cow::Borrowed(""),
            received: Timestamp::UNIX_EPOCH,
            context: None,
            body: Cow::Borrowed(utf8(without_bom(body))?),
            is_read: false,
            stage: Stage::Received,
        })
    }

    /// Sets the event's id.
    #[must_use]
    pub fn id(self, id: impl Into<Cow<'a, str>>) -> Self {
        Self { id: id.into(), ..self }
    }

    /// Sets the time at which the event was received, which `age(…)` is relative to.
    #[must_use]
    pub fn received(self, at: Timestamp) -> Self {
        Self { received: at, ..self }
    }

    /// Adds a header. Names are case-insensitive; values with the same name are joined with `, `.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.context_mut()
            .headers
            .entry(name.to_ascii_lowercase())
            .and_modify(|all| {
                all.push_str(", ");
                all.push_str(value);
            })
            .or_insert_with(|| value.to_owned());
        self
    }

    /// Adds a query parameter. If a name is added twice, the first value is kept.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        let query = &mut self.context_mut().query;
        query.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        self
    }

    /// Removes a query parameter, such as a secret that the source hides from rules.
    #[must_use]
    pub fn without_query_parameter(mut self, name: &str) -> Self {
        if let Some(context) = &mut self.context {
            context.query.remove(name);
        }
        self
    }

    /// Sets a parameter of the path, which rules read as `event.path.NAME`.
    #[must_use]
    pub fn path_parameter(mut self, name: &str, value: &str) -> Self {
        self.context_mut().path.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The source's name.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The event's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The bytes of all parts that rules can read.
    pub(crate) fn bytes(&self) -> u64 {
        let bytes = |texts: &BTreeMap<String, String>| {
            texts.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>()
        };
        let texts = self.context.as_ref().map_or(0, |context| {
            [&context.headers, &context.query, &context.path].into_iter().map(bytes).sum::<usize>()
        });
        (texts + self.id.len() + self.body.len()) as u64
    }

    /// The event's id; empty until `id` sets it.
    pub fn event_id(&self) -> &str {
        &self.id
    }

    /// The time at which the event was received.
    pub fn received_at(&self) -> Timestamp {
        self.received
    }

    /// The body: JSON text, which is valid unless the event is [unread](Self::unread).
    pub fn body(&self) -> &str {
        &self.body
    }

    /// The value of a header; case does not matter.
    pub fn header_value(&self, name: &str) -> Option<&str> {
        self.headers().get(&name.to_ascii_lowercase()).map(String::as_str)
    }

    /// The same event, with texts that are borrowed from this one.
    pub(crate) fn borrowed(&self) -> Event<'_> {
        Event {
            source: Cow::Borrowed(&self.source),
            name: Cow::Borrowed(&self.name),
            id: Cow::Borrowed(&self.id),
            context: self.context.clone(),
            body: Cow::Borrowed(&self.body),
            ..*self
        }
    }

    /// The same event with another body, which is not validated yet.
    pub(crate) fn with_body(self, body: impl Into<Cow<'a, str>>) -> Self {
        Self { body: body.into(), is_read: false, ..self }
    }

    /// The same event with what a reaction reads as `outcome`.
    pub(crate) fn with_outcome(mut self, outcome: Value<'static>) -> Self {
        self.context_mut().outcome = outcome;
        self
    }

    /// Declares that the body is valid.
    pub(crate) fn set_read(&mut self) {
        self.is_read = true;
    }

    /// Declares what its source has done with the event.
    pub(crate) fn at(self, stage: Stage) -> Self {
        Self { stage, ..self }
    }

    pub(crate) fn stage(&self) -> Stage {
        self.stage
    }

    /// The same event under another name of its source.
    #[must_use]
    pub fn named(self, name: impl Into<Cow<'a, str>>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// Validates the body of an event that is [unread](Self::unread).
    ///
    /// # Errors
    /// It is not JSON (RFC 8259), or nested more than 128 deep.
    pub fn validate(&self) -> Result<(), InvalidBody> {
        self.fault().map_or(Ok(()), Err)
    }

    /// Why the body is not valid, if it is not.
    pub(crate) fn fault(&self) -> Option<InvalidBody> {
        if self.is_read || scan::is_valid(&self.body) {
            return None;
        }
        // Slower, but gives the position.
        let (place, fault) = json_fault(&self.body)?;
        Some(InvalidBody { place, message: format!("the body is {fault}") })
    }

    fn context(&self) -> &Context {
        self.context.as_deref().unwrap_or(&NO_CONTEXT)
    }

    fn context_mut(&mut self) -> &mut Context {
        self.context.get_or_insert_with(|| Box::new(Context::new()))
    }

    pub(crate) fn headers(&self) -> &BTreeMap<String, String> {
        &self.context().headers
    }

    pub(crate) fn queries(&self) -> &BTreeMap<String, String> {
        &self.context().query
    }

    pub(crate) fn path_parameters(&self) -> &BTreeMap<String, String> {
        &self.context().path
    }

    pub(crate) fn outcome(&self) -> &Value<'static> {
        &self.context().outcome
    }

    /// A field of the root `event`. `type` and `subject` are those of CloudEvents, if present.
    pub(crate) fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        let header =
            |name: &str| self.headers().get(name).map(|value| Cow::Borrowed(value.as_str()));
        match name {
            "id" => Some(Cow::Borrowed(&self.id)),
            "source" => Some(Cow::Borrowed(&self.source)),
            "name" => Some(Cow::Borrowed(&self.name)),
            "time" => Some(Cow::Owned(self.received.to_string())),
            "type" => header("ce-type"),
            "subject" => header("ce-subject"),
            _ => None,
        }
    }
}

/// The reason why a body is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidBody {
    /// The position of the error; columns count bytes.
    pub place: Place,
    /// The error, in one lower-case sentence.
    pub message: String,
}

impl fmt::Display for InvalidBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { line, column } = self.place;
        write!(f, "{} at line {line}, column {column}", self.message)
    }
}

impl std::error::Error for InvalidBody {}

/// The reason why no value can be read from a body.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnreadableBody {
    /// The body is not JSON.
    Invalid(InvalidBody),
    /// A key that the rules read occurs twice in one object, so it has two values. The sentence
    /// names the key.
    DuplicateKey(String),
    /// The `decode` of the event has no value. The sentence says why.
    Undecodable(String),
    /// The conditions or the `id` of the event's source would examine too many values. The sentence
    /// has the limit.
    TooExpensive(String),
    /// A bug in fuse.
    Internal,
}

impl fmt::Display for UnreadableBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(fault) => fault.fmt(f),
            Self::DuplicateKey(why) | Self::Undecodable(why) | Self::TooExpensive(why) => {
                f.write_str(why)
            }
            Self::Internal => {
                f.write_str("the body cannot be read; this is a bug in fuse, please report it")
            }
        }
    }
}

impl std::error::Error for UnreadableBody {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Invalid(fault) => Some(fault),
            _ => None,
        }
    }
}
