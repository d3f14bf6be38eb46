//! Expressions: resolves names, and checks types against what operators and fields accept.

use super::operands::{absence_of, absence_of_operand};
use super::scope::{Binding, Scope};
use super::value_keys::ValueKey;
use super::{Checker, fold};
use crate::diagnostic::{Code, Diagnostic};
use crate::number::Number;
use crate::span::Span;
use crate::syntax::ast::{self, Block, FieldValue, Text};
use crate::typed::Shown;
use crate::typed::{Expr, ExprKind, IsTest, QuantifierKind, RecordField, Root};
use crate::types::{Absence, Known, Missing, Record, RecordMember, Rest, Ty};
use crate::value::{Kinds, Value};

/// An expression that could not be parsed or checked; its problem is reported.
pub(super) fn unchecked(span: Span) -> (Expr, Known) {
    (Expr { kind: ExprKind::Const(Value::Null), span }, Known::unchecked())
}

impl Checker<'_> {
    /// A condition: an expression that is true or false.
    pub(super) fn condition(&mut self, expr: &ast::Expr, scope: &mut Scope) -> (Expr, Known) {
        let (typed, known) = self.expr(expr, scope);
        // The whole body has no known kind here, or is an object.
        let whole = matches!(&typed.kind, ExprKind::Path(path)
            if path.root == Root::Body && path.segments.is_empty());
        if whole && known.kinds().meets(Kinds::BOOL) {
            self.report(
                Diagnostic::error(Code::E0302, expr.span, "a condition must be true or false")
                    .label("this is the whole body")
                    .help("compare a field of it, as in `body.action == \"closed\"`"),
            );
        } else if !known.kinds().meets(Kinds::BOOL) && !known.ty.is_nothing() {
            self.report(
                Diagnostic::error(Code::E0302, expr.span, "a condition must be true or false")
                    .label(format!("this is {}", known.kinds()))
                    .help("compare it with something, or test it with `is present`"),
            );
        } else {
            self.require_one_kind(&typed, &known, Kinds::BOOL, "a condition");
        }
        let absence = absence_of(&typed, &known);
        (typed, condition_known(absence))
    }

    /// A condition that the rest of the scope may assume to be true.
    pub(super) fn assumed(&mut self, expr: &ast::Expr, scope: &mut Scope) -> (Expr, Known) {
        let (typed, known) = self.condition(expr, scope);
        scope.assume(&typed, true);
        (typed, known)
    }

    /// An expression whose elements are needed, with what is known about the list.
    pub(super) fn list(
        &mut self,
        expr: &ast::Expr,
        scope: &mut Scope,
        what: &str,
    ) -> (Expr, Known) {
        let (typed, known) = self.expr(expr, scope);
        if !known.kinds().meets(Kinds::LIST) && !known.ty.is_nothing() {
            self.report(
                Diagnostic::error(Code::E0310, expr.span, format!("`{what}` iterates over a list"))
                    .label(format!("this is {}", known.kinds())),
            );
            return (typed, Known::unchecked());
        }
        self.require_one_kind(&typed, &known, Kinds::LIST, &format!("`{what}`"));
        let absence = absence_of_operand(&typed, &known);
        (typed, Known { ty: known.ty, absence })
    }

    /// Binds a name for the rest of the scope.
    pub(super) fn bind(&mut self, name: &Text, element: Ty, scope: &mut Scope) {
        self.check_new(name, scope);
        scope.bound.push(Binding { name: name.clone(), element: Known::present(element) });
    }

    /// Checks an expression, and returns what is known about its value.
    pub(super) fn expr(&mut self, expr: &ast::Expr, scope: &mut Scope) -> (Expr, Known) {
        let (typed, known) = self.checked(expr, scope);
        let known = scope.refined(&typed, known);
        let checked = (typed, known);
        if self.keep {
            self.known.insert(expr.span, checked.1.clone());
        }
        checked
    }

    fn checked(&mut self, expr: &ast::Expr, scope: &mut Scope) -> (Expr, Known) {
        let span = expr.span;
        let constant = |value: Value<'static>| {
            let known = Known::present(Ty::from_value(&value));
            (ExprKind::Const(value), known)
        };
        let (kind, known) = match &expr.kind {
            ast::ExprKind::Error => return unchecked(span),
            ast::ExprKind::Paren(inner) => {
                let (inner, known) = self.expr(inner, scope);
                // Parentheses around a call do not change that it is a call.
                if let Some(body) = self.calls.get(&inner.span).copied() {
                    self.calls.insert(span, body);
                }
                if let Some(name) = self.lets.get(&inner.span).cloned() {
                    self.lets.insert(span, name);
                }
                return (Expr { span, ..inner }, known);
            }
            ast::ExprKind::Null => constant(Value::Null),
            ast::ExprKind::Bool(value) => constant(Value::Bool(*value)),
            ast::ExprKind::Number(number) => constant(Value::Number(*number)),
            ast::ExprKind::Duration(duration) => constant(Value::Duration(*duration)),
            ast::ExprKind::Size(bytes) => {
                constant(Value::Number(Number::from(i64::try_from(*bytes).unwrap_or(i64::MAX))))
            }
            ast::ExprKind::String(text) => {
                self.warn_lookalikes(span, scope);
                constant(Value::text(text.clone()))
            }
            ast::ExprKind::Interpolated(parts) => {
                self.warn_lookalikes(span, scope);
                self.interpolated(parts, scope, span)
            }
            ast::ExprKind::List(items) => self.list_literal(items, scope),
            ast::ExprKind::Record(block) => return self.record(block, scope),
            ast::ExprKind::Path { root, steps } => return self.path(root, steps, span, scope),
            ast::ExprKind::Access { base, steps } => return self.access(base, steps, span, scope),
            ast::ExprKind::Lookup { base, key } => return self.lookup(base, key, span, scope),
            ast::ExprKind::Call { function, arguments } => {
                return self.call(function, arguments, span, scope);
            }
            ast::ExprKind::Quantifier { kind, name, list, body } => {
                self.quantifier(*kind, name, list, body, span, scope)
            }
            ast::ExprKind::Not(inner) => {
                let (inner, known) = self.condition(inner, scope);
                (ExprKind::Not(Box::new(inner)), known)
            }
            ast::ExprKind::And(all) => {
                let (all, known) = self.joined(all, true, scope);
                (ExprKind::And(all), known)
            }
            ast::ExprKind::Or(all) => {
                let (all, known) = self.joined(all, false, scope);
                (ExprKind::Or(all), known)
            }
            ast::ExprKind::Compare { op, left, right } => {
                let left = self.expr(left, scope);
                let right = self.expr(right, scope);
                let absence = absence_of(&left.0, &left.1).max(absence_of(&right.0, &right.1));
                self.comparable(*op, &left, &right, span);
                let (left, right) = (Box::new(left.0), Box::new(right.0));
                (ExprKind::Compare { op: *op, left, right }, condition_known(absence))
            }
            ast::ExprKind::In { negated, item, list } => {
                let item = self.expr(item, scope);
                let list = self.list(list, scope, "in");
                self.member(&item, &list);
                let nulls = Known::present(list.1.ty.element());
                let absence = absence_of(&item.0, &item.1)
                    .max(list.1.absence)
                    .max(absence_of(&list.0, &nulls));
                let test = ExprKind::In { item: Box::new(item.0), list: Box::new(list.0) };
                let test = match negated {
                    true => ExprKind::Not(Box::new(Expr { kind: test, span })),
                    false => test,
                };
                (test, condition_known(absence))
            }
            ast::ExprKind::TextTest { op, left, right } => {
                return self.text_test(*op, left, right, span, scope);
            }
            ast::ExprKind::Is { value, negated, kind } => {
                let (value, known) = self.expr(value, scope);
                self.report_never_absent(
                    &value,
                    "is never missing",
                    "test the value inside: `x is missing`",
                );
                let Some(test) = is_test(&kind.text) else { return unchecked(span) };
                self.check_possible(test, *negated, &value, &known, span);
                let test = ExprKind::Is { value: Box::new(value), negated: *negated, test };
                (test, condition_known(Absence { absent: Missing::Never, ..known.absence }))
            }
            ast::ExprKind::Coalesce { left, right } => {
                let (left, known) = self.expr(left, scope);
                let (right, other) = self.expr(right, scope);
                self.report_never_absent(
                    &left,
                    "has no default",
                    "give the default to the value inside: `(x ?? \"\") == \"prod\"`",
                );
                let needed =
                    known.absence.absent > Missing::Never || known.kinds().meets(Kinds::NULL);
                let known = if needed {
                    let unknown = known.absence.unknown.clone();
                    let absence = Absence { absent: Missing::Never, unknown };
                    Known { absence, ..known.present_not_null() }.or(other)
                } else {
                    known
                };
                (ExprKind::Coalesce { left: Box::new(left), right: Box::new(right) }, known)
            }
            ast::ExprKind::If { condition, chosen, otherwise } => {
                self.conditional(condition, chosen, otherwise, scope)
            }
            ast::ExprKind::Neg(inner) => self.negated(inner, span, scope),
            ast::ExprKind::Arith { op, left, right } => {
                self.arithmetic(*op, left, right, span, scope)
            }
        };
        (Expr { kind, span }, known)
    }

    /// Conditions joined by `and` or `or`. Each is checked under the assumption that the previous
    /// ones are true (`and`), or false or unknown (`or`).
    fn joined(&mut self, all: &[ast::Expr], and: bool, scope: &mut Scope) -> (Vec<Expr>, Known) {
        let mark = scope.mark();
        let mut absence = Absence::NEVER;
        let mut typed = Vec::with_capacity(all.len());
        for part in all {
            let (part, known) = self.condition(part, scope);
            absence = absence.max(known.absence);
            if and {
                scope.assume(&part, true);
            } else {
                scope.assume_not(&part, true);
            }
            typed.push(part);
        }
        scope.restore(mark);
        (typed, condition_known(absence))
    }

    fn quantifier(
        &mut self,
        kind: QuantifierKind,
        name: &Text,
        list: &ast::Expr,
        body: &ast::Expr,
        span: Span,
        scope: &mut Scope,
    ) -> (ExprKind, Known) {
        let (list, known) = self.list(list, scope, kind.as_str());
        let mark = scope.mark();
        self.bind(name, known.ty.element(), scope);
        let (body, of_body) = match kind {
            QuantifierKind::Map => self.expr(body, scope),
            QuantifierKind::Filter | QuantifierKind::First => self.assumed(body, scope),
            _ => self.condition(body, scope),
        };
        let kept = scope.bound.len().checked_sub(1).and_then(|level| u32::try_from(level).ok());
        let kept =
            kept.map(|level| scope.known(&ValueKey::Event(Root::Element(level), Vec::new())));
        scope.restore(mark);
        scope.bound.pop();
        let kept = kept.map_or_else(Ty::any, |known| known.ty);
        let (list, body) = (Box::new(list), Box::new(body));
        let name = name.text.as_str().into();
        let typed = ExprKind::Quantifier { kind, name, list, body, frame: () };
        let typed = Expr { kind: typed, span };
        // If an element's condition is unknown, so is the result. For `map`, the values of the
        // elements may be missing instead.
        let (list_lack, body_lack) = (known.absence, of_body.absence);
        let known = match kind {
            QuantifierKind::Any | QuantifierKind::All | QuantifierKind::None => {
                condition_known(list_lack.max(body_lack))
            }
            QuantifierKind::Count => {
                Known { ty: Ty::int(), ..condition_known(list_lack.max(body_lack)) }
            }
            QuantifierKind::Filter => {
                Known { ty: Ty::list(kept), absence: list_lack.max(body_lack.of_condition()) }
            }
            QuantifierKind::Map => {
                Known { ty: Ty::list(of_body.ty), absence: list_lack.max(body_lack) }
            }
            QuantifierKind::First => {
                let none = match known.ty.is_any() {
                    true => Missing::Open,
                    false => Missing::Declared(Shown(&typed).to_string().into()),
                };
                let absence = list_lack.max(body_lack.of_condition()).max(Absence::absent(none));
                Known { ty: kept, absence }
            }
        };
        (typed.kind, known)
    }

    /// Reports a condition or a `count` where an absent value is expected: it is never absent.
    fn report_never_absent(&mut self, expr: &Expr, what: &str, help: &str) {
        let count = matches!(&expr.kind, ExprKind::Quantifier { kind: QuantifierKind::Count, .. });
        if expr.is_condition() || count {
            let subject = if count { "a count" } else { "a condition" };
            let help = if count {
                "give the default to the list: `count(x in (list ?? []): …)`"
            } else {
                help
            };
            self.report(
                Diagnostic::error(Code::E0304, expr.span, format!("{subject} {what}"))
                    .label("it may be unknown, but it is never missing")
                    .help(help),
            );
        }
    }

    fn interpolated(
        &mut self,
        parts: &[ast::TextPart],
        scope: &mut Scope,
        span: Span,
    ) -> (ExprKind, Known) {
        let mut typed = Vec::new();
        let mut absence = Absence::NEVER;
        for part in parts {
            match part {
                ast::TextPart::Text(text) => {
                    let kind = ExprKind::Const(Value::text(text.clone()));
                    typed.push(Expr { kind, span });
                }
                ast::TextPart::Expr(expr) => {
                    let (expr, known) = self.expr(expr, scope);
                    if !known.kinds().meets(Kinds::SCALAR) && !known.ty.is_nothing() {
                        self.report(
                            Diagnostic::error(
                                Code::E0301,
                                expr.span,
                                "`${…}` takes a single value",
                            )
                            .label(format!("this is {}", known.kinds()))
                            .help("write `json(…)` or `join(…)` to convert it to text"),
                        );
                    } else {
                        self.require_one_kind(&expr, &known, Kinds::SCALAR, "`${…}`");
                    }
                    absence = absence.max(absence_of(&expr, &known));
                    typed.push(expr);
                }
            }
        }
        let kind = fold::interpolation(typed);
        let ty = match &kind {
            ExprKind::Const(value) => Ty::from_value(value),
            _ => Ty::string(),
        };
        (kind, Known { ty, absence })
    }

    fn list_literal(&mut self, items: &[ast::Expr], scope: &mut Scope) -> (ExprKind, Known) {
        let mut element = Ty::nothing();
        let mut absence = Absence::NEVER;
        let mut typed = Vec::with_capacity(items.len());
        for item in items {
            let (item, known) = self.expr(item, scope);
            element = element.or(known.ty);
            absence = absence.max(known.absence);
            typed.push(item);
        }
        (folded_list(typed), Known { ty: Ty::list(element), absence })
    }

    /// A record literal, or a nested block as a value.
    pub(super) fn record(&mut self, block: &Block, scope: &mut Scope) -> (Expr, Known) {
        self.repeated(block);
        let mut fields: Vec<RecordField> = Vec::new();
        let mut record = Record { rest: Rest::Nothing, ..Record::default() };
        let mut absence = Absence::NEVER;
        for field in &block.fields {
            let (value, known) = match &field.value {
                FieldValue::Expr(expr) => self.expr(expr, scope),
                FieldValue::Block(block) => self.record(block, scope),
            };
            let ty = match field.optional {
                true => {
                    absence.unknown = absence.unknown.max(known.absence.unknown);
                    known.ty.not_null()
                }
                false => {
                    absence = absence.max(known.absence);
                    known.ty
                }
            };
            record.fields.insert(
                field.key.text.as_str().into(),
                RecordMember { ty, optional: field.optional },
            );
            fields.push(RecordField {
                key: field.key.text.clone(),
                optional: field.optional,
                value,
            });
        }
        let constant: Option<Vec<_>> = fields
            .iter()
            .map(|field| match &field.value.kind {
                ExprKind::Const(Value::Null) if field.optional => None,
                ExprKind::Const(value) => Some((field.key.clone().into(), value.clone())),
                _ => None,
            })
            .collect();
        let kind = constant
            .map_or_else(|| ExprKind::Record(fields), |map| ExprKind::Const(Value::Map(map)));
        let known = Known { ty: Ty::record(record), absence };
        #[cfg(test)]
        self.known.insert(block.span, known.clone());
        (Expr { kind, span: block.span }, known)
    }
}

/// A condition, which is unknown if something is missing.
pub(super) fn condition_known(absence: Absence) -> Known {
    Known { ty: Ty::bool(), absence: absence.of_condition() }
}

fn folded_list(items: Vec<Expr>) -> ExprKind {
    let constant: Option<Vec<Value<'static>>> = items
        .iter()
        .map(|item| match &item.kind {
            ExprKind::Const(value) => Some(value.clone()),
            _ => None,
        })
        .collect();
    constant.map_or_else(|| ExprKind::List(items), |values| ExprKind::Const(Value::List(values)))
}

fn is_test(kind: &str) -> Option<IsTest> {
    Some(match kind {
        "missing" => IsTest::Missing,
        "present" => IsTest::Present,
        "null" => IsTest::Null,
        "string" => IsTest::String,
        "int" => IsTest::Int,
        "float" => IsTest::Float,
        "bool" => IsTest::Bool,
        "list" => IsTest::List,
        "map" => IsTest::Map,
        _ => return None,
    })
}
