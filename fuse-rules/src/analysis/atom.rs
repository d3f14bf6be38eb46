//! Atoms: conditions on one value and constants, as the sets of values for which they are true,
//! false or unknown. They define as sets what `semantics/ops.rs` defines for single values.

use std::sync::Arc;

use super::domain::{Bits, Domain, NumberSet, StringTest, TextSet, instant};
use super::truths::Truths;
use crate::number::Number;
use crate::semantics::ops::nanoseconds;
use crate::typed::{CompareOp, Expr, ExprKind, IsTest, Path, TextOp};
use crate::value::Value;

/// An elementary expression on its own.
pub(super) enum Atom<'r> {
    /// It has this truth for every event.
    Constant(Truths),
    /// It depends on one value.
    Single(&'r Path, Box<Split>),
}

/// The truth of an atom, by the value that it depends on.
#[derive(Clone, Debug)]
pub(super) struct Split {
    yes: Bits,
    no: Bits,
    /// The truth for these values is not known.
    either: Bits,
    /// The numbers for which it is true, and its truth for all other numbers.
    numbers: (NumberSet, Truths),
    durations: (NumberSet, Truths),
    times: (NumberSet, Truths),
    /// The texts for which it is true, those for which it is not, and its truth for the latter.
    texts: (TextSet, TextSet, Truths),
}

impl Split {
    /// Unknown for every value.
    fn unknown() -> Self {
        Self {
            yes: Bits::NONE,
            no: Bits::NONE,
            either: Bits::NONE,
            numbers: (NumberSet::NONE, Truths::UNKNOWN),
            durations: (NumberSet::NONE, Truths::UNKNOWN),
            times: (NumberSet::NONE, Truths::UNKNOWN),
            texts: (TextSet::none(), TextSet::all(), Truths::UNKNOWN),
        }
    }

    fn texts(holds: TextSet, fails: TextSet) -> Self {
        Self { texts: (holds, fails, Truths::FALSE), ..Self::unknown() }
    }

    fn test(test: StringTest) -> Self {
        Self::texts(TextSet::all().tested(test.clone(), true), TextSet::all().tested(test, false))
    }

    /// True for these values, false for all others and for a missing value.
    fn is(yes: Domain) -> Self {
        let strings = !yes.texts.is_none();
        let (holds, fails) = if strings {
            (TextSet::all(), TextSet::none())
        } else {
            (TextSet::none(), TextSet::all())
        };
        Self {
            yes: yes.bits,
            no: yes.bits.not(),
            either: Bits::NONE,
            numbers: (yes.numbers, Truths::FALSE),
            durations: (yes.durations, Truths::FALSE),
            times: (yes.times, Truths::FALSE),
            texts: (holds, fails, Truths::FALSE),
        }
    }

    fn negated(self) -> Self {
        let turned = |(numbers, other): (NumberSet, Truths)| match other {
            Truths::FALSE => (numbers.not(), other),
            _ => (numbers, other),
        };
        let (holds, fails, rest) = self.texts;
        let texts = match rest {
            Truths::FALSE => (fails, holds, rest),
            _ => (holds, fails, rest),
        };
        Self {
            yes: self.no,
            no: self.yes,
            either: self.either,
            numbers: turned(self.numbers),
            durations: turned(self.durations),
            times: turned(self.times),
            texts,
        }
    }

    /// The values for which it has one of these truths.
    pub(super) fn domain(&self, want: Truths) -> Domain {
        let unknown = self.yes.or(self.no).not().or(Bits::FAILED);
        let parts =
            [(Truths::TRUE, self.yes), (Truths::FALSE, self.no), (Truths::UNKNOWN, unknown)];
        let bits = parts.into_iter().filter(|(truth, _)| want.has(*truth));
        let numbers =
            |(holds, rest): &(NumberSet, Truths)| match (want.has(Truths::TRUE), want.has(*rest)) {
                (true, true) => NumberSet::ALL,
                (true, false) => holds.clone(),
                (false, true) => holds.not(),
                (false, false) => NumberSet::NONE,
            };
        let (holds, fails, rest) = &self.texts;
        let texts = match (want.has(Truths::TRUE), want.has(*rest)) {
            (true, true) => TextSet::all(),
            (true, false) => holds.clone(),
            (false, true) => fails.clone(),
            (false, false) => TextSet::none(),
        };
        Domain {
            bits: bits.fold(self.either, |all, (_, bits)| all.or(bits)),
            numbers: numbers(&self.numbers),
            texts,
            durations: numbers(&self.durations),
            times: numbers(&self.times),
        }
    }
}

/// `None` for an expression that is neither.
pub(super) fn from_expr(expr: &Expr) -> Option<Atom<'_>> {
    match &expr.kind {
        ExprKind::Const(Value::Bool(truth)) => Some(Atom::Constant(Truths::only(*truth))),
        ExprKind::Const(_) => Some(Atom::Constant(Truths::UNKNOWN)),
        ExprKind::Path(path) => {
            let split = Split { yes: Bits::TRUE, no: Bits::FALSE, ..Split::unknown() };
            Some(Atom::Single(path, Box::new(split)))
        }
        _ => match split(expr)? {
            (Expr { kind: ExprKind::Path(path), .. }, split) => {
                Some(Atom::Single(path, Box::new(split)))
            }
            _ => None,
        },
    }
}

/// The expression that a comparison with constants tests, and its truths.
pub(super) fn split(expr: &Expr) -> Option<(&Expr, Split)> {
    Some(match &expr.kind {
        ExprKind::Compare { op, left, right } => match (&left.kind, &right.kind) {
            (ExprKind::Const(_), ExprKind::Const(_)) => return None,
            (_, ExprKind::Const(value)) => (left, compare(*op, value)),
            (ExprKind::Const(value), _) => (right, compare(op.turned(), value)),
            _ => return None,
        },
        ExprKind::In { item, list } => (item, member(&constants(list)?)),
        ExprKind::TextTest { op, left, right } => {
            let ExprKind::Const(Value::String(text)) = &right.kind else { return None };
            let text: Arc<str> = text.as_ref().into();
            let test = match op {
                TextOp::StartsWith => StringTest::Start(text),
                TextOp::EndsWith => StringTest::End(text),
                _ => StringTest::Contains(text),
            };
            (left, Split::test(test))
        }
        ExprKind::Pattern { value, pattern } => {
            (value, Split::test(StringTest::Pattern(pattern.clone())))
        }
        ExprKind::Is { value, negated, test } => {
            let split = is(*test);
            (value, if *negated { split.negated() } else { split })
        }
        _ => return None,
    })
}

fn constants(list: &Expr) -> Option<Vec<&Value<'static>>> {
    match &list.kind {
        ExprKind::Const(Value::List(values)) => Some(values.iter().collect()),
        ExprKind::List(items) => {
            let constant = |item| match item {
                &Expr { kind: ExprKind::Const(ref value), .. } => Some(value),
                _ => None,
            };
            items.iter().map(constant).collect()
        }
        _ => None,
    }
}

fn compare(op: CompareOp, value: &Value<'_>) -> Split {
    let holds = |number| {
        let holds = match op {
            CompareOp::Eq => NumberSet::only(number),
            CompareOp::Ne => NumberSet::only(number).not(),
            CompareOp::Lt => NumberSet::below(number),
            CompareOp::Le => NumberSet::above(number).not(),
            CompareOp::Gt => NumberSet::above(number),
            CompareOp::Ge => NumberSet::below(number).not(),
        };
        (holds, Truths::FALSE)
    };
    let unlike = Split::unknown();
    let equal = match value {
        Value::Number(number) => return Split { numbers: holds(*number), ..unlike },
        Value::Duration(duration) => {
            return Split { durations: holds(nanoseconds(*duration)), ..unlike };
        }
        Value::Time(time) => return Split { times: holds(instant(*time)), ..unlike },
        Value::Version(_) => return Split { either: Bits::VERSION, ..Split::unknown() },
        _ if op.is_order() => return Split::unknown(),
        Value::Null => Split { yes: Bits::NULL, ..Split::unknown() },
        Value::Bool(truth) => {
            let (yes, no) =
                if *truth { (Bits::TRUE, Bits::FALSE) } else { (Bits::FALSE, Bits::TRUE) };
            Split { yes, no, ..Split::unknown() }
        }
        Value::String(text) => {
            let text: Arc<str> = text.as_ref().into();
            Split::texts(TextSet::only([text.clone()]), TextSet::but([text]))
        }
        // Lists and maps are not comparable, and neither are numbers and strings that have no
        // representation.
        _ => return Split::unknown(),
    };
    if op == CompareOp::Ne { equal.negated() } else { equal }
}

/// True for a value that equals one of these; false only for a value that is comparable with all.
fn member(values: &[&Value<'_>]) -> Split {
    if values.is_empty() {
        // An empty list contains nothing, so the result is false for every value.
        return Split {
            yes: Bits::NONE,
            no: Bits::ABSENT.not(),
            ..Split::is(Domain::bits(Bits::NONE))
        };
    }
    let all = |is: fn(&Value<'_>) -> bool| values.iter().all(|value| is(value));
    let rest = |all| if all { Truths::FALSE } else { Truths::UNKNOWN };
    let has = |constraint: Value<'_>| values.iter().any(|value| **value == constraint);
    let mut split = Split::unknown();
    if has(Value::Null) {
        split.yes = split.yes.or(Bits::NULL);
    }
    for (truth, bit) in [(true, Bits::TRUE), (false, Bits::FALSE)] {
        if has(Value::Bool(truth)) {
            split.yes = split.yes.or(bit);
        } else if all(|value| matches!(value, Value::Bool(_))) {
            split.no = split.no.or(bit);
        }
    }
    let numbers = |number: fn(&Value<'_>) -> Option<Number>| {
        let holds = values.iter().filter_map(|value| number(value)).map(NumberSet::only);
        let is_all = values.iter().all(|value| number(value).is_some());
        (holds.fold(NumberSet::NONE, |all, one| all.or(&one)), rest(is_all))
    };
    split.numbers = numbers(|value| match value {
        Value::Number(number) => Some(*number),
        _ => None,
    });
    split.durations = numbers(|value| match value {
        Value::Duration(duration) => Some(nanoseconds(*duration)),
        _ => None,
    });
    split.times = numbers(|value| match value {
        Value::Time(time) => Some(instant(*time)),
        _ => None,
    });
    let texts = values.iter().filter_map(|value| match value {
        Value::String(text) => Some(Arc::from(text.as_ref())),
        _ => None,
    });
    let texts: Vec<Arc<str>> = texts.collect();
    let all_text = all(|value| matches!(value, Value::String(_)));
    split.texts = (TextSet::only(texts.clone()), TextSet::but(texts), rest(all_text));
    if values.iter().any(|value| matches!(value, Value::Version(_))) {
        split.either = Bits::VERSION;
    }
    split
}

fn is(test: IsTest) -> Split {
    let bits = |bits| Split::is(Domain::bits(bits));
    let numbers =
        |numbers, unrepresentable| Split::is(Domain { numbers, ..Domain::bits(unrepresentable) });
    match test {
        IsTest::Missing => bits(Bits::ABSENT),
        IsTest::Present => Split::is(Domain::without(Bits::ABSENT)),
        IsTest::Null => bits(Bits::NULL),
        IsTest::Bool => bits(Bits::TRUE.or(Bits::FALSE)),
        IsTest::List => bits(Bits::LIST),
        IsTest::Map => bits(Bits::MAP),
        IsTest::String => {
            Split::is(Domain { texts: TextSet::all(), ..Domain::bits(Bits::SURROGATE) })
        }
        IsTest::Int => numbers(NumberSet::WHOLE, Bits::HUGE),
        IsTest::Float => numbers(NumberSet::ALL, Bits::HUGE.or(Bits::FINE)),
    }
}

/// The number, for an expression that is one.
pub(super) fn number(expr: &Expr) -> Option<Number> {
    match &expr.kind {
        ExprKind::Const(Value::Number(number)) => Some(*number),
        _ => None,
    }
}
