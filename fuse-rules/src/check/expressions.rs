//! Expressions: names resolved, types compared with what their places take.

use super::operands::{lack_of, lack_of_operand};
use super::paths::segments;
use super::scope::{Bound, Scope};
use super::{Checker, fold};
use crate::diagnostic::{Code, Diagnostic};
use crate::number::Number;
use crate::span::Span;
use crate::syntax::ast::{self, Block, FieldValue, Text};
use crate::typed::Shown;
use crate::typed::{Expr, ExprKind, IsTest, QuantifierKind, RecordField, Root};
use crate::types::{Field, Known, Lack, Missing, Record, Rest, Ty};
use crate::value::{Kinds, Value};

/// An expression that could not be read or checked; its problem is reported.
pub(super) fn broken(span: Span) -> (Expr, Known) {
    (Expr { kind: ExprKind::Const(Value::Null), span }, Known::unchecked())
}

impl Checker<'_> {
    /// A condition: an expression that is true or false.
    pub(super) fn condition(&mut self, expr: &ast::Expr, scope: &mut Scope) -> (Expr, Known) {
        let (typed, known) = self.expr(expr, scope);
        // The whole of what was sent: an object, or nothing to go by.
        let whole = matches!(&typed.kind, ExprKind::Path(path)
            if path.root == Root::Body && path.segments.is_empty());
        if whole && known.kinds().meets(Kinds::BOOL) {
            self.report(
                Diagnostic::error(Code::E0302, expr.span, "a condition is true or false")
                    .label("this is the whole body")
                    .help("compare a field of it, as in `body.action == \"closed\"`"),
            );
        } else if !known.kinds().meets(Kinds::BOOL) && !known.ty.is_nothing() {
            self.report(
                Diagnostic::error(Code::E0302, expr.span, "a condition is true or false")
                    .label(format!("this is {}", known.kinds()))
                    .help("compare it with something, or ask `is present`"),
            );
        } else {
            self.one_kind(&typed, &known, Kinds::BOOL, "a condition");
        }
        let lack = lack_of(&typed, &known);
        (typed, truth(lack))
    }

    /// A condition that what follows may rely on.
    pub(super) fn assumed(&mut self, expr: &ast::Expr, scope: &mut Scope) -> (Expr, Known) {
        let (typed, known) = self.condition(expr, scope);
        scope.assume(&typed, true);
        (typed, known)
    }

    /// An expression whose elements are wanted; gives what is known of the list.
    pub(super) fn list(
        &mut self,
        expr: &ast::Expr,
        scope: &mut Scope,
        what: &str,
    ) -> (Expr, Known) {
        let (typed, known) = self.expr(expr, scope);
        if !known.kinds().meets(Kinds::LIST) && !known.ty.is_nothing() {
            self.report(
                Diagnostic::error(Code::E0310, expr.span, format!("`{what}` goes through a list"))
                    .label(format!("this is {}", known.kinds())),
            );
            return (typed, Known::unchecked());
        }
        self.one_kind(&typed, &known, Kinds::LIST, &format!("`{what}`"));
        let lack = lack_of_operand(&typed, &known);
        (typed, Known { ty: known.ty, lack })
    }

    /// Binds a name for what follows in the scope.
    pub(super) fn bind(&mut self, name: &Text, element: Ty, scope: &mut Scope) {
        if let Some(first) = scope.bound.iter().find(|first| first.name.text == name.text) {
            let problem = Diagnostic::error(
                Code::E0207,
                name.span,
                format!("`{}` already names an element here", name.text),
            )
            .label("bound again")
            .related(first.name.span, "first bound here")
            .help("choose another name");
            self.report(problem);
        } else {
            self.is_free(name);
        }
        scope.bound.push(Bound { name: name.clone(), element: Known::present(element) });
    }

    /// Checks an expression; gives it with what is known of its value.
    pub(super) fn expr(&mut self, expr: &ast::Expr, scope: &mut Scope) -> (Expr, Known) {
        let checked = self.checked(expr, scope);
        if self.keep {
            self.known.insert(expr.span, checked.1.clone());
        }
        checked
    }

    fn checked(&mut self, expr: &ast::Expr, scope: &mut Scope) -> (Expr, Known) {
        let span = expr.span;
        let constant = |value: Value<'static>| {
            let known = Known::present(Ty::of_value(&value));
            (ExprKind::Const(value), known)
        };
        let (kind, known) = match &expr.kind {
            ast::ExprKind::Error => return broken(span),
            ast::ExprKind::Paren(inner) => {
                let (inner, known) = self.expr(inner, scope);
                // A call is one with parentheses around it, too.
                if let Some(body) = self.calls.get(&inner.span).copied() {
                    self.calls.insert(span, body);
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
                self.unfilled(span, scope);
                constant(Value::text(text.clone()))
            }
            ast::ExprKind::Interpolated(parts) => {
                self.unfilled(span, scope);
                self.interpolated(parts, scope, span)
            }
            ast::ExprKind::List(items) => self.list_literal(items, scope),
            ast::ExprKind::Record(block) => return self.record(block, scope),
            ast::ExprKind::Path { root, steps } => return self.path(root, steps, span, scope),
            ast::ExprKind::Access { base, steps } => {
                let (base, known) = self.expr(base, scope);
                let shown = |_| Shown(&base).to_string().into();
                let Some(known) = self.steps(known, steps, 0, &shown) else { return broken(span) };
                (ExprKind::Access { base: Box::new(base), segments: segments(steps) }, known)
            }
            ast::ExprKind::Call { function, arguments } => {
                return self.call(function, arguments, span, scope);
            }
            ast::ExprKind::Quantifier { kind, name, list, body } => {
                self.quantifier(*kind, name, list, body, scope)
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
                let lack = lack_of(&left.0, &left.1).max(lack_of(&right.0, &right.1));
                self.comparable(*op, &left, &right, span);
                let (left, right) = (Box::new(left.0), Box::new(right.0));
                (ExprKind::Compare { op: *op, left, right }, truth(lack))
            }
            ast::ExprKind::In { negated, item, list } => {
                let item = self.expr(item, scope);
                let list = self.list(list, scope, "in");
                self.member(&item, &list);
                let nulls = Known::present(list.1.ty.element());
                let lack = lack_of(&item.0, &item.1).max(list.1.lack).max(lack_of(&list.0, &nulls));
                let test = ExprKind::In { item: Box::new(item.0), list: Box::new(list.0) };
                let test = match negated {
                    true => ExprKind::Not(Box::new(Expr { kind: test, span })),
                    false => test,
                };
                (test, truth(lack))
            }
            ast::ExprKind::TextTest { op, left, right } => {
                return self.text_test(*op, left, right, span, scope);
            }
            ast::ExprKind::Is { value, negated, kind } => {
                let (value, known) = self.expr(value, scope);
                self.no_absence(
                    &value,
                    "is never missing",
                    "ask it of the value inside: `x is missing`",
                );
                let Some(test) = is_test(&kind.text) else { return broken(span) };
                self.possible(test, *negated, &value, &known, span);
                let test = ExprKind::Is { value: Box::new(value), negated: *negated, test };
                (test, truth(Lack { absent: Missing::Never, ..known.lack }))
            }
            ast::ExprKind::Coalesce { left, right } => {
                let (left, known) = self.expr(left, scope);
                let (right, other) = self.expr(right, scope);
                self.no_absence(
                    &left,
                    "has no default",
                    "give the default to the value inside: `(x ?? \"\") == \"prod\"`",
                );
                let needed = known.lack.absent > Missing::Never || known.kinds().meets(Kinds::NULL);
                let known = if needed {
                    let unknown = known.lack.unknown.clone();
                    let lack = Lack { absent: Missing::Never, unknown };
                    Known { lack, ..known.there() }.or(other)
                } else {
                    known
                };
                (ExprKind::Coalesce { left: Box::new(left), right: Box::new(right) }, known)
            }
            ast::ExprKind::Neg(inner) => self.negated(inner, span, scope),
            ast::ExprKind::Arith { op, left, right } => {
                self.arithmetic(*op, left, right, span, scope)
            }
        };
        (Expr { kind, span }, known)
    }

    /// Conditions joined by `and` or `or`: each is looked at where those before it hold, or where none of them does,
    /// since they are false or unknown.
    fn joined(&mut self, all: &[ast::Expr], and: bool, scope: &mut Scope) -> (Vec<Expr>, Known) {
        let mark = scope.mark();
        let mut lack = Lack::NEVER;
        let mut typed = Vec::with_capacity(all.len());
        for part in all {
            let (part, known) = self.condition(part, scope);
            lack = lack.max(known.lack);
            if and {
                scope.assume(&part, true);
            } else {
                scope.assume_not(&part, true);
            }
            typed.push(part);
        }
        scope.back_to(mark);
        (typed, truth(lack))
    }

    fn quantifier(
        &mut self,
        kind: QuantifierKind,
        name: &Text,
        list: &ast::Expr,
        body: &ast::Expr,
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
        let kept = kept.map(|level| scope.known(&(crate::typed::Root::Element(level), Vec::new())));
        scope.back_to(mark);
        scope.bound.pop();
        let kept = kept.map_or_else(Ty::any, |known| known.ty);
        let (list, body) = (Box::new(list), Box::new(body));
        let name = name.text.as_str().into();
        let typed = ExprKind::Quantifier { kind, name, list, body, frame: () };
        // Where an element's condition is unknown, so is what comes of it; but of `map` it is the
        // values of the elements that may be missing.
        let (list_lack, body_lack) = (known.lack, of_body.lack);
        let known = match kind {
            QuantifierKind::Any | QuantifierKind::All | QuantifierKind::None => {
                truth(list_lack.max(body_lack))
            }
            QuantifierKind::Count => Known { ty: Ty::int(), ..truth(list_lack.max(body_lack)) },
            QuantifierKind::Filter => {
                Known { ty: Ty::list(kept), lack: list_lack.max(body_lack.of_condition()) }
            }
            QuantifierKind::Map => {
                Known { ty: Ty::list(of_body.ty), lack: list_lack.max(body_lack) }
            }
            QuantifierKind::First => {
                let none = match known.ty.is_any() {
                    true => Missing::Open,
                    false => Missing::Declared("first(…)".into()),
                };
                let lack = list_lack.max(body_lack.of_condition()).max(Lack::absent(none));
                Known { ty: kept, lack }
            }
        };
        (typed, known)
    }

    /// A condition, or a count of one, is no value that could be absent.
    fn no_absence(&mut self, expr: &Expr, what: &str, help: &str) {
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
                    .label("known or unknown, but never missing")
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
        let mut lack = Lack::NEVER;
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
                            Diagnostic::error(Code::E0301, expr.span, "`${…}` takes one value")
                                .label(format!("this is {}", known.kinds()))
                                .help("write `json(…)` or `join(…)` to make text of it"),
                        );
                    } else {
                        self.one_kind(&expr, &known, Kinds::SCALAR, "`${…}`");
                    }
                    lack = lack.max(lack_of(&expr, &known));
                    typed.push(expr);
                }
            }
        }
        let kind = fold::interpolation(typed);
        let ty = match &kind {
            ExprKind::Const(value) => Ty::of_value(value),
            _ => Ty::string(),
        };
        (kind, Known { ty, lack })
    }

    fn list_literal(&mut self, items: &[ast::Expr], scope: &mut Scope) -> (ExprKind, Known) {
        let mut element = Ty::nothing();
        let mut lack = Lack::NEVER;
        let mut typed = Vec::with_capacity(items.len());
        for item in items {
            let (item, known) = self.expr(item, scope);
            element = element.or(known.ty);
            lack = lack.max(known.lack);
            typed.push(item);
        }
        (folded_list(typed), Known { ty: Ty::list(element), lack })
    }

    /// A record literal, or a nested block that stands for a value.
    pub(super) fn record(&mut self, block: &Block, scope: &mut Scope) -> (Expr, Known) {
        self.repeated(block);
        let mut fields: Vec<RecordField> = Vec::new();
        let mut record = Record { rest: Rest::Nothing, ..Record::default() };
        let mut lack = Lack::NEVER;
        for field in &block.fields {
            let (value, known) = match &field.value {
                FieldValue::Expr(expr) => self.expr(expr, scope),
                FieldValue::Block(block) => self.record(block, scope),
            };
            let ty = match field.optional {
                true => {
                    lack.unknown = lack.unknown.max(known.lack.unknown);
                    known.ty.not_null()
                }
                false => {
                    lack = lack.max(known.lack);
                    known.ty
                }
            };
            record
                .fields
                .insert(field.key.text.as_str().into(), Field { ty, optional: field.optional });
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
        let known = Known { ty: Ty::record(record), lack };
        #[cfg(test)]
        self.known.insert(block.span, known.clone());
        (Expr { kind, span: block.span }, known)
    }
}

/// A condition that is unknown where something is missing.
pub(super) fn truth(lack: Lack) -> Known {
    Known { ty: Ty::bool(), lack: lack.of_condition() }
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
