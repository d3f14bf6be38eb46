//! Expressions: names resolved, and every kind of value that can be known compared with what its
//! place takes.

use super::Checker;
use super::names::What;
use super::operands::arith_kinds;
use super::paths::segments;
use super::scope::Place;
use super::typed::{Expr, ExprKind, IsTest, QuantifierKind, RecordField};
use crate::diagnostic::{Code, Diagnostic, suggest};
use crate::functions;
use crate::number::Number;
use crate::span::Span;
use crate::syntax::ast::{self, Block, FieldValue, Text};
use crate::value::{Kinds, Value};

/// The names that paths may start with, besides the roots.
#[derive(Clone, Default)]
pub(super) struct Scope {
    /// What binders bind, outermost first.
    pub(super) bound: Vec<Text>,
    /// The kinds of those that are parameters of a condition; they stand first.
    pub(super) parameters: Vec<Kinds>,
    pub(super) place: Place,
}

impl Scope {
    /// The scope outside of any binder.
    pub(super) fn of_event() -> Self {
        Self::default()
    }

    pub(super) fn of(place: Place) -> Self {
        Self { place, ..Self::default() }
    }
}

/// An expression that could not be read or checked; its problem is reported.
pub(super) fn broken(span: Span) -> (Expr, Kinds) {
    (Expr { kind: ExprKind::Const(Value::Null), span }, Kinds::ANY)
}

impl Checker<'_> {
    /// A condition: an expression that may be a boolean.
    pub(super) fn condition(&mut self, expr: &ast::Expr, scope: &mut Scope) -> Expr {
        let (typed, kinds) = self.expr(expr, scope);
        if !kinds.meets(Kinds::BOOL) {
            self.report(
                Diagnostic::error(Code::E0302, expr.span, "a condition is true or false")
                    .label(format!("this is {kinds}"))
                    .help("compare it with something, or ask `is present`"),
            );
        }
        typed
    }

    /// An expression whose elements are wanted.
    pub(super) fn list(&mut self, expr: &ast::Expr, scope: &mut Scope, what: &str) -> Expr {
        let (typed, kinds) = self.expr(expr, scope);
        if !kinds.meets(Kinds::LIST) {
            self.report(
                Diagnostic::error(Code::E0310, expr.span, format!("`{what}` goes through a list"))
                    .label(format!("this is {kinds}")),
            );
        }
        typed
    }

    /// Binds a name for what follows in the scope.
    pub(super) fn bind(&mut self, name: &Text, scope: &mut Scope) {
        if let Some(first) = scope.bound.iter().find(|first| first.text == name.text) {
            let problem = Diagnostic::error(
                Code::E0207,
                name.span,
                format!("`{}` already names an element here", name.text),
            )
            .label("bound again")
            .related(first.span, "first bound here")
            .help("choose another name");
            self.report(problem);
        } else {
            self.is_free(name);
        }
        scope.bound.push(name.clone());
    }

    /// Checks an expression; gives it with the kinds of values that it may have.
    pub(super) fn expr(&mut self, expr: &ast::Expr, scope: &mut Scope) -> (Expr, Kinds) {
        let span = expr.span;
        let constant = |value: Value<'static>| {
            let kinds = value.kind();
            (ExprKind::Const(value), kinds)
        };
        let (kind, kinds) = match &expr.kind {
            ast::ExprKind::Error => return broken(span),
            ast::ExprKind::Paren(inner) => {
                let (inner, kinds) = self.expr(inner, scope);
                return (Expr { span, ..inner }, kinds);
            }
            ast::ExprKind::Null => constant(Value::Null),
            ast::ExprKind::Bool(value) => constant(Value::Bool(*value)),
            ast::ExprKind::Number(number) => constant(Value::Number(*number)),
            ast::ExprKind::Duration(duration) => constant(Value::Duration(*duration)),
            ast::ExprKind::Size(bytes) => {
                constant(Value::Number(Number::from(i64::try_from(*bytes).unwrap_or(i64::MAX))))
            }
            ast::ExprKind::String(text) => constant(Value::text(text.clone())),
            ast::ExprKind::Interpolated(parts) => {
                (self.interpolated(parts, scope, span), Kinds::STRING)
            }
            ast::ExprKind::List(items) => {
                let items: Vec<_> = items.iter().map(|item| self.expr(item, scope).0).collect();
                (folded_list(items), Kinds::LIST)
            }
            ast::ExprKind::Record(block) => return self.record(block, scope),
            ast::ExprKind::Path { root, steps } => {
                return self.path(root, steps, span, scope);
            }
            ast::ExprKind::Access { base, steps } => {
                let (base, _) = self.expr(base, scope);
                (ExprKind::Access { base: Box::new(base), segments: segments(steps) }, Kinds::JSON)
            }
            ast::ExprKind::Call { function, arguments } => {
                return self.call(function, arguments, span, scope);
            }
            ast::ExprKind::Quantifier { kind, name, list, body } => {
                let list = self.list(list, scope, kind.as_str());
                self.bind(name, scope);
                let body = match kind {
                    QuantifierKind::Map => self.expr(body, scope).0,
                    _ => self.condition(body, scope),
                };
                scope.bound.pop();
                let (list, body) = (Box::new(list), Box::new(body));
                let name = name.text.as_str().into();
                let typed = ExprKind::Quantifier { kind: *kind, name, list, body, frame: () };
                (typed, quantifier_kinds(*kind))
            }
            ast::ExprKind::Not(inner) => {
                (ExprKind::Not(Box::new(self.condition(inner, scope))), Kinds::BOOL)
            }
            ast::ExprKind::And(all) => {
                let all = all.iter().map(|part| self.condition(part, scope)).collect();
                (ExprKind::And(all), Kinds::BOOL)
            }
            ast::ExprKind::Or(all) => {
                let all = all.iter().map(|part| self.condition(part, scope)).collect();
                (ExprKind::Or(all), Kinds::BOOL)
            }
            ast::ExprKind::Compare { op, left, right } => {
                let (left, left_kinds) = self.expr(left, scope);
                let (right, right_kinds) = self.expr(right, scope);
                self.comparable(*op, (&left, left_kinds), (&right, right_kinds), span);
                let (left, right) = (Box::new(left), Box::new(right));
                (ExprKind::Compare { op: *op, left, right }, Kinds::BOOL)
            }
            ast::ExprKind::In { negated, item, list } => {
                let (item, item_kinds) = self.expr(item, scope);
                let list = self.list(list, scope, "in");
                self.member(item_kinds, &list);
                let test = ExprKind::In { item: Box::new(item), list: Box::new(list) };
                if *negated {
                    (ExprKind::Not(Box::new(Expr { kind: test, span })), Kinds::BOOL)
                } else {
                    (test, Kinds::BOOL)
                }
            }
            ast::ExprKind::TextTest { op, left, right } => {
                return self.text_test(*op, left, right, span, scope);
            }
            ast::ExprKind::Is { value, negated, kind } => {
                let (value, _) = self.expr(value, scope);
                self.no_absence(
                    &value,
                    "is never missing",
                    "ask it of the value inside: `x is missing`",
                );
                let Some(test) = is_test(&kind.text) else {
                    return broken(span);
                };
                (ExprKind::Is { value: Box::new(value), negated: *negated, test }, Kinds::BOOL)
            }
            ast::ExprKind::Coalesce { left, right } => {
                let (left, left_kinds) = self.expr(left, scope);
                let (right, right_kinds) = self.expr(right, scope);
                self.no_absence(
                    &left,
                    "has no default",
                    "give the default to the value inside: `(x ?? \"\") == \"prod\"`",
                );
                let kinds = left_kinds.minus(Kinds::NULL).or(right_kinds);
                (ExprKind::Coalesce { left: Box::new(left), right: Box::new(right) }, kinds)
            }
            ast::ExprKind::Neg(inner) => {
                let (inner, kinds) = self.expr(inner, scope);
                let mut result = kinds.and(Kinds::NUMBER.or(Kinds::DURATION));
                if result == Kinds::NOTHING {
                    result = Kinds::ANY;
                    self.error(
                        Code::E0301,
                        span,
                        "`-` takes a number or a duration",
                        &format!("this is {kinds}"),
                    );
                }
                (ExprKind::Neg(Box::new(inner)), result)
            }
            ast::ExprKind::Arith { op, left, right } => {
                let (left, left_kinds) = self.expr(left, scope);
                let (right, right_kinds) = self.expr(right, scope);
                let mut kinds = arith_kinds(*op, left_kinds, right_kinds);
                if kinds == Kinds::NOTHING {
                    let op = op.as_str();
                    let mut problem = Diagnostic::error(
                        Code::E0301,
                        span,
                        format!("`{op}` does not take {left_kinds} and {right_kinds}"),
                    )
                    .label("cannot be computed");
                    if op == "+" && left_kinds.or(right_kinds).meets(Kinds::STRING) {
                        problem = problem.help("join texts by interpolation: \"${a}-${b}\"");
                    }
                    self.report(problem);
                    // What cannot be computed is reported once.
                    kinds = Kinds::ANY;
                }
                let (left, right) = (Box::new(left), Box::new(right));
                (ExprKind::Arith { op: *op, left, right }, kinds)
            }
        };
        (Expr { kind, span }, kinds)
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

    fn interpolated(&mut self, parts: &[ast::Part], scope: &mut Scope, span: Span) -> ExprKind {
        let mut typed = Vec::new();
        for part in parts {
            match part {
                ast::Part::Text(text) => {
                    let kind = ExprKind::Const(Value::text(text.clone()));
                    typed.push(Expr { kind, span });
                }
                ast::Part::Expr(expr) => {
                    let (expr, kinds) = self.expr(expr, scope);
                    if !kinds.meets(Kinds::SCALAR) {
                        self.report(
                            Diagnostic::error(Code::E0301, expr.span, "`${…}` takes one value")
                                .label(format!("this is {kinds}"))
                                .help("write `json(…)` or `join(…)` to make text of it"),
                        );
                    }
                    typed.push(expr);
                }
            }
        }
        ExprKind::Concat(typed)
    }

    /// A record literal, or a nested block that stands for a value.
    pub(super) fn record(&mut self, block: &Block, scope: &mut Scope) -> (Expr, Kinds) {
        self.repeated(block);
        let mut fields: Vec<RecordField> = Vec::new();
        for field in &block.fields {
            let (value, _) = match &field.value {
                FieldValue::Expr(expr) => self.expr(expr, scope),
                FieldValue::Block(block) => self.record(block, scope),
            };
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
        (Expr { kind, span: block.span }, Kinds::MAP)
    }

    fn call(
        &mut self,
        name: &Text,
        arguments: &[ast::Expr],
        span: Span,
        scope: &mut Scope,
    ) -> (Expr, Kinds) {
        let arguments: Vec<_> = arguments.iter().map(|a| self.expr(a, scope)).collect();
        let Some(function) = functions::find(&name.text) else {
            if let Some(call) = self.named_call(name, &arguments, span, scope) {
                return call;
            }
            let conditions = self.names.all_seen(What::Condition, name.span.file);
            let known = functions::all().map(|function| function.name).chain(conditions);
            let help =
                suggest::nearest(&name.text, known).map(|near| format!("did you mean `{near}`?"));
            self.report(
                Diagnostic::error(
                    Code::E0202,
                    name.span,
                    format!("there is no function `{}`", name.text),
                )
                .label("not known")
                .maybe_help(help),
            );
            return broken(span);
        };
        if arguments.len() != function.params.len() {
            let (given, wanted) = (arguments.len(), function.params.len());
            self.report(
                Diagnostic::error(
                    Code::E0303,
                    span,
                    format!("`{}` takes {}, not {given}", name.text, counted(wanted, "argument")),
                )
                .label("wrong number of arguments")
                .help(format!("call it as `{}`", function.signature())),
            );
            return broken(span);
        }
        for ((argument, kinds), (param, wanted)) in arguments.iter().zip(function.params) {
            if !kinds.meets(*wanted) {
                self.report(
                    Diagnostic::error(
                        Code::E0303,
                        argument.span,
                        format!("`{param}` of `{}` is {wanted}", function.signature()),
                    )
                    .label(format!("this is {kinds}")),
                );
            }
        }
        let arguments = arguments.into_iter().map(|(argument, _)| argument).collect();
        (Expr { kind: ExprKind::Call { function, arguments }, span }, function.returns)
    }
}

/// `1 argument`, `2 arguments`.
pub(super) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
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

fn quantifier_kinds(kind: QuantifierKind) -> Kinds {
    match kind {
        QuantifierKind::Any | QuantifierKind::All | QuantifierKind::None => Kinds::BOOL,
        QuantifierKind::Count => Kinds::NUMBER,
        QuantifierKind::Filter | QuantifierKind::Map => Kinds::LIST,
        QuantifierKind::First => Kinds::ANY,
    }
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
