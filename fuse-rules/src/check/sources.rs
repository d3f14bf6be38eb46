//! Sources: checks their blocks against the schemas of their kinds, and their events.

use serde_json::{Map, Value as Json};

use super::blocks::merged;
use super::bodies::divided;
use super::event_parts::{DECODE, EventParts, EventView};
use super::presets::{defaults_for, place_of};
use super::scope::Scope;
use super::{Checker, names};
use crate::diagnostic::{Code, Diagnostic};
use crate::schema::{Field, FieldType, Schema};
use crate::span::Span;
use crate::syntax::ast::{self, Block, Text};
use crate::typed::{self, Expr, ExprKind, Mapped, MappedValue};
use crate::types::Ty;

/// The fields of a source or event: those with fixed values, and those with expressions.
#[derive(Clone, Default)]
pub(super) struct Fields {
    pub(super) fixed: Map<String, Json>,
    pub(super) expressions: Vec<(String, Expr)>,
    /// Whether the source decodes the bodies of its events.
    pub(super) is_decoded: bool,
}

impl Fields {
    fn add(&mut self, more: Self) {
        self.fixed.extend(more.fixed);
        self.expressions.extend(more.expressions);
    }

    /// Puts an event's own fields over those of its source.
    pub(super) fn replace(&mut self, own: Self) {
        merge_over(&mut self.fixed, own.fixed);
        self.expressions.retain(|(n, _)| !own.expressions.iter().any(|(m, _)| m == n));
        self.expressions.extend(own.expressions);
    }
}

impl Checker<'_> {
    pub(super) fn source(&mut self, source: &ast::Source) -> typed::Source {
        let mut typed = typed::Source {
            name: source.name.text.clone(),
            span: source.name.span,
            kind: source.kind.text.clone(),
            preset: source.preset.as_ref().map(|preset| preset.text.clone()),
            doc: source.doc.clone(),
            events: Vec::new(),
        };
        if source.kind.text.is_empty() {
            return typed;
        }
        let Some(schema) = self.registry.find_source(&source.kind.text) else {
            let known = self.registry.source_kinds();
            self.report(
                Diagnostic::error(
                    Code::E0209,
                    source.kind.span,
                    format!("there is no kind of source `{}`", source.kind.text),
                )
                .label("not known")
                .suggest(&source.kind, known, "the kinds of sources are"),
            );
            return typed;
        };
        let before = self.problems.len();
        let block = {
            let defaults = self.defaults_of(&source.kind.text);
            let defaults: Vec<_> = defaults.map(|block| defaults_for(source, block)).collect();
            let defaults = defaults.iter().map(|block| &**block);
            merged(schema.source.fields(), &source.block, defaults)
        };
        // These come first, since the other fields may read the body and the path.
        let (first, rest) = divided(&block, &schema.first_fields());
        let (decode, rest) = divided(&rest, &[DECODE]);
        let mut own = self.source_fields(&schema.source, &first, &mut Scope::with_body(Ty::any()));
        own.is_decoded = !decode.fields.is_empty();
        let events: Vec<EventParts> =
            source.events.iter().map(|event| self.event_parts(event, schema, &own)).collect();
        // Fields of the source apply to all of its events.
        let mut scope = EventParts::common_scope(&events);
        own.add(self.source_fields(&schema.source, &rest, &mut scope));
        let decode = self.decode(&decode, &mut scope);
        if let Some(preset) = &source.preset {
            self.move_out_of_preset(source, before, preset.span);
        }
        if source.events.is_empty() && !block.incomplete {
            self.report(
                Diagnostic::error(
                    Code::E0402,
                    source.name.span,
                    format!("source `{}` has no event", source.name.text),
                )
                .label("this source can never receive an event")
                .help("declare its events, as in `event alerts`"),
            );
        }
        let mut seen: Vec<&Text> = Vec::new();
        for (event, parts) in source.events.iter().zip(events) {
            if let Some(first) = seen.iter().find(|first| first.text == event.name.text) {
                self.report(names::declared_twice("event", &event.name, first));
                continue;
            }
            seen.push(&event.name);
            let mut fields = own.clone();
            fields.replace(parts.fields.clone());
            let mut scope = parts.scope();
            if let Some(block) = &parts.rest {
                fields.replace(self.source_fields(&schema.event, block, &mut scope));
            }
            let own_decode = parts.decode.as_ref().map(|block| self.decode(block, &mut scope));
            let decode = own_decode.flatten().or_else(|| decode.clone());
            let body = self.decoded(&parts, decode.as_ref());
            let key = (source.name.text.clone(), event.name.text.clone());
            self.bodies.insert(
                key,
                EventView { body: body.clone(), parameters: parts.parameters.clone() },
            );
            let when = self.event_conditions(event, &parts);
            self.move_out_of_preset(source, before, place_of(source, event));
            let incomplete = block.incomplete || event.block.as_ref().is_some_and(|b| b.incomplete);
            for field in schema.source.fields().iter().chain(schema.event.fields()) {
                self.complete(field, &mut fields, incomplete, event, source);
            }
            if let Some(verify) = schema.verifier()
                && !incomplete
                && !self.has_errors_since(before)
                && let Err(why) = verify(&fields.fixed)
            {
                let message = format!("event `{}` {why}", event.name.text);
                let problem = Diagnostic::error(Code::E0410, event.name.span, message);
                self.report(problem.label("in this event"));
            }
            typed.events.push(typed::EventDecl {
                name: event.name.text.clone(),
                span: event.name.span,
                doc: event.doc.clone(),
                ty: parts.declared,
                ty_span: event.ty.as_ref().map(|ty| ty.span),
                body,
                shape: parts.shape,
                arrives: parts.arrives,
                when,
                decode: decode.map(|(expr, _)| expr),
                address: parts.address,
                fields: fields.fixed,
                expressions: fields.expressions,
            });
        }
        typed
    }

    /// Adds a field's default, or reports that the field is missing.
    fn complete(
        &mut self,
        field: &Field,
        fields: &mut Fields,
        incomplete: bool,
        event: &ast::EventDecl,
        source: &ast::Source,
    ) {
        let given = fields.fixed.contains_key(&field.name)
            || fields.expressions.iter().any(|(name, _)| *name == field.name);
        if given {
            return;
        }
        if let Some(default) = &field.default {
            fields.fixed.insert(field.name.clone(), default.clone());
        } else if field.required && !incomplete {
            self.report(
                Diagnostic::error(
                    Code::E0402,
                    source.name.span,
                    format!("source `{}` needs `{}`", source.name.text, field.name),
                )
                .label(format!("`{}` is missing for event `{}`", field.name, event.name.text))
                .help(format!("add `{} = …`: {}", field.name, field.ty.describe())),
            );
        }
    }

    /// The fields that a source's block contains, each checked against its type.
    pub(super) fn source_fields(
        &mut self,
        schema: &Schema,
        block: &Block,
        scope: &mut Scope,
    ) -> Fields {
        let mut fields = Fields::default();
        let optional_all: Vec<Field> = schema
            .fields()
            .iter()
            .map(|field| Field { required: false, default: None, ..field.clone() })
            .collect();
        for mapped in self.block(&optional_all, block, scope, "") {
            let key = mapped.key.clone();
            if let Some(value) = self.fixed_value(mapped, &mut fields.expressions) {
                fields.fixed.insert(key, value);
            }
        }
        fields
    }

    /// The value of a field as the source gets it: a nested block becomes an object. An expression over the
    /// event is no such value; it goes to `expressions`, by its name with those of the blocks around it.
    fn fixed_value(
        &mut self,
        mapped: Mapped,
        expressions: &mut Vec<(String, Expr)>,
    ) -> Option<Json> {
        let (expr, ty) = match mapped.value {
            MappedValue::Expr(expr, ty) => (expr, ty),
            MappedValue::Block(entries) => {
                let mut object = Map::new();
                for entry in entries {
                    let key = entry.key.clone();
                    if let Some(value) = self.fixed_value(entry, expressions) {
                        object.insert(key, value);
                    }
                }
                return Some(Json::Object(object));
            }
        };
        if matches!(ty, FieldType::Expression | FieldType::Computed(_)) {
            expressions.push((mapped.name.to_string(), expr));
            return None;
        }
        match &expr.kind {
            // A value that its type refuses is reported already; it was given all the same.
            ExprKind::Const(value) => Some(ty.accept(value).unwrap_or_default()),
            _ => {
                self.report(depends_on_event(expr.span, &mapped.name));
                Some(Json::Null)
            }
        }
    }
}

/// Puts an event's own fields over those of its source. Nested blocks merge key by key.
fn merge_over(under: &mut Map<String, Json>, own: Map<String, Json>) {
    for (key, value) in own {
        match (under.get_mut(&key), value) {
            (Some(Json::Object(under)), Json::Object(own)) => merge_over(under, own),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

pub(super) fn depends_on_event(span: Span, key: &str) -> Diagnostic {
    Diagnostic::error(Code::E0405, span, format!("`{key}` cannot depend on the event"))
        .label("this differs from event to event")
        .help("write a fixed value")
}
