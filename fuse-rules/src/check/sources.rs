//! Sources: checks their blocks against the schemas of their kinds, their events, and their
//! addresses.

use rustc_hash::FxHashMap;
use serde_json::{Map, Value as Json};

use super::blocks::merged;
use super::scope::Scope;
use super::{Checker, ParsedFile, names};
use crate::diagnostic::{Code, Diagnostic};
use crate::schema::{Field, FieldType, Schema};
use crate::span::Span;
use crate::syntax::ast::{self, Block, Text};
use crate::typed::{self, Expr, ExprKind, Mapped, MappedValue};
use crate::types::Ty;

/// The fields of a source or event: those with fixed values, and those with expressions.
#[derive(Clone, Default)]
struct Fields {
    fixed: Map<String, Json>,
    expressions: Vec<(String, Expr)>,
}

impl Checker<'_> {
    pub(super) fn source(&mut self, source: &ast::Source) -> typed::Source {
        let mut typed = typed::Source {
            name: source.name.text.clone(),
            span: source.name.span,
            kind: source.kind.text.clone(),
            doc: source.doc.clone(),
            events: Vec::new(),
        };
        if source.kind.text.is_empty() {
            return typed;
        }
        let Some(schema) = self.registry.find_source(&source.kind.text) else {
            let known = self.registry.sources().map(|schema| schema.source.kind());
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
        let block = merged(&source.block, self.defaults_of(&source.kind.text));
        let bodies: Vec<_> =
            source.events.iter().map(|e| e.ty.as_ref().map(|ty| self.resolve(ty))).collect();
        // Fields of the source apply to all of its events.
        let any_body = bodies.iter().map(|body| body.clone().unwrap_or_else(Ty::any));
        let any_body = any_body.reduce(Ty::or).unwrap_or_else(Ty::any);
        let own = self.source_fields(&schema.source, &block, any_body);
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
        for (event, body) in source.events.iter().zip(bodies) {
            if let Some(first) = seen.iter().find(|first| first.text == event.name.text) {
                self.report(names::declared_twice("event", &event.name, first));
                continue;
            }
            seen.push(&event.name);
            let mut fields = own.clone();
            if let Some(ty) = &body {
                let key = (source.name.text.clone(), event.name.text.clone());
                self.bodies.insert(key, ty.clone());
            }
            if let Some(block) = &event.block {
                let ty = body.clone().unwrap_or_else(Ty::any);
                let more = self.source_fields(&schema.event, block, ty);
                merge_over(&mut fields.fixed, more.fixed);
                fields.expressions.retain(|(n, _)| !more.expressions.iter().any(|(m, _)| m == n));
                fields.expressions.extend(more.expressions);
            }
            let incomplete = block.incomplete || event.block.as_ref().is_some_and(|b| b.incomplete);
            for field in schema.source.fields().iter().chain(schema.event.fields()) {
                self.complete(field, &mut fields, incomplete, event, source);
            }
            typed.events.push(typed::EventDecl {
                name: event.name.text.clone(),
                span: event.name.span,
                doc: event.doc.clone(),
                ty: body,
                ty_span: event.ty.as_ref().map(|ty| ty.span),
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
    fn source_fields(&mut self, schema: &Schema, block: &Block, body: Ty) -> Fields {
        let mut scope = Scope::with_body(body);
        let mut fields = Fields::default();
        let optional_all: Vec<Field> = schema
            .fields()
            .iter()
            .map(|field| Field { required: false, default: None, ..field.clone() })
            .collect();
        for mapped in self.block(&optional_all, block, &mut scope, "") {
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
        if ty == FieldType::Expression {
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

    /// Reports events with the same address.
    pub(super) fn addresses(&mut self, parsed: &[ParsedFile], sources: &[typed::Source]) {
        let mut taken: FxHashMap<(String, String), Span> = FxHashMap::default();
        let trees = parsed.iter().flat_map(|file| &file.tree.sources);
        for (tree, source) in trees.zip(sources) {
            let Some(schema) = self.registry.find_source(&source.kind) else {
                continue;
            };
            if schema.address.is_empty() {
                continue;
            }
            for event in &source.events {
                let at = tree.events.iter().find(|e| e.name.text == event.name);
                let Some(span) = at.map(|e| e.name.span) else {
                    continue;
                };
                let values = schema.address.iter().map(|name| event.fields.get(name));
                // An incomplete address is reported as a missing field.
                let Some(values) = values.collect::<Option<Vec<_>>>() else {
                    continue;
                };
                let shown: Vec<String> = schema
                    .address
                    .iter()
                    .zip(&values)
                    .map(|(name, value)| format!("{name} {value}"))
                    .collect();
                let key = (source.kind.clone(), shown.join(", "));
                if let Some(first) = taken.get(&key) {
                    let problem = Diagnostic::error(
                        Code::E0407,
                        span,
                        format!("two events have the same address: {}", key.1),
                    )
                    .label("this event has the same address")
                    .related(*first, "as this one")
                    .help("give one of them another path");
                    self.report(problem);
                } else {
                    taken.insert(key, span);
                }
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
