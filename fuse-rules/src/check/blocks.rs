//! Checks blocks against schemas: unknown, missing, repeated and mistyped fields, and defaults.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::Checker;
use super::operands::absence_of;
use super::order::uses;
use super::scope::Scope;
use super::sources::depends_on_event;
use crate::diagnostic::{Code, Diagnostic, Fix, suggest};
use crate::literals::parse_duration;
use crate::schema::{Field, FieldType, Schema, Templates};
use crate::span::Span;
use crate::syntax::ast::{self, Block, FieldValue, Text};
use crate::syntax::visit;
use crate::typed::{Expr, ExprKind, Mapped, MappedValue};
use crate::types::{Known, Missing};
use crate::value::{Kinds, Value};

/// A block with the fields of `defaults` added below its own, recursively in nested blocks.
pub(super) fn merged<'b>(
    fields: &[Field],
    own: &Block,
    defaults: impl Iterator<Item = &'b Block>,
) -> Block {
    let mut block = own.clone();
    for default in defaults {
        merge_under(fields, &mut block, default);
    }
    block
}

fn merge_under(fields: &[Field], block: &mut Block, default: &Block) {
    block.incomplete |= default.incomplete;
    for field in &default.fields {
        let spec = fields.iter().find(|spec| spec.name == field.key.text);
        let inner = match spec.map(|spec| &spec.ty) {
            Some(FieldType::Block(schema)) => Some(&**schema),
            _ => None,
        };
        match block.fields.iter_mut().find(|own| own.key.text == field.key.text) {
            None => block.fields.push(field.clone()),
            Some(_) if inner.is_some_and(Schema::is_whole) => {}
            Some(own) => {
                if let (Some(own), Some(more)) = (own.value.as_block_mut(), field.value.as_block())
                {
                    merge_under(inner.map_or(&[], Schema::fields), own, more);
                }
            }
        }
    }
}

impl Checker<'_> {
    /// The blocks of this file's `defaults KIND`.
    pub(super) fn defaults_of<'k>(
        &self,
        kind: &'k str,
    ) -> impl Iterator<Item = &'k Block> + use<'_, 'k>
    where
        Self: 'k,
    {
        self.defaults.iter().filter(move |defaults| defaults.kind.text == kind).map(|d| &d.block)
    }

    /// Checks that this file's `defaults` are for existing kinds and fields. Their values are
    /// checked where they are used, in the scope of the rule; their names are resolved here, because every
    /// block may replace a value.
    pub(super) fn check_defaults(&mut self) {
        for defaults in self.defaults {
            let kind = &defaults.kind;
            let trigger = self.registry.find_trigger(&kind.text);
            let source = self.registry.find_source(&kind.text).map(|schema| &schema.source);
            let Some(schema) = trigger.or(source) else {
                let triggers = self.registry.triggers().map(Schema::kind);
                let sources = self.registry.sources().map(|schema| schema.source.kind());
                self.report(
                    Diagnostic::error(
                        Code::E0209,
                        kind.span,
                        format!("there is no source or trigger `{}`", kind.text),
                    )
                    .label("not known")
                    .suggest(kind, triggers.chain(sources), "the kinds are"),
                );
                continue;
            };
            for field in &defaults.block.fields {
                if !schema.fields().iter().any(|known| known.name == field.key.text) {
                    self.unknown_field(&field.key, schema.fields());
                }
            }
            let names = self.names;
            visit::block(&defaults.block, &mut |value| drop(uses(names, value)));
        }
    }

    /// Checks the fields that a block contains. `complete_block` checks for missing ones.
    pub(super) fn block(
        &mut self,
        fields: &[Field],
        block: &Block,
        scope: &mut Scope,
        prefix: &str,
    ) -> Vec<Mapped> {
        self.repeated(block);
        let mut mapped = Vec::new();
        for field in &block.fields {
            let Some(spec) = fields.iter().find(|spec| spec.name == field.key.text) else {
                self.unknown_field(&field.key, fields);
                continue;
            };
            if field.optional && spec.required {
                self.report(self.cannot_be_left_out(&field.key));
            }
            let value = self.mapped(field, &spec.ty, scope, prefix);
            if let (true, MappedValue::Expr(expr, _)) = (spec.fixed, &value.value)
                && !matches!(expr.kind, ExprKind::Const(_))
            {
                self.report(depends_on_event(expr.span, &spec.name));
            }
            mapped.push(value);
        }
        mapped
    }

    /// Adds the defaults of omitted fields, and reports omitted fields that are required.
    pub(super) fn complete_block(
        &mut self,
        schema: &Schema,
        block: &Block,
        kind: &Text,
        mapped: &mut Vec<Mapped>,
    ) {
        let given = |name: &str| block.fields.iter().find(|field| field.key.text == name);
        for field in schema.fields().iter().filter(|field| given(&field.name).is_none()) {
            if let Some(default) = &field.default {
                mapped.push(default_field(field, default, block.span));
            } else if field.required && !block.incomplete && !misspelled(schema, block, &field.name)
            {
                let is_trigger = self.registry.find_trigger(&kind.text).is_some();
                self.report(missing(kind, &field.name, &field.ty.describe(), is_trigger));
            }
        }
        let nothing_of = |group: &[String]| {
            !block.incomplete
                && !group
                    .iter()
                    .any(|name| given(name).is_some() || misspelled(schema, block, name))
        };
        for group in schema.any_of_groups().iter().filter(|group| nothing_of(group)) {
            self.report(none_of(kind, group));
        }
        for group in schema.one_of_groups() {
            let present: Vec<_> = group.iter().filter_map(|name| given(name)).collect();
            match present.as_slice() {
                [] if nothing_of(group) => self.report(none_of(kind, group)),
                [only] if only.optional => self.report(
                    Diagnostic::error(
                        Code::E0409,
                        only.key.span,
                        format!("`{}` cannot be left out", only.key.text),
                    )
                    .label("no other field replaces it")
                    .help("remove the `?`, or give a default with `?? \"…\"`")
                    .maybe_fix(self.without_mark(&only.key)),
                ),
                [first, second, ..] => self.report(
                    Diagnostic::error(
                        Code::E0408,
                        second.key.span,
                        format!(
                            "`{}` and `{}` exclude each other",
                            first.key.text, second.key.text
                        ),
                    )
                    .label("only one of the two is allowed")
                    .related(first.key.span, "the other")
                    .help("remove one of them"),
                ),
                _ => {}
            }
        }
    }

    fn cannot_be_left_out(&self, key: &Text) -> Diagnostic {
        let help = "remove the `?`, or give a default with `?? \"…\"`";
        cannot_be_left_out(key).help(help).maybe_fix(self.without_mark(key))
    }

    /// Removes the `?` after a key.
    fn without_mark(&self, key: &Text) -> Option<Fix> {
        let after = Span { start: key.span.end, end: key.span.end + 1, ..key.span };
        (self.text(after) == "?").then(|| Fix::new("remove the `?`", after, ""))
    }

    pub(super) fn repeated(&mut self, block: &Block) {
        let mut seen: FxHashMap<&str, Span> = FxHashMap::default();
        for field in &block.fields {
            match seen.get(field.key.text.as_str()) {
                Some(first) => self.report(given_twice(&field.key, *first)),
                None => {
                    seen.insert(&field.key.text, field.key.span);
                }
            }
        }
    }

    fn unknown_field(&mut self, key: &Text, fields: &[Field]) {
        let known = fields.iter().map(|field| field.name.as_str());
        self.report(
            Diagnostic::error(Code::E0401, key.span, format!("there is no field `{}`", key.text))
                .label("not known here")
                .suggest(key, known, "its fields are"),
        );
    }

    fn mapped(
        &mut self,
        field: &ast::BlockField,
        ty: &FieldType,
        scope: &mut Scope,
        prefix: &str,
    ) -> Mapped {
        let name: Arc<str> = format!("{prefix}{}", field.key.text).into();
        let block = field.value.as_block();
        let value = match (block, ty) {
            (Some(block), FieldType::Map(inner)) => {
                self.repeated(block);
                let prefix = format!("{name}.");
                let entries = block.fields.iter();
                MappedValue::Block(
                    entries.map(|entry| self.mapped(entry, inner, scope, &prefix)).collect(),
                )
            }
            (Some(block), FieldType::Block(schema)) => {
                let prefix = format!("{name}.");
                let fields = self.nested_block(schema, &field.key, block, scope, &prefix);
                MappedValue::Block(fields)
            }
            (Some(block), _) => {
                let (expr, known) = self.record(block, scope);
                self.check_type((&expr, &known), ty, field, scope);
                MappedValue::Expr(expr, ty.clone())
            }
            (None, _) => {
                let FieldValue::Expr(expr) = &field.value else {
                    return Mapped {
                        name,
                        key: field.key.text.clone(),
                        optional: field.optional,
                        value: MappedValue::Block(Vec::new()),
                    };
                };
                if matches!(ty, FieldType::Secret | FieldType::Secrets) {
                    let written = self.written_key(&field.key);
                    let secret = match ty {
                        FieldType::Secrets => self.secrets(expr, &written),
                        _ => self.secret(expr, &written),
                    };
                    let value = MappedValue::Expr(secret, ty.clone());
                    let key = field.key.text.clone();
                    return Mapped { name, key, optional: field.optional, value };
                }
                let (expr, known) = self.expr(expr, scope);
                self.check_type((&expr, &known), ty, field, scope);
                let expr = match ty {
                    FieldType::File => self.include(expr, &field.key.text),
                    _ => expr,
                };
                MappedValue::Expr(expr, ty.clone())
            }
        };
        Mapped { name, key: field.key.text.clone(), optional: field.optional, value }
    }

    /// Reports a value that its field never accepts.
    fn check_type(
        &mut self,
        (expr, known): (&Expr, &Known),
        ty: &FieldType,
        field: &ast::BlockField,
        scope: &Scope,
    ) {
        let ty = match ty {
            FieldType::Expression => return,
            FieldType::Computed(ty) => {
                if field.optional {
                    self.report(self.cannot_be_left_out(&field.key));
                }
                ty
            }
            ty => ty,
        };
        let (key, kinds) = (field.key.text.as_str(), known.kinds());
        if !kinds.meets(ty.kinds()) && !known.ty.is_nothing() {
            let problem = Diagnostic::error(
                Code::E0403,
                expr.span,
                format!("`{key}` takes {}", ty.describe()),
            )
            .label(format!("this is {kinds}"))
            .maybe_help(suggestion(ty, kinds))
            .maybe_fix(remove_quotes(ty, expr));
            return self.report(problem);
        }
        self.require_one_kind(expr, known, ty.kinds(), &format!("`{key}`"));
        let mut absence = absence_of(expr, known);
        if field.optional {
            // An absent value is omitted; an unknown condition is still an error.
            absence.absent = Missing::Never;
        }
        self.require_value(key, Some(ty), (expr, known), &absence, scope);
        if let (FieldType::OneOf(values), Some(mut words)) = (ty, known.ty.literal_strings())
            && !matches!(expr.kind, ExprKind::Const(_))
            && !words.any(|word| values.iter().any(|value| value == word))
        {
            let problem = Diagnostic::error(
                Code::E0406,
                expr.span,
                format!("`{key}` takes {}", ty.describe()),
            );
            self.report(problem.label(format!("here it is {}", known.ty)));
        }
        // A value that could not be checked may be of any kind; its problem is already reported.
        if let ExprKind::Const(value) = &expr.kind
            && kinds == value.kind()
            && let Err(why) = ty.accept(value)
        {
            let code = if value.kind().meets(ty.kinds()) { Code::E0406 } else { Code::E0403 };
            let problem = Diagnostic::error(code, expr.span, format!("`{key}` {why}"));
            self.report(problem.label("not accepted"));
        }
    }
}

/// A `?` after the name of a field that must have a value.
pub(crate) fn cannot_be_left_out(key: &Text) -> Diagnostic {
    Diagnostic::error(Code::E0409, key.span, format!("`{}` cannot be left out", key.text))
        .label("`?` leaves it out when the value is missing")
}

/// A field that its block contains twice.
pub(crate) fn given_twice(key: &Text, first: Span) -> Diagnostic {
    Diagnostic::error(Code::E0404, key.span, format!("`{}` is given twice", key.text))
        .label("given again here")
        .related(first, "first given here")
        .help("remove one of them")
}

/// Whether the block has an unknown field with a similar name, which is already reported.
fn misspelled(schema: &Schema, block: &Block, name: &str) -> bool {
    let known = |key: &str| schema.fields().iter().any(|field| field.name == key);
    let mut unknown = block.fields.iter().map(|field| &field.key.text).filter(|key| !known(key));
    unknown.any(|key| suggest::nearest(key, [name]).is_some())
}

/// Removes quotes that should not be there.
fn remove_quotes(ty: &FieldType, expr: &Expr) -> Option<Fix> {
    let ExprKind::Const(Value::String(text)) = &expr.kind else { return None };
    let meant = match ty {
        FieldType::Duration => parse_duration(text).is_some(),
        FieldType::Int(..) => text.parse::<i64>().is_ok_and(|n| n.to_string() == **text),
        FieldType::Bool => matches!(&**text, "true" | "false"),
        _ => false,
    };
    meant.then(|| Fix::safe(format!("write `{text}`"), expr.span, text.clone().into_owned()))
}

/// The usual correction for a value of another kind.
fn suggestion(ty: &FieldType, kinds: Kinds) -> Option<String> {
    let text = match (ty, kinds) {
        (FieldType::Text(_), _) if kinds.within(Kinds::LIST.or(Kinds::MAP)) => {
            "write `json(…)` for its JSON text"
        }
        (FieldType::Duration, _) => "a duration has a unit and no quotes, as in `90s` or `1h`",
        (FieldType::Size, _) => "a size has a unit and no quotes, as in `1MiB`",
        (FieldType::Int(..), Kinds::STRING) => "write the number without quotes",
        (FieldType::Bool, Kinds::STRING) => "write `true` or `false` without quotes",
        (FieldType::List(_), _) => "write a list, as in `[\"a\", \"b\"]`",
        (FieldType::Map(_), _) => "write a block, as in `{ name = \"value\" }`",
        _ => return None,
    };
    Some(text.to_owned())
}

fn missing(kind: &Text, field: &str, ty: &str, is_trigger: bool) -> Diagnostic {
    let kind_name = &kind.text;
    let defaults = match is_trigger {
        true => format!(", or for the whole file in `defaults {kind_name} {{ … }}`"),
        false => String::new(),
    };
    Diagnostic::error(Code::E0402, kind.span, format!("`{kind_name}` needs `{field}`"))
        .label(format!("`{field}` is missing"))
        .help(format!("add `{field} = …` ({ty}) here{defaults}"))
}

/// None of the fields of a group is given.
fn none_of(kind: &Text, group: &[String]) -> Diagnostic {
    let names: Vec<_> = group.iter().map(|name| format!("`{name}`")).collect();
    let needs = format!("`{}` needs {}", kind.text, names.join(" or "));
    Diagnostic::error(Code::E0402, kind.span, needs)
        .label(if names.len() == 2 { "neither is given" } else { "none is given" })
        .help(format!("add one of {}", names.join(", ")))
}

/// A field with the default of its schema.
fn default_field(field: &Field, default: &serde_json::Value, span: Span) -> Mapped {
    let value = constant(default);
    // The backend gets the default unchanged, whatever conversion the field's type applies.
    let ty = match &value {
        Value::String(_) => FieldType::Text(Templates::Allowed),
        _ => FieldType::Any(Templates::Allowed),
    };
    Mapped {
        name: field.name.as_str().into(),
        key: field.name.clone(),
        optional: false,
        value: MappedValue::Expr(Expr { kind: ExprKind::Const(value), span }, ty),
    }
}

fn constant(json: &serde_json::Value) -> Value<'static> {
    let text = json.to_string();
    Value::read(&text).map_or(Value::Null, Value::into_owned)
}
