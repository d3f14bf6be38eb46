//! The triggers that run workflow templates, with the parameters that they set.

use serde_json::Value as Json;

use super::context::LintContext;
use super::templates::{TemplateSet, WorkflowTemplate};
use crate::schema::{Outline, TriggerInfo};
use crate::span::{FileId, Span};
use crate::syntax::ast::{Block, FieldValue};
use crate::typed::{Expr, ExprKind, Mapped, MappedValue, Rule, Sensor, Trigger};

/// A trigger that names a workflow template.
pub(crate) struct TemplateCall<'a> {
    pub(crate) sensor: &'a Sensor,
    pub(crate) rule: &'a Rule,
    pub(crate) trigger: &'a Trigger,
    /// The kind of the template: `WorkflowTemplate` or `ClusterWorkflowTemplate`.
    pub(crate) kind: &'a str,
    /// The name of the template.
    pub(crate) name: String,
    /// The span of the name.
    pub(crate) span: Span,
    /// The namespace that the workflow runs in, if it is constant.
    pub(crate) namespace: Option<String>,
    /// The trigger field that contains the parameters.
    pub(crate) field: &'a str,
    /// The parameters; `None` if their names depend on the event.
    pub(crate) parameters: Option<Vec<CallParameter<'a>>>,
}

/// A parameter that a trigger sets.
pub(crate) struct CallParameter<'a> {
    pub(crate) name: &'a str,
    /// Whether the parameter is omitted if its value is missing.
    pub(crate) optional: bool,
    pub(crate) value: &'a Expr,
}

impl<'a> TemplateCall<'a> {
    /// The template that this trigger runs, if it exists.
    pub(crate) fn template(&self, all: &TemplateSet<'a>) -> Option<(FileId, &'a WorkflowTemplate)> {
        all.find(self.kind, &self.name, self.namespace.as_deref())
    }

    /// The span of the parameter's key, or of its value if the parameter comes from a `defaults` block.
    pub(crate) fn key(&self, parameter: &CallParameter<'_>, context: &LintContext<'_>) -> Span {
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

/// Calls `visit` for every trigger that names a template independently of the event.
pub(crate) fn all<'a>(context: &LintContext<'a>, visit: &mut impl FnMut(TemplateCall<'a>)) {
    for sensor in &context.rules.sensors {
        for rule in &sensor.rules {
            for trigger in rule.all_triggers() {
                let Some(schema) = context.registry.find_trigger(&trigger.kind) else { continue };
                for named in &schema.templates {
                    let field = find(&trigger.fields, &named.field);
                    let Some(MappedValue::Expr(expr, _)) = field.map(|field| &field.value) else {
                        continue;
                    };
                    let block = TriggerInfo::from_trigger(trigger);
                    let Some(Outline::Constant(Json::String(name))) = block.get(&named.field)
                    else {
                        continue;
                    };
                    visit(TemplateCall {
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

/// The parameters in a field; none if the field is omitted.
fn parameters(field: Option<&Mapped>) -> Option<Vec<CallParameter<'_>>> {
    let Some(field) = field else { return Some(Vec::new()) };
    match &field.value {
        MappedValue::Block(fields) => {
            let all = fields.iter().filter_map(|field| match &field.value {
                MappedValue::Expr(value, _) => {
                    Some(CallParameter { name: &field.key, optional: field.optional, value })
                }
                MappedValue::Block(_) => None,
            });
            Some(all.collect())
        }
        MappedValue::Expr(Expr { kind: ExprKind::Record(fields), .. }, _) => {
            let all = fields.iter().map(|field| {
                let (name, value) = (field.key.as_str(), &field.value);
                CallParameter { name, optional: field.optional, value }
            });
            Some(all.collect())
        }
        MappedValue::Expr(..) => None,
    }
}
