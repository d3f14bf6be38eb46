//! The schemas of sources: their fields, the address of an event, and the shape of its body.

use serde_json::{Map, Value as Json};

use super::{Field, FieldType, Schema};

/// The schema of a kind of source: its own fields, and those of its events.
#[derive(Clone, Debug)]
pub struct SourceSchema {
    pub(crate) source: Schema,
    pub(crate) event: Schema,
    pub(crate) address: Vec<String>,
    pub(crate) same_at_address: Vec<String>,
    /// Fields that sources must agree on if another field has the same value.
    pub(crate) shared: Vec<SharedFields>,
    verify: Option<EventVerifier>,
    shapes: Vec<ShapeRule>,
    presets: &'static str,
    alternatives: Vec<Vec<String>>,
}

/// Checks the fields of a complete event, with those of its source. The error is a message for people, such as ``has
/// `x`, which …``.
pub type EventVerifier = fn(&Map<String, Json>) -> Result<(), String>;

/// What the body of an event always is, before it is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyShape {
    /// Any JSON value.
    Any,
    /// A string.
    Text,
    /// A map of strings, such as a form.
    Strings,
    /// A map of lists of strings, such as a form whose names are repeated.
    StringLists,
}

/// Fields that all sources of a kind must agree on if they have the same value of a field.
#[derive(Clone, Debug)]
pub(crate) struct SharedFields {
    pub(crate) field: String,
    pub(crate) same: Vec<String>,
}

/// The shape of bodies if a field has this value.
#[derive(Clone, Debug)]
struct ShapeRule {
    field: String,
    value: String,
    shape: BodyShape,
}

impl SourceSchema {
    /// A kind of source. A field that is in both `event` and `source` overrides the source's value
    /// for that event.
    ///
    /// Every source also has the field `mismatch`, for events that do not conform to their declared
    /// type. `accept`, the default, decides such an event anyway; `reject` makes all its decisions
    /// `rejected`.
    ///
    /// And it has the field `decode`, an expression over a body that arrives. Its value is the body that rules see.
    pub fn new(source: Schema, event: Schema) -> Self {
        let policies = FieldType::OneOf(vec!["accept".to_owned(), "reject".to_owned()]);
        let doc = "How to handle an event that does not conform to its type.";
        let mismatch = Field::optional("mismatch", policies, doc);
        let doc =
            "The body that rules see, made from the body that arrives: `parse-json(body.payload)`.";
        let decode = Field::optional("decode", FieldType::Expression, doc);
        let source = source.field(mismatch.clone().default("accept")).field(decode.clone());
        let event = event.field(mismatch).field(decode);
        Self {
            source,
            event,
            address: Vec::new(),
            same_at_address: Vec::new(),
            shared: Vec::new(),
            verify: None,
            shapes: Vec::new(),
            presets: "",
            alternatives: Vec::new(),
        }
    }

    /// The fields of the source itself.
    pub fn source(&self) -> &Schema {
        &self.source
    }

    /// The fields of its events.
    pub fn event(&self) -> &Schema {
        &self.event
    }

    /// Sets the fields that together are the address of an event. Events of one source may share an address if
    /// their conditions distinguish them: [`Plan::arrive`](crate::Plan::arrive) then finds the event of a request.
    #[must_use]
    pub fn address(mut self, fields: &[&str]) -> Self {
        self.address = fields.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    /// Declares fields that events of one address must agree on, because they determine how a request is read before
    /// its event is known.
    #[must_use]
    pub fn same_at_address(mut self, fields: &[&str]) -> Self {
        self.same_at_address = fields.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    /// Declares fields that sources must agree on if they have the same value of `field`, because they share what it
    /// names, such as a port.
    ///
    /// ```
    /// use fuse_rules::{Registry, Ruleset};
    /// use fuse_rules::schema::{Field, FieldType, Schema, SourceSchema};
    ///
    /// let queue = Schema::new("queue", "")
    ///     .field(Field::required("broker", FieldType::String, ""))
    ///     .field(Field::optional("user", FieldType::String, ""));
    /// let schema = SourceSchema::new(queue, Schema::new("event", "")).same_for("broker", &["user"]);
    /// let rules = r#"source a queue { broker = "x", user = "me", event e }
    ///                source b queue { broker = "x", event e }"#;
    /// let problem = Ruleset::parse("a.rules", rules, &Registry::new().source(schema)).unwrap_err();
    /// assert!(problem.to_string().contains("sources with the same `broker` must have the same `user`"));
    /// ```
    #[must_use]
    pub fn same_for(mut self, field: &str, same: &[&str]) -> Self {
        let same = same.iter().map(|name| (*name).to_owned()).collect();
        self.shared.push(SharedFields { field: field.to_owned(), same });
        self
    }

    /// Adds a check of complete events, for constraints between fields of the event and those of its source.
    #[must_use]
    pub fn verify(self, verify: EventVerifier) -> Self {
        Self { verify: Some(verify), ..self }
    }

    /// Adds kinds that are presets of this one, as a text of rules: each source of the text is a preset, named after
    /// its kind. A source of such a kind is checked as if its fields and events had been written out. Its fields
    /// override those of the preset, and it declares those events of the preset that it needs, by name.
    ///
    /// `secret("preset", "NAME")` in the text becomes a field `NAME`, which every source of the kind must have, and so
    /// does `setting("NAME", EXAMPLE)`, for a field that is not a secret.
    ///
    /// ```
    /// use fuse_rules::schema::{Field, FieldType, Schema, SourceSchema};
    /// use fuse_rules::{Registry, Ruleset};
    ///
    /// const PRESETS: &str = r#"
    ///   source shop queue {
    ///     topic = "orders"
    ///     event paid { when body.kind == "paid" }
    ///     event sent { when body.kind == "sent" }
    ///   }
    /// "#;
    /// let queue = Schema::new("queue", "").field(Field::required("topic", FieldType::String, ""));
    /// let queue = SourceSchema::new(queue, Schema::new("event", "")).presets(PRESETS);
    /// let registry = Registry::new().source(queue);
    /// let ruleset = Ruleset::parse("a.rules", "source orders shop { event paid }", &registry)?;
    /// let event = ruleset.events().next().unwrap();
    /// assert_eq!((event.kind, event.preset), ("queue", Some("shop")));
    /// assert_eq!(event.fields["topic"], "orders");
    /// assert_eq!(event.when, [r#"body.kind == "paid""#]);
    /// # Ok::<(), fuse_rules::Diagnostics>(())
    /// ```
    #[must_use]
    pub fn presets(self, text: &'static str) -> Self {
        Self { presets: text, ..self }
    }

    /// Declares fields of which an event needs only one: a source or event that sets one of them does not get the others
    /// from its preset.
    #[must_use]
    pub fn alternatives(mut self, fields: &[&str]) -> Self {
        self.alternatives.push(fields.iter().map(|name| (*name).to_owned()).collect());
        self
    }

    /// The fields that replace a field of a preset, with the field itself.
    pub(crate) fn replacements<'s>(&'s self, field: &'s str) -> impl Iterator<Item = &'s String> {
        let of_field = move |group: &&Vec<String>| group.iter().any(|name| name == field);
        self.alternatives.iter().filter(of_field).flatten()
    }

    /// The text of its presets.
    pub(crate) fn preset_text(&self) -> &'static str {
        self.presets
    }

    /// The kinds that are presets of this one, in the order of their text.
    pub fn preset_kinds(&self) -> impl Iterator<Item = &'static str> + use<> {
        let head = |line: &'static str| {
            let mut words = line.trim_start().strip_prefix("source ")?.split_whitespace();
            words.next()
        };
        self.presets.lines().filter_map(head)
    }

    pub(crate) fn verifier(&self) -> Option<EventVerifier> {
        self.verify
    }

    /// Declares that bodies have this shape if a field of the event has this value. The first declaration that
    /// applies counts. The checker then knows the types of their values.
    ///
    /// ```
    /// use fuse_rules::{Registry, Ruleset};
    /// use fuse_rules::schema::{BodyShape, Field, FieldType, Schema, SourceSchema};
    ///
    /// let format = FieldType::OneOf(vec!["json".into(), "lines".into()]);
    /// let source = Schema::new("queue", "").field(Field::optional("format", format, ""));
    /// let schema = SourceSchema::new(source, Schema::new("event", ""));
    /// let registry = Registry::new()
    ///     .source(schema.body("format", "lines", BodyShape::Text))
    ///     .trigger(Schema::new("page", "Calls a human."));
    /// let rules = r#"source q queue { format = "lines", event e }
    ///                sensor s on q.e { rule r { when body.severity == 5  trigger page {} } }"#;
    /// let problem = Ruleset::parse("a.rules", rules, &registry).unwrap_err();
    /// assert!(problem.to_string().contains("`body` is a string, which has no fields"));
    /// ```
    #[must_use]
    pub fn body(mut self, field: &str, value: &str, shape: BodyShape) -> Self {
        self.shapes.push(ShapeRule { field: field.to_owned(), value: value.to_owned(), shape });
        self
    }

    /// The fields that determine the address and the shape of a body, so that expressions may depend on them.
    pub(crate) fn first_fields(&self) -> Vec<&str> {
        let shaping = self.shapes.iter().map(|rule| rule.field.as_str());
        shaping.chain(self.address.iter().map(String::as_str)).collect()
    }

    /// The shape of the bodies of an event with these fields, and the field that determines it, as written.
    pub(crate) fn shape(&self, fields: &Map<String, Json>) -> (BodyShape, String) {
        let applies = |rule: &&ShapeRule| fields.get(&rule.field).is_some_and(|v| *v == rule.value);
        match self.shapes.iter().find(applies) {
            Some(rule) => (rule.shape, format!("{} = \"{}\"", rule.field, rule.value)),
            None => (BodyShape::Any, String::new()),
        }
    }
}
