//! What sources and triggers take: the schemas that their kinds register.
//!
//! The grammar knows no kind. Whoever provides a source or a trigger registers its schema, and
//! blocks of that kind are checked, filled in and documented by it, whether the kind is built in
//! or an embedding service's own.

mod trigger_info;
mod types;

use indexmap::IndexMap;

pub use trigger_info::{Outline, OutlineField, TriggerInfo};
pub use types::{FieldType, Templates};

/// One field of a block.
#[derive(Clone, Debug)]
pub struct Field {
    pub(crate) name: String,
    pub(crate) ty: FieldType,
    pub(crate) required: bool,
    pub(crate) fixed: bool,
    pub(crate) default: Option<serde_json::Value>,
    pub(crate) otherwise: Option<Vec<String>>,
    pub(crate) doc: String,
}

impl Field {
    /// A field that must be given.
    pub fn required(name: &str, ty: FieldType, doc: &str) -> Self {
        Self {
            name: name.into(),
            ty,
            required: true,
            fixed: false,
            default: None,
            otherwise: None,
            doc: doc.into(),
        }
    }

    /// A field that may be left out.
    pub fn optional(name: &str, ty: FieldType, doc: &str) -> Self {
        Self { required: false, ..Self::required(name, ty, doc) }
    }

    /// The field's value is the same for every event: it may not depend on one.
    #[must_use]
    pub fn fixed(self) -> Self {
        Self { fixed: true, ..self }
    }

    /// What the backend gets where the field is left out.
    #[must_use]
    pub fn default(self, value: impl Into<serde_json::Value>) -> Self {
        Self { required: false, default: Some(value.into()), ..self }
    }

    /// Where the field is left out, its value follows from the first of these fields that is given, else
    /// from the rule's name: what is too long of it is cut.
    #[must_use]
    pub fn otherwise(self, fields: &[&str]) -> Self {
        let fields = fields.iter().map(|name| (*name).to_owned()).collect();
        Self { required: false, otherwise: Some(fields), ..self }
    }

    /// The field's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the field is for, in a sentence.
    pub fn doc(&self) -> &str {
        &self.doc
    }
}

/// The fields that a kind of block takes.
///
/// ```
/// use fuse_rules::{Field, FieldType, Schema};
///
/// let page = Schema::new("page", "Calls a human.")
///     .field(Field::required("team", FieldType::String, "Whom to call."))
///     .field(Field::optional("urgent", FieldType::Bool, "Whether to ring at night."));
/// assert_eq!(page.kind(), "page");
/// ```
#[derive(Clone, Debug)]
pub struct Schema {
    kind: String,
    doc: String,
    fields: Vec<Field>,
    one_of: Vec<Vec<String>>,
    any_of: Vec<Vec<String>>,
    verify: Option<Verify>,
    only_tells: bool,
    pub(crate) templates: Vec<TemplateField>,
}

/// Looks at a block as a whole: what is wrong with it, in words for people, as in ``has `tags`, which
/// go with …``. The first field of the block that it names in back-quotes is shown as the place.
pub type Verify = fn(&TriggerInfo) -> Result<(), String>;

impl Schema {
    /// An empty schema for a kind, with a sentence that says what the kind does.
    pub fn new(kind: &str, doc: &str) -> Self {
        Self {
            kind: kind.into(),
            doc: doc.into(),
            fields: Vec::new(),
            one_of: Vec::new(),
            any_of: Vec::new(),
            verify: None,
            only_tells: false,
            templates: Vec::new(),
        }
    }

    /// Adds a field.
    #[must_use]
    pub fn field(mut self, field: Field) -> Self {
        self.fields.push(field);
        self
    }

    /// Exactly one of these (optional) fields must be given.
    #[must_use]
    pub fn one_of(mut self, names: &[&str]) -> Self {
        self.one_of.push(names.iter().map(|name| (*name).to_owned()).collect());
        self
    }

    /// At least one of these (optional) fields must be given.
    #[must_use]
    pub fn any_of(mut self, names: &[&str]) -> Self {
        self.any_of.push(names.iter().map(|name| (*name).to_owned()).collect());
        self
    }

    /// Adds a check of a block as a whole, for what its fields cannot say one by one. It sees what
    /// is known before any event, and is asked only about blocks whose fields have no fault.
    #[must_use]
    pub fn verify(self, verify: Verify) -> Self {
        Self { verify: Some(verify), ..self }
    }

    /// Says that a trigger of this kind tells of something and changes nothing, so that nobody needs a way
    /// to stop it.
    #[must_use]
    pub fn tells(self) -> Self {
        Self { only_tells: true, ..self }
    }

    /// Says that a field names a WorkflowTemplate or ClusterWorkflowTemplate, whose parameters are the keys
    /// of another field.
    #[must_use]
    pub fn template(mut self, field: &str, kind: &str, parameters: &str) -> Self {
        let (field, kind, parameters) = (field.into(), kind.into(), parameters.into());
        self.templates.push(TemplateField { field, kind, parameters });
        self
    }

    /// Whether a trigger of this kind changes nothing.
    pub fn only_tells(&self) -> bool {
        self.only_tells
    }

    /// The kind, as it stands in rules.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// What the kind does.
    pub fn doc(&self) -> &str {
        &self.doc
    }

    /// The fields, in the order in which they are documented.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    pub(crate) fn one_of_groups(&self) -> &[Vec<String>] {
        &self.one_of
    }

    pub(crate) fn any_of_groups(&self) -> &[Vec<String>] {
        &self.any_of
    }

    pub(crate) fn verifier(&self) -> Option<Verify> {
        self.verify
    }
}

/// A field that names a template.
#[derive(Clone, Debug)]
pub(crate) struct TemplateField {
    pub(crate) field: String,
    /// The kind of the template.
    pub(crate) kind: String,
    /// The field whose keys are its parameters.
    pub(crate) parameters: String,
}

/// What a kind of source takes: its own fields, and those of its events.
#[derive(Clone, Debug)]
pub struct SourceSchema {
    pub(crate) source: Schema,
    pub(crate) event: Schema,
    pub(crate) address: Vec<String>,
}

impl SourceSchema {
    /// A kind of source. A field of `event` that is also one of `source` overrides it for that
    /// event.
    ///
    /// Every source also takes `mismatch`: what becomes of an event that is not of its declared
    /// type. `accept`, the default, decides it all the same; `reject` makes all its decisions
    /// `rejected`.
    pub fn new(source: Schema, event: Schema) -> Self {
        let policies = FieldType::OneOf(vec!["accept".to_owned(), "reject".to_owned()]);
        let doc = "What becomes of an event that is not of its type.";
        let mismatch = Field::optional("mismatch", policies, doc);
        let source = source.field(mismatch.clone().default("accept"));
        Self { source, event: event.field(mismatch), address: Vec::new() }
    }

    /// The fields of the source itself.
    pub fn source(&self) -> &Schema {
        &self.source
    }

    /// The fields that together say where an event arrives: no two events may have the same.
    #[must_use]
    pub fn address(mut self, fields: &[&str]) -> Self {
        self.address = fields.iter().map(|name| (*name).to_owned()).collect();
        self
    }
}

/// The kinds that rules may use. Open: an embedding service adds its own.
///
/// ```
/// use fuse_rules::{Field, FieldType, Registry, Schema, SourceSchema};
///
/// let registry = Registry::new()
///     .source(SourceSchema::new(Schema::new("queue", "A queue."), Schema::new("event", "")))
///     .trigger(Schema::new("page", "Calls a human.").field(Field::required(
///         "team",
///         FieldType::String,
///         "Whom to call.",
///     )));
/// assert_eq!(registry.triggers().count(), 1);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Registry {
    sources: IndexMap<String, SourceSchema>,
    triggers: IndexMap<String, Schema>,
}

impl Registry {
    /// A registry without any kind.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a kind of source; one of the same name is replaced.
    #[must_use]
    pub fn source(mut self, schema: SourceSchema) -> Self {
        self.sources.insert(schema.source.kind.clone(), schema);
        self
    }

    /// Adds a kind of trigger; one of the same name is replaced.
    #[must_use]
    pub fn trigger(mut self, schema: Schema) -> Self {
        self.triggers.insert(schema.kind.clone(), schema);
        self
    }

    /// The kinds of sources, in the order of registration.
    pub fn sources(&self) -> impl Iterator<Item = &SourceSchema> + Clone {
        self.sources.values()
    }

    /// The kinds of triggers, in the order of registration.
    pub fn triggers(&self) -> impl Iterator<Item = &Schema> + Clone {
        self.triggers.values()
    }

    pub(crate) fn find_source(&self, kind: &str) -> Option<&SourceSchema> {
        self.sources.get(kind)
    }

    pub(crate) fn find_trigger(&self, kind: &str) -> Option<&Schema> {
        self.triggers.get(kind)
    }
}
