//! What rules give to workflow templates: each block that names one, with its parameters.

use serde_json::Value as Json;

use super::context::Context;
use super::templates::{Templates, WorkflowTemplate};
use crate::schema::{Outline, TriggerInfo};
use crate::span::{FileId, Span};
use crate::syntax::ast::{Block, FieldValue};
use crate::typed::{Expr, ExprKind, Mapped, MappedValue, Rule, Sensor, Trigger};

/// A trigger that names a template.
pub(crate) struct Given<'a> {
    pub(crate) sensor: &'a Sensor,
    pub(crate) rule: &'a Rule,
    pub(crate) trigger: &'a Trigger,
    /// The kind of the template.
    pub(crate) kind: &'a str,
    /// Its name, and where that stands.
    pub(crate) name: String,
    pub(crate) span: Span,
    pub(crate) namespace: Option<String>,
    /// The field that has the parameters.
    pub(crate) field: &'a str,
    /// The parameters that are given; `None` where their names are not known before any event.
    pub(crate) parameters: Option<Vec<Parameter<'a>>>,
}

/// A parameter that a rule gives.
pub(crate) struct Parameter<'a> {
    pub(crate) name: &'a str,
    /// Whether it is left out where its value is missing.
    pub(crate) optional: bool,
    pub(crate) value: &'a Expr,
}

impl<'a> Given<'a> {
    /// The template, where there is one.
    pub(crate) fn template(&self, all: &Templates<'a>) -> Option<(FileId, &'a WorkflowTemplate)> {
        all.find(self.kind, &self.name, self.namespace.as_deref())
    }

    /// Where the key of a parameter stands; its value, where a `defaults` has it.
    pub(crate) fn key(&self, parameter: &Parameter<'_>, context: &Context<'_>) -> Span {
        let written = context.trigger(self.trigger.span).and_then(|trigger| {
            let inside = |field: &'_ FieldValue| match field {
                FieldValue::Block(block) => key(block, parameter.name),
                FieldValue::Expr(_) => None,
            };
            let fields = trigger.block.fields.iter().filter(|field| field.key.text == self.field);
            fields.map(|field| &field.value).find_map(inside)
        });
        written.unwrap_or(parameter.value.span)
    }
}

fn key(block: &Block, name: &str) -> Option<Span> {
    block.fields.iter().find(|field| field.key.text == name).map(|field| field.key.span)
}

/// Calls `visit` with every trigger that names a template before any event.
pub(crate) fn all<'a>(context: &Context<'a>, visit: &mut impl FnMut(Given<'a>)) {
    for sensor in &context.rules.sensors {
        for rule in &sensor.rules {
            for trigger in &rule.triggers {
                let Some(schema) = context.registry.find_trigger(&trigger.kind) else { continue };
                for named in &schema.templates {
                    let given = find(&trigger.fields, &named.field);
                    let Some(MappedValue::Expr(expr, _)) = given.map(|field| &field.value) else {
                        continue;
                    };
                    let block = TriggerInfo::from_trigger(trigger);
                    let Some(Outline::Constant(Json::String(name))) = block.get(&named.field)
                    else {
                        continue;
                    };
                    visit(Given {
                        sensor,
                        rule,
                        trigger,
                        kind: &named.kind,
                        name: name.clone(),
                        span: expr.span,
                        namespace: block.text("namespace").map(str::to_owned),
                        field: &named.parameters,
                        parameters: parameters(find(&trigger.fields, &named.parameters)),
                    });
                }
            }
        }
    }
}

fn find<'a>(fields: &'a [Mapped], key: &str) -> Option<&'a Mapped> {
    fields.iter().find(|field| field.key == key)
}

/// What a field gives; nothing, where it is left out.
fn parameters(field: Option<&Mapped>) -> Option<Vec<Parameter<'_>>> {
    let Some(field) = field else { return Some(Vec::new()) };
    match &field.value {
        MappedValue::Block(fields) => {
            let all = fields.iter().filter_map(|field| match &field.value {
                MappedValue::Expr(value, _) => {
                    Some(Parameter { name: &field.key, optional: field.optional, value })
                }
                MappedValue::Block(_) => None,
            });
            Some(all.collect())
        }
        MappedValue::Expr(Expr { kind: ExprKind::Record(fields), .. }, _) => {
            let all = fields.iter().map(|field| {
                let (name, value) = (field.key.as_str(), &field.value);
                Parameter { name, optional: field.optional, value }
            });
            Some(all.collect())
        }
        MappedValue::Expr(..) => None,
    }
}
