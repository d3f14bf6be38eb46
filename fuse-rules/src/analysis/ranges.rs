//! Ranges of computed values: sets that contain every value that an expression can have.

use super::domain::{Bits, Domain, NumberSet, StringTest, TextSet};
use super::variables::{VariableId, Variables};
use crate::functions::ranges::{self, CLOCK, Range, Results};
use crate::functions::{Call, Function, Returns};
use crate::number::Number;
use crate::semantics::ops::nanoseconds;
use crate::typed::{ArithOp, Expr, ExprKind, QuantifierKind, Segment};
use crate::value::{Kinds, Value};

/// How many values of an argument a function is applied to.
const MAX_APPLIED_VALUES: usize = 16;

/// Computes ranges from the values that the variables of an event may have.
#[derive(Clone, Copy)]
pub(super) struct Ranges<'a> {
    pub(super) variables: &'a Variables,
    pub(super) scope: &'a [VariableId],
}

impl Ranges<'_> {
    /// A set that contains every value of an expression, its absence, and its failure.
    pub(super) fn of(self, expr: &Expr) -> Domain {
        match &expr.kind {
            ExprKind::Const(value @ Value::Unrepresentable(_)) => {
                Domain { bits: Bits::FAILED, ..Domain::from_value(value) }
            }
            ExprKind::Const(value) => Domain::from_value(value),
            ExprKind::Path(path) => {
                let known = self.variables.find(path, self.scope);
                let known = known.and_then(|id| self.variables.at(id));
                known.map_or_else(Domain::computed, |variable| (*variable.domain).clone())
            }
            ExprKind::Access { base, segments } => match (&base.kind, segments.as_slice()) {
                (ExprKind::Call { function, .. }, [Segment::Key(key)]) => {
                    ranges::find(function.name, Some(key)).map_or_else(Domain::computed, result)
                }
                (_, [Segment::Index(_)]) => failing(self.of_elements(base)),
                _ => Domain::computed(),
            },
            ExprKind::Concat(parts) => failing(text(parts)),
            ExprKind::List(_) => failing(Domain::bits(Bits::LIST)),
            ExprKind::Record(_) => failing(Domain::bits(Bits::MAP)),
            ExprKind::Call { function, arguments, .. } => self.of_call(function, arguments),
            ExprKind::Arith { op: ArithOp::Rem, right, .. } => remainder(right),
            ExprKind::Coalesce { left, right } => {
                let mut left = self.of(left);
                let is_lacking = left.may_be(Bits::ABSENT.or(Bits::NULL));
                left.bits = left.bits.and(Bits::ABSENT.or(Bits::NULL).not().or(Bits::FAILED));
                if is_lacking { left.or(&self.of(right)) } else { left }
            }
            ExprKind::If { chosen, otherwise, .. } => {
                failing(self.of(chosen).or(&self.of(otherwise)))
            }
            ExprKind::Quantifier { kind: QuantifierKind::Count, .. } => {
                failing(Domain::numbers(NumberSet::WHOLE.and(&not_negative())))
            }
            ExprKind::Quantifier { kind: QuantifierKind::Filter | QuantifierKind::Map, .. } => {
                failing(Domain::bits(Bits::LIST))
            }
            _ if expr.is_condition() => failing(Domain::bits(Bits::TRUE.or(Bits::FALSE))),
            _ => Domain::computed(),
        }
    }

    /// A set that contains every element of a list.
    pub(super) fn of_elements(self, list: &Expr) -> Domain {
        match &list.kind {
            ExprKind::Const(Value::List(items)) => items
                .iter()
                .map(Domain::from_value)
                .fold(Domain::bits(Bits::NONE), |all, item| all.or(&item)),
            ExprKind::List(items) => items
                .iter()
                .map(|item| self.of(item))
                .fold(Domain::bits(Bits::NONE), |all, item| all.or(&item)),
            ExprKind::Call { function, arguments, .. } => {
                match (function.name, arguments.as_slice()) {
                    ("split", [value, separator]) => {
                        let parts = self.of(value).texts.parts();
                        Domain::texts(match &separator.kind {
                            ExprKind::Const(Value::String(separator)) => {
                                parts.and(&lacking(separator))
                            }
                            _ => parts,
                        })
                    }
                    ("concat", [first, second]) => {
                        self.of_elements(first).or(&self.of_elements(second))
                    }
                    ("sort" | "unique" | "slice", [list, ..]) => self.of_elements(list),
                    _ => match &function.returns {
                        Returns::ListOf(kinds) => of_kinds(*kinds),
                        _ => Domain::computed(),
                    },
                }
            }
            ExprKind::Quantifier { kind: QuantifierKind::Filter, list, .. } => {
                self.of_elements(list)
            }
            ExprKind::If { chosen, otherwise, .. } => {
                self.of_elements(chosen).or(&self.of_elements(otherwise))
            }
            _ => Domain::computed(),
        }
    }

    fn of_call(self, function: &Function, arguments: &[Expr]) -> Domain {
        if let Some(results) = self.applied(function, arguments) {
            return results;
        }
        let range = match (function.name, arguments) {
            ("replace", [_, from, to]) => Some(Domain::texts(replaced(from, to))),
            ("slice", [value, from, ..]) => {
                let texts = self.of(value).texts.parts().and(&sliced(from, arguments.get(2)));
                Some(Domain { texts, ..Domain::bits(Bits::LIST) })
            }
            ("trim" | "strip-prefix" | "strip-suffix", [value, ..]) => {
                let parts = Domain::texts(self.of(value).texts.parts());
                Some(
                    ranges::find(function.name, None)
                        .map_or_else(Domain::computed, domain)
                        .and(&parts),
                )
            }
            _ => ranges::find(function.name, None).map(domain),
        };
        let results = match &function.returns {
            Returns::Element(at) => {
                arguments.get(*at).map_or_else(Domain::computed, |list| self.of_elements(list))
            }
            returns => returned(returns),
        };
        failing(match range {
            Some(range) => results.and(&range),
            None => results,
        })
    }

    /// The results for all values of the only argument that is not constant, if they are few.
    fn applied(self, function: &Function, arguments: &[Expr]) -> Option<Domain> {
        let Call::Pure(call) = function.call else { return None };
        let is_constant = |expr: &&Expr| matches!(expr.kind, ExprKind::Const(_));
        let mut varied = arguments.iter().enumerate().filter(|(_, expr)| !is_constant(expr));
        let (Some((at, argument)), None) = (varied.next(), varied.next()) else { return None };
        let given = self.of(argument);
        let accepted = function.params.get(at).map(|(_, kinds)| *kinds)?;
        // A value of another kind has no result.
        let others = given.bits.and(Bits::LIST.or(Bits::MAP).or(Bits::TRUE).or(Bits::FALSE));
        let is_accepted = |kind, bits| accepted.meets(kind) && others.meets(bits);
        if is_accepted(Kinds::LIST, Bits::LIST)
            || is_accepted(Kinds::MAP, Bits::MAP)
            || is_accepted(Kinds::BOOL, Bits::TRUE.or(Bits::FALSE))
            || accepted.meets(Kinds::NUMBER) && !given.numbers.is_none()
            || accepted.meets(Kinds::NULL) && given.may_be(Bits::NULL)
            || given.may_be_computed()
        {
            return None;
        }
        let texts = given.texts.finite().filter(|texts| texts.len() <= MAX_APPLIED_VALUES)?;
        let mut results = Domain::bits(Bits::FAILED.or(Bits::ABSENT));
        for text in texts {
            let values = arguments.iter().enumerate().map(|(index, expr)| match &expr.kind {
                _ if index == at => Some(Value::text(text.to_string())),
                ExprKind::Const(value) => Some(value.clone()),
                _ => None,
            });
            let values: Vec<Value<'static>> = values.collect::<Option<_>>()?;
            let fits = values.iter().zip(function.params);
            if !fits.into_iter().all(|(value, (_, kinds))| value.kind().within(*kinds)) {
                return None;
            }
            if let Ok(result) = call(&values) {
                results = results.or(&Domain::from_value(&result));
            }
        }
        Some(results)
    }
}

/// These values, or none because the computation failed or something that it reads is absent.
fn failing(domain: Domain) -> Domain {
    Domain { bits: domain.bits.or(Bits::FAILED).or(Bits::ABSENT), ..domain }
}

/// The range of the result of a function, or a part of it, with its absence and failure.
fn result(range: &'static Range) -> Domain {
    failing(domain(range))
}

fn domain(range: &'static Range) -> Domain {
    match range.results {
        Results::Texts(_) => Domain::texts(TextSet::all().tested(StringTest::Range(range), true)),
        Results::NotNegative => {
            Domain { durations: not_negative(), ..Domain::numbers(not_negative()) }
        }
        Results::UpTo(most) => {
            let numbers = NumberSet::above(Number::from(most)).not().and(&NumberSet::WHOLE);
            Domain::numbers(numbers.and(&not_negative()))
        }
        Results::Clock => {
            let durations = not_negative().and(&NumberSet::below(nanoseconds(CLOCK)));
            Domain { durations, ..Domain::bits(Bits::NONE) }
        }
    }
}

fn not_negative() -> NumberSet {
    NumberSet::below(Number::ZERO).not()
}

/// The values that a function declares to return.
fn returned(returns: &Returns) -> Domain {
    match returns {
        Returns::Of(kinds) => of_kinds(*kinds),
        Returns::Words(words) => {
            Domain::texts(TextSet::only(words.iter().map(|word| (*word).into())))
        }
        Returns::Int => Domain::numbers(NumberSet::WHOLE),
        Returns::ListOf(_)
        | Returns::ElementsOf(_)
        | Returns::Ints
        | Returns::EntriesOf(_)
        | Returns::Joined
        | Returns::Flattened(_) => Domain::bits(Bits::LIST),
        Returns::Record(_) | Returns::MapOfEntries(_) | Returns::Merged => Domain::bits(Bits::MAP),
        Returns::Maybe(returns) => returned(returns),
        _ => Domain::computed(),
    }
}

/// All values of these kinds.
fn of_kinds(kinds: Kinds) -> Domain {
    let strange = Bits::HUGE.or(Bits::FINE).or(Bits::SURROGATE);
    let values = Domain::from_kinds(kinds);
    Domain { bits: values.bits.or(strange), ..values }
}

/// The texts that do not contain this one.
fn lacking(text: &str) -> TextSet {
    match text.is_empty() {
        true => TextSet::all(),
        false => TextSet::all().tested(StringTest::Contains(text.into()), false),
    }
}

/// The texts that are not longer than a slice can be.
fn sliced(from: &Expr, to: Option<&Expr>) -> TextSet {
    let whole = |expr: &Expr| match &expr.kind {
        ExprKind::Const(Value::Number(number)) => number.to_i64(),
        _ => None,
    };
    let most = match (whole(from), to.map(whole)) {
        (Some(from), Some(Some(to))) if (from < 0) == (to < 0) => to.checked_sub(from),
        (Some(from), None) if from < 0 => from.checked_neg(),
        _ => None,
    };
    match most.map(|most| usize::try_from(most).unwrap_or(0)) {
        Some(most) => TextSet::all().tested(StringTest::AtMost(most), true),
        None => TextSet::all(),
    }
}

/// The results of replacing a text. Replacing more than one character can produce it again.
fn replaced(from: &Expr, to: &Expr) -> TextSet {
    match (&from.kind, &to.kind) {
        (ExprKind::Const(Value::String(from)), ExprKind::Const(Value::String(to)))
            if from.chars().count() == 1 && !to.contains(&**from) =>
        {
            lacking(from)
        }
        _ => TextSet::all(),
    }
}

/// The texts of an interpolation: they contain its constant parts.
fn text(parts: &[Expr]) -> Domain {
    let mut texts = TextSet::all();
    let last = parts.len().saturating_sub(1);
    for (at, part) in parts.iter().enumerate() {
        let ExprKind::Const(Value::String(text)) = &part.kind else { continue };
        let text = text.as_ref().into();
        let test = match at {
            0 => StringTest::Start(text),
            _ if at == last => StringTest::End(text),
            _ => StringTest::Contains(text),
        };
        texts = texts.tested(test, true);
    }
    Domain::texts(texts)
}

/// The results of a division with remainder by a constant.
fn remainder(divisor: &Expr) -> Domain {
    let ExprKind::Const(Value::Number(number)) = &divisor.kind else { return Domain::computed() };
    let below = NumberSet::below(number.abs());
    let above = NumberSet::above(number.abs().neg());
    failing(Domain::numbers(below.and(&above)))
}
