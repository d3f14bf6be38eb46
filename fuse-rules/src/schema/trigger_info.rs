//! What is known of a trigger block before any event: for whoever checks rules against the world
//! that they will act on.

use serde_json::Value as Json;

/// A trigger block of a rule.
///
/// ```
/// use fuse_rules::{Field, FieldType, Outline, Registry, Ruleset, Schema, SourceSchema, Templates};
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
    /// The trigger's kind, as in `workflow`.
    pub kind: String,
    /// The fields that are given, with those of `defaults` and those that stand at their default.
    pub fields: Vec<OutlineField>,
}

/// A field of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutlineField {
    /// Its key.
    pub key: String,
    /// Whether it is left out when its value is missing.
    pub optional: bool,
    /// What is known of its value.
    pub value: Outline,
}

/// What is known of a value before any event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outline {
    /// The same for every event: as the backend gets it.
    Constant(Json),
    /// It follows from the event.
    Computed,
    /// A block or record, some of whose values follow from the event.
    Block(Vec<OutlineField>),
}

impl TriggerInfo {
    /// What is known of a field; `None` where it is not given.
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
