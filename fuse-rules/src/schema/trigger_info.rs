//! The part of a trigger block that is known before any event, for tools that check rules against
//! their environment.

use serde_json::Value as Json;

use crate::attempts::AttemptPolicy;

/// A trigger block of a rule.
///
/// ```
/// use fuse_rules::{Registry, Ruleset};
/// use fuse_rules::schema::{Field, FieldType, Outline, Schema, SourceSchema, Templates};
///
/// let registry = Registry::new()
///     .source(SourceSchema::new(Schema::new("queue", "A queue."), Schema::new("event", "")))
///     .trigger(
///         Schema::new("page", "Calls a human.")
///             .field(Field::required("team", FieldType::String, "Whom to call."))
///             .field(Field::optional("why", FieldType::Text(Templates::Allowed), "What is up.")),
///     );
/// let text = r#"source q queue { event e }
///               sensor s on q.e { rule r { trigger page { team = "db", why = body.text } } }"#;
/// let ruleset = Ruleset::parse("x.rules", text, &registry)?;
/// let page = &ruleset.rules().next().unwrap().triggers[0];
/// assert_eq!(page.text("team"), Some("db"));
/// assert_eq!(page.get("why"), Some(&Outline::Computed));
/// # Ok::<(), fuse_rules::Diagnostics>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriggerInfo {
    /// The kind of the trigger, such as `workflow`.
    pub kind: String,
    /// How its action is attempted, if the rule says so.
    pub attempts: AttemptPolicy,
    /// Whether its work may be stopped for a newer match: its rule has `concurrency … else replace`.
    pub is_replaceable: bool,
    /// The fields of the block, including those of `defaults` and those with a default value.
    pub fields: Vec<OutlineField>,
}

/// A field of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutlineField {
    /// The key.
    pub key: String,
    /// Whether the field is left out if its value is missing.
    pub optional: bool,
    /// The known part of its value.
    pub value: Outline,
}

/// The part of a value that is known before any event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outline {
    /// The same for every event: the value that the backend gets.
    Constant(Json),
    /// Depends on the event.
    Computed,
    /// A block or record with values that depend on the event.
    Block(Vec<OutlineField>),
}

impl TriggerInfo {
    /// The value of a field; `None` if the field is left out.
    pub fn get(&self, key: &str) -> Option<&Outline> {
        self.fields.iter().find(|field| field.key == key).map(|field| &field.value)
    }

    /// The text of a field that is the same for every event.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Outline::Constant(Json::String(text)) => Some(text),
            _ => None,
        }
    }
}

impl Outline {
    /// The fields of a block or record, constant or not.
    pub fn entries(&self) -> Vec<OutlineField> {
        match self {
            Self::Block(fields) => fields.clone(),
            Self::Constant(Json::Object(map)) => map
                .iter()
                .map(|(key, value)| OutlineField {
                    key: key.clone(),
                    optional: false,
                    value: Self::Constant(value.clone()),
                })
                .collect(),
            _ => Vec::new(),
        }
    }
}
