//! The operands of operators: which values can be compared, and which may be absent.

use super::Checker;
use super::conversions::number_of_text;
use super::expressions::condition_known;
use crate::diagnostic::{Code, Diagnostic, Fix, suggest};
use crate::span::Span;
use crate::typed::Shown;
use crate::typed::{CompareOp, Expr, ExprKind, IsTest};
use crate::types::{Absence, Known, Missing, Ty};
use crate::value::{Kinds, Value};

const COMPOSITE: Kinds = Kinds::LIST.or(Kinds::MAP);

impl Checker<'_> {
    pub(super) fn comparable(
        &mut self,
        op: CompareOp,
        left: &(Expr, Known),
        right: &(Expr, Known),
        span: Span,
    ) {
        let null_first = right.1.kinds() == Kinds::NULL;
        for (expr, known) in if null_first { [right, left] } else { [left, right] } {
            if let Some(problem) = never_compared(op, expr, known) {
                let other = if expr.span == left.0.span { right } else { left };
                let null = known.kinds() == Kinds::NULL && other.1.kinds() != Kinds::NULL;
                let fix = null.then(|| self.null_test_fix(op, &other.0, &other.1, span));
                // A suggestion for this value is more useful than a general one.
                let help = problem.help.clone().filter(|_| fix.is_none());
                return self.report(Diagnostic { help, ..problem }.maybe_fix(fix));
            }
        }
        let (left_kinds, right_kinds) = (left.1.kinds(), right.1.kinds());
        let common = left_kinds.and(right_kinds).minus(Kinds::NULL);
        let possible = if op.is_order() { common.and(Kinds::ORDERED) } else { common };
        if possible == Kinds::NOTHING {
            let mut problem = Diagnostic::error(
                Code::E0301,
                span,
                format!("{left_kinds} and {right_kinds} cannot be compared with `{}`", op.as_str()),
            )
            .label("this can never be true");
            if let Some(converted) = number_of_text(left, right) {
                problem = problem.help(format!("convert it: `{converted}`"));
            } else if left_kinds.or(right_kinds).meets(Kinds::STRING) {
                problem = problem.help(
                    "convert one side: `int(…)`, `float(…)`, `time(…)`, `semver(…)` or `string(…)`",
                );
            }
            return self.report(problem);
        }
        let fixed = |side: &(Expr, Known)| matches!(side.0.kind, ExprKind::Const(_));
        // Comparing two constants is fine: one of them may be a switch.
        let both_fixed = fixed(left) && fixed(right);
        if !op.is_order() && !left.1.ty.meets(&right.1.ty) && !both_fixed {
            return self.report(never_equal(left, right, span));
        }
        for (own, other) in [(left, right), (right, left)] {
            let what = format!("`{}`", op.as_str());
            if self.require_same_kind(&own.0, &own.1, &other.1.ty, &what) {
                return;
            }
        }
    }

    /// Reports a value of several kinds that is compared with a value of only one of them, or with
    /// a value that has several kinds, too.
    fn require_same_kind(&mut self, own: &Expr, known: &Known, other: &Ty, what: &str) -> bool {
        let kinds = other.kinds();
        let wanted = match () {
            // A value without a type may be compared with anything.
            () if other.is_any() => Kinds::ANY.minus(COMPOSITE),
            () if !several(kinds) => kinds,
            // If both have several kinds, one has to be tested first.
            () if several(known.kinds()) => single(known.kinds().and(kinds).minus(Kinds::NULL)),
            () => return false,
        };
        self.require_one_kind(own, known, wanted, what)
    }

    /// Replaces a comparison with null by a test.
    fn null_test_fix(&self, op: CompareOp, value: &Expr, known: &Known, span: Span) -> Fix {
        let nullable = known.ty.is_any() || known.ty.may_be_null();
        let test = match (op == CompareOp::Ne, nullable) {
            (true, true) => "is not null",
            (true, false) => "is present",
            (false, true) => "is null",
            (false, false) => "is missing",
        };
        let written = format!("{} {test}", self.text(value.span));
        // A comparison with a missing value is unknown, while a test is true or false. Below a
        // `not` this makes a difference.
        let there = known.absence == Absence::NEVER;
        Fix::new(format!("write `{written}`"), span, written).safe_if(op == CompareOp::Eq && there)
    }

    /// Reports elements of a list that the item never equals, and kinds that cannot be compared.
    pub(super) fn member(&mut self, item: &(Expr, Known), list: &(Expr, Known)) {
        let element = list.1.ty.element();
        let fixed = matches!(item.0.kind, ExprKind::Const(_));
        if item.1.ty.is_nothing() || element.is_nothing() {
            return;
        }
        let literals: Vec<(Ty, Span)> = match &list.0.kind {
            ExprKind::Const(Value::List(values)) => {
                values.iter().map(|value| (Ty::from_value(value), list.0.span)).collect()
            }
            ExprKind::List(items) => items
                .iter()
                .filter_map(|item| match &item.kind {
                    ExprKind::Const(value) => Some((Ty::from_value(value), item.span)),
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        };
        for (literal, span) in literals {
            if !literal.kinds().meets(item.1.kinds()) {
                let (item, literal) = (item.1.kinds(), literal.kinds());
                return self.report(
                    Diagnostic::error(
                        Code::E0301,
                        span,
                        format!("{item} is never equal to {literal}"),
                    )
                    .label("this element is never found")
                    .help("use elements of one kind"),
                );
            }
            if !literal.meets(&item.1.ty) && !fixed {
                return self.report(never(item, &literal, span));
            }
        }
        if !element.meets(&item.1.ty) && !fixed {
            return self.report(never(item, &element, list.0.span));
        }
        if !element.is_any() && element.kinds().minus(Kinds::NULL).within(COMPOSITE) {
            let of = element.kinds().minus(Kinds::NULL).plural();
            let list = &list.0;
            let problem = Diagnostic::error(
                Code::E0307,
                list.span,
                "`in` compares elements, but lists and records cannot be compared as a whole",
            );
            let path = Shown(list);
            return self.report(
                problem
                    .label(format!("a list of {of}"))
                    .help(format!("test a field of each: `any(x in {path}: x.name == …)`")),
            );
        }
        if !self.require_same_kind(&item.0, &item.1, &element, "`in`") {
            let elements = Known::present(element);
            self.require_same_kind(&list.0, &elements, &item.1.ty, "`in`");
        }
    }

    /// Reports a value of several kinds if only some of them can be used. A value without a type is
    /// not reported, and null counts as absence. Returns whether something was reported.
    pub(super) fn require_one_kind(
        &mut self,
        expr: &Expr,
        known: &Known,
        wanted: Kinds,
        what: &str,
    ) -> bool {
        let kinds = known.kinds().minus(Kinds::NULL);
        if known.ty.is_any() || kinds.within(wanted) {
            return false;
        }
        let name = Shown(expr).to_string();
        let numbers = Kinds::NUMBER.or(Kinds::STRING);
        let help = match kinds.and(wanted) {
            Kinds::NUMBER if kinds == numbers => {
                format!(
                    "convert it, as in `int({name})`, or test it first: `{name} is float and …`"
                )
            }
            Kinds::STRING if kinds.within(Kinds::SCALAR) && wanted == Kinds::STRING => {
                format!(
                    "convert it, as in `string({name})`, or test it first: `{name} is string and …`"
                )
            }
            usable => match test_for(usable) {
                Some(test) => format!("test it first: `{name} is {test} and …`"),
                None => "test its kind first, as in `… is string and …`".to_owned(),
            },
        };
        self.report(
            Diagnostic::error(
                Code::E0313,
                expr.span,
                format!("{what} takes {wanted}, but this may be {}", kinds.minus(wanted)),
            )
            .label(format!("here it is {}", known.ty))
            .help(help),
        );
        true
    }

    /// Reports an `is` that, by the type of the value, is never or always true. Tests for presence
    /// are always allowed, because senders change.
    pub(super) fn check_possible(
        &mut self,
        test: IsTest,
        negated: bool,
        value: &Expr,
        known: &Known,
        span: Span,
    ) {
        let asked = matches!(test, IsTest::Missing | IsTest::Present);
        if asked || known.ty.is_any() || known.ty.is_nothing() {
            return;
        }
        if known.ty.clone().tested(test, true).is_nothing() {
            let (name, not) = (Shown(value), if negated { "not " } else { "" });
            let always = if negated { "always" } else { "never" };
            self.report(
                Diagnostic::error(
                    Code::E0311,
                    span,
                    format!("`{name} is {not}{}` {always} holds", test.as_str()),
                )
                .label(format!("here it is {}", known.ty)),
            );
        }
    }
}

/// The absence of an expression, if null counts as absent.
pub(super) fn absence_of(expr: &Expr, known: &Known) -> Absence {
    known.absence.clone().max(Absence::absent(null_of(expr, known)))
}

/// The absence of an operand: null cannot be computed with, and a default does not help.
pub(super) fn absence_of_operand(expr: &Expr, known: &Known) -> Absence {
    known.absence.clone().max(Absence { unknown: null_of(expr, known), ..Absence::NEVER })
}

fn null_of(expr: &Expr, known: &Known) -> Missing {
    match &expr.kind {
        _ if known.ty.is_any() => Missing::Open,
        _ if !known.ty.may_be_null() => Missing::Never,
        ExprKind::Path(path) => Missing::Declared(path.text.clone()),
        _ => Missing::Declared(Shown(expr).to_string().into()),
    }
}

/// The problem of an operand that can never be compared.
fn never_compared(op: CompareOp, expr: &Expr, known: &Known) -> Option<Diagnostic> {
    let kinds = known.kinds();
    if kinds == Kinds::NULL {
        let test = if op == CompareOp::Ne { "is not null" } else { "is null" };
        return Some(
            Diagnostic::error(Code::E0308, expr.span, "null cannot be compared")
                .label("comparing with `null` is never true")
                .help(format!("write `… {test}`, or `… is missing` for a field that is not there")),
        );
    }
    if kinds == Kinds::NOTHING {
        return Some(
            Diagnostic::error(Code::E0311, expr.span, "this has no value here")
                .label("earlier conditions rule out every value")
                .help("the conditions contradict each other"),
        );
    }
    if kinds.minus(Kinds::NULL).within(COMPOSITE) {
        return Some(
            Diagnostic::error(
                Code::E0307,
                expr.span,
                "lists and records cannot be compared as a whole",
            )
            .label(format!("this is {kinds}"))
            .help("test its elements: `any(x in list: x == …)`, or `… in list`"),
        );
    }
    if op.is_order() && kinds.minus(Kinds::NULL) == Kinds::STRING {
        return Some(
            Diagnostic::error(Code::E0309, expr.span, "strings have no order")
                .label(format!("`{}` compares numbers, durations, times and versions", op.as_str()))
                .help("convert both sides: `int(…)`, `float(…)`, `time(…)` or `semver(…)`"),
        );
    }
    None
}

/// The problem of a comparison whose sides have no value in common.
fn never_equal(left: &(Expr, Known), right: &(Expr, Known), span: Span) -> Diagnostic {
    let is_const = |side: &(Expr, Known)| matches!(side.0.kind, ExprKind::Const(_));
    let (value, literal) = if is_const(left) { (right, left) } else { (left, right) };
    let place = if is_const(literal) { literal.0.span } else { span };
    never(value, &literal.1.ty, place)
}

/// The problem of comparing a value with a literal that it never equals.
fn never(value: &(Expr, Known), literal: &Ty, span: Span) -> Diagnostic {
    let name = Shown(&value.0);
    let near = literal.literal_strings().and_then(|mut all| {
        let only = all.next()?;
        let known = value.1.ty.literal_strings()?;
        suggest::nearest(only, known).map(|near| format!("did you mean \"{near}\"?"))
    });
    Diagnostic::error(Code::E0311, span, format!("`{name}` is never {literal}"))
        .label(format!("here it is {}", value.1.ty))
        .maybe_help(near)
}

/// Whether there is more than one kind, not counting null.
fn several(kinds: Kinds) -> bool {
    let kinds = kinds.minus(Kinds::NULL);
    kinds != single(kinds)
}

/// The first of these kinds.
fn single(kinds: Kinds) -> Kinds {
    let first = Kinds::SINGLE.into_iter().find(|kind| kinds.meets(*kind));
    first.unwrap_or(Kinds::NOTHING)
}

/// The name of the test for a kind.
pub(super) fn test_for(kinds: Kinds) -> Option<&'static str> {
    Some(match kinds {
        Kinds::STRING => "string",
        Kinds::NUMBER => "float",
        Kinds::BOOL => "bool",
        Kinds::LIST => "list",
        Kinds::MAP => "map",
        _ => return None,
    })
}

/// The result of a test of text.
pub(super) fn text_truth(sides: &[(&Expr, &Known)]) -> Known {
    let lacks = sides.iter().map(|(expr, known)| absence_of(expr, known));
    condition_known(lacks.fold(Absence::NEVER, Absence::max))
}
