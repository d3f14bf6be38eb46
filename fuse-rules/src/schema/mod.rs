//! The schemas of sources and triggers, which their kinds register.
//!
//! The grammar does not know any kind. The provider of a source or trigger registers its schema.
//! Blocks of that kind are then checked, filled in and documented based on the schema, for built-in
//! kinds and for those of an embedding service.

mod network;
mod path_pattern;
mod secret_fields;
mod source;
mod trigger_info;
mod types;

use indexmap::IndexMap;

pub use path_pattern::{PathPattern, PathPatternError};
pub use source::{BodyShape, EventVerifier, SourceSchema};
pub use trigger_info::{Outline, OutlineField, TriggerInfo};
pub use types::{FieldType, Templates};

/// One field of a block.
#[derive(Clone, Debug, PartialEq)]
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
    /// A required field.
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

    /// An optional field.
    pub fn optional(name: &str, ty: FieldType, doc: &str) -> Self {
        Self { required: false, ..Self::required(name, ty, doc) }
    }

    /// The value of the field must be the same for every event.
    #[must_use]
    pub fn fixed(self) -> Self {
        Self { fixed: true, ..self }
    }

    /// Sets the default, which the backend gets if the field is left out.
    #[must_use]
    pub fn default(self, value: impl Into<serde_json::Value>) -> Self {
        Self { required: false, default: Some(value.into()), ..self }
    }

    /// Derives the default from the first of these fields that is present, or else from the name of
    /// the rule. It is truncated if it is too long.
    #[must_use]
    pub fn otherwise(self, fields: &[&str]) -> Self {
        let fields = fields.iter().map(|name| (*name).to_owned()).collect();
        Self { required: false, otherwise: Some(fields), ..self }
    }

    /// The field's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The purpose of the field, in one sentence.
    pub fn doc(&self) -> &str {
        &self.doc
    }
}

/// The fields of a kind of block.
///
/// ```
/// use fuse_rules::schema::{Field, FieldType, Schema};
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
    is_notification: bool,
    is_observed: Option<Observes>,
    is_stoppable: bool,
    response_field: Option<String>,
    is_whole: bool,
    pub(crate) templates: Vec<TemplateField>,
}

/// Schemas are equal if their kinds and fields are.
impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.fields == other.fields
    }
}

/// Checks a complete block. The error is a message for people, such as ``has `tags`, which go with
/// …``. The first field in backquotes that the block has is shown as the position.
pub type Verify = fn(&TriggerInfo) -> Result<(), String>;

/// Whether the end of the work that a block starts is observed.
pub type Observes = fn(&TriggerInfo) -> bool;

impl Schema {
    /// An empty schema for a kind, with one sentence about its purpose.
    pub fn new(kind: &str, doc: &str) -> Self {
        Self {
            kind: kind.into(),
            doc: doc.into(),
            fields: Vec::new(),
            one_of: Vec::new(),
            any_of: Vec::new(),
            verify: None,
            is_notification: false,
            is_observed: None,
            is_stoppable: false,
            response_field: None,
            is_whole: false,
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

    /// Adds a check of complete blocks, for constraints between fields. The check sees the values
    /// that are known before any event. It only runs for blocks whose fields have no errors.
    #[must_use]
    pub fn verify(self, verify: Verify) -> Self {
        Self { verify: Some(verify), ..self }
    }

    /// Declares that a trigger of this kind only notifies and changes nothing, so that it does not
    /// need a fuse.
    #[must_use]
    pub fn only_notifies(self) -> Self {
        Self { is_notification: true, ..self }
    }

    /// Declares that blocks of this kind start work whose end is observed, if this returns true for them.
    #[must_use]
    pub fn observed_if(self, is_observed: Observes) -> Self {
        Self { is_observed: Some(is_observed), ..self }
    }

    /// Whether the end of the work that a block starts is observed.
    pub fn is_observed(&self, block: &TriggerInfo) -> bool {
        self.is_observed.is_some_and(|is_observed| is_observed(block))
    }

    /// Declares that the work that a block starts can be stopped, as `concurrency … else replace` does.
    #[must_use]
    pub fn stoppable(self) -> Self {
        Self { is_stoppable: true, ..self }
    }

    /// Whether the work that a block starts can be stopped.
    pub fn is_stoppable(&self) -> bool {
        self.is_stoppable
    }

    /// Declares that a trigger of this kind gets a response, and that the keys of this field name the values that it
    /// keeps. The reactions to its actions read them in `outcome.response`, beside the `status`. An action that is
    /// performed must have a response; see [`ActionResponse`](crate::ActionResponse).
    #[must_use]
    pub fn keeps_response(self, field: &str) -> Self {
        Self { response_field: Some(field.to_owned()), ..self }
    }

    /// Whether triggers of this kind get a response; see [`Schema::keeps_response`].
    pub fn gets_response(&self) -> bool {
        self.response_field.is_some()
    }

    /// The field that names what is kept of a response, if triggers of this kind get one.
    pub(crate) fn response_field(&self) -> Option<&str> {
        self.response_field.as_deref()
    }

    /// Declares that a nested block replaces the same block of `defaults`. Otherwise, the two are merged.
    #[must_use]
    pub fn whole(self) -> Self {
        Self { is_whole: true, ..self }
    }

    /// Declares that a field names a WorkflowTemplate or ClusterWorkflowTemplate, whose parameters
    /// are the keys of another field.
    #[must_use]
    pub fn template(mut self, field: &str, kind: &str, parameters: &str) -> Self {
        let (field, kind, parameters) = (field.into(), kind.into(), parameters.into());
        self.templates.push(TemplateField { field, kind, parameters });
        self
    }

    /// Whether a trigger of this kind changes nothing.
    pub fn is_notification(&self) -> bool {
        self.is_notification
    }

    /// The kind, as used in rules.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The purpose of the kind.
    pub fn doc(&self) -> &str {
        &self.doc
    }

    /// The fields, in documentation order.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    pub(crate) fn one_of_groups(&self) -> &[Vec<String>] {
        &self.one_of
    }

    pub(crate) fn any_of_groups(&self) -> &[Vec<String>] {
        &self.any_of
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.is_whole
    }

    pub(crate) fn verifier(&self) -> Option<Verify> {
        self.verify
    }
}

/// A field that names a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TemplateField {
    pub(crate) field: String,
    /// The kind of the template.
    pub(crate) kind: String,
    /// The field whose keys are the template's parameters.
    pub(crate) parameters: String,
}

/// The kinds that rules can use. An embedding service can add its own.
///
/// ```
/// use fuse_rules::Registry;
/// use fuse_rules::schema::{Field, FieldType, Schema, SourceSchema};
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
    /// The names that no fuse can have, each with the reason.
    reserved_fuses: IndexMap<String, String>,
}

impl Registry {
    /// A registry without kinds.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a kind of source, or replaces the one with the same name.
    #[must_use]
    pub fn source(mut self, schema: SourceSchema) -> Self {
        self.sources.insert(schema.source.kind.clone(), schema);
        self
    }

    /// Adds a kind of trigger, or replaces the one with the same name.
    #[must_use]
    pub fn trigger(mut self, schema: Schema) -> Self {
        self.triggers.insert(schema.kind.clone(), schema);
        self
    }

    /// Reserves a name, so that no fuse can have it. Errors show `why`, a sentence without its full stop.
    #[must_use]
    pub fn reserve_fuse(mut self, name: &str, why: &str) -> Self {
        self.reserved_fuses.insert(name.to_owned(), why.to_owned());
        self
    }

    /// Why no fuse can have this name, if it is reserved. Ignores case.
    pub(crate) fn reserved_fuse(&self, name: &str) -> Option<&str> {
        let reserved =
            self.reserved_fuses.iter().find(|(reserved, _)| reserved.eq_ignore_ascii_case(name));
        reserved.map(|(_, why)| why.as_str())
    }

    /// The kinds of sources, in the order of registration.
    pub fn sources(&self) -> impl Iterator<Item = &SourceSchema> + Clone {
        self.sources.values()
    }

    /// The kinds of triggers, in the order of registration.
    pub fn triggers(&self) -> impl Iterator<Item = &Schema> + Clone {
        self.triggers.values()
    }

    /// The kind that a preset is based on.
    pub(crate) fn find_preset(&self, kind: &str) -> Option<&SourceSchema> {
        self.sources.values().find(|schema| schema.preset_kinds().any(|preset| preset == kind))
    }

    /// The names of all kinds of sources, with presets.
    pub(crate) fn source_kinds(&self) -> impl Iterator<Item = &str> + Clone {
        let kinds = |schema: &'_ SourceSchema| schema.preset_kinds().collect::<Vec<_>>();
        let presets = self.sources.values().flat_map(kinds);
        self.sources.values().map(|schema| schema.source.kind()).chain(presets)
    }

    pub(crate) fn find_source(&self, kind: &str) -> Option<&SourceSchema> {
        self.sources.get(kind)
    }

    pub(crate) fn find_trigger(&self, kind: &str) -> Option<&Schema> {
        self.triggers.get(kind)
    }
}
