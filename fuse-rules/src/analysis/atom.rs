//! Atoms: conditions on one value and constants, as the values for which they are true, false or unknown.
//! They say again, as sets, what `eval/ops.rs` says value by value.

use std::sync::Arc;

use super::domain::{Bits, Domain, Numbers, Test, Texts};
use super::truths::Truths;
use crate::number::Number;
use crate::typed::{CompareOp, Expr, ExprKind, IsTest, Path, TextOp};
use crate::value::Value;

/// What an expression is, looked at alone.
pub(super) enum Atom<'r> {
    /// It has this truth whatever the event.
    Constant(Truths),
    /// It asks one value.
    Test(&'r Path, Box<Split>),
}

/// The truth of an atom by the value that it asks.
#[derive(Clone, Debug)]
pub(super) struct Split {
    yes: Bits,
    no: Bits,
    /// For these it is not said.
    either: Bits,
    /// Those for which it is true, and its truth for the others.
    numbers: (Numbers, Truths),
    /// Those for which it is true, the others, and its truth for these.
    texts: (Texts, Texts, Truths),
}

impl Split {
    /// Unknown for every value.
    fn unknown() -> Self {
        Self {
            yes: Bits::NONE,
            no: Bits::NONE,
            either: Bits::NONE,
            numbers: (Numbers::NONE, Truths::UNKNOWN),
            texts: (Texts::none(), Texts::all(), Truths::UNKNOWN),
        }
    }

    fn numbers(holds: Numbers) -> Self {
        Self { numbers: (holds, Truths::FALSE), ..Self::unknown() }
    }

    fn texts(holds: Texts, fails: Texts) -> Self {
        Self { texts: (holds, fails, Truths::FALSE), ..Self::unknown() }
    }

    fn test(test: Test) -> Self {
        Self::texts(Texts::all().tested(test.clone(), true), Texts::all().tested(test, false))
    }

    /// True for these values, false for all others and for none.
    fn is(yes: Domain) -> Self {
        let strings = !yes.texts.is_none();
        let (holds, fails) =
            if strings { (Texts::all(), Texts::none()) } else { (Texts::none(), Texts::all()) };
        Self {
            yes: yes.bits,
            no: yes.bits.not(),
            either: Bits::NONE,
            numbers: (yes.numbers, Truths::FALSE),
            texts: (holds, fails, Truths::FALSE),
        }
    }

    fn negated(self) -> Self {
        let Self { yes, no, either, numbers: (numbers, other), texts: (holds, fails, rest) } = self;
        let texts = match rest {
            Truths::FALSE => (fails, holds, rest),
            _ => (holds, fails, rest),
        };
        let numbers = match other {
            Truths::FALSE => (numbers.not(), other),
            _ => (numbers, other),
        };
        Self { yes: no, no: yes, either, numbers, texts }
    }

    /// The values for which it has one of these truths.
    pub(super) fn domain(&self, want: Truths) -> Domain {
        let unknown = self.yes.or(self.no).not();
        let parts =
            [(Truths::TRUE, self.yes), (Truths::FALSE, self.no), (Truths::UNKNOWN, unknown)];
        let bits = parts.into_iter().filter(|(truth, _)| want.has(*truth));
        let (holds, rest) = &self.numbers;
        let numbers = match (want.has(Truths::TRUE), want.has(*rest)) {
            (true, true) => Numbers::ALL,
            (true, false) => holds.clone(),
            (false, true) => holds.not(),
            (false, false) => Numbers::NONE,
        };
        let (holds, fails, rest) = &self.texts;
        let texts = match (want.has(Truths::TRUE), want.has(*rest)) {
            (true, true) => Texts::all(),
            (true, false) => holds.clone(),
            (false, true) => fails.clone(),
            (false, false) => Texts::none(),
        };
        Domain { bits: bits.fold(self.either, |all, (_, bits)| all.or(bits)), numbers, texts }
    }
}

/// `None` for what is neither.
pub(super) fn of(expr: &Expr) -> Option<Atom<'_>> {
    match &expr.kind {
        ExprKind::Const(Value::Bool(truth)) => Some(Atom::Constant(Truths::only(*truth))),
        ExprKind::Const(_) => Some(Atom::Constant(Truths::UNKNOWN)),
        ExprKind::Path(path) => {
            let split = Split { yes: Bits::TRUE, no: Bits::FALSE, ..Split::unknown() };
            Some(Atom::Test(path, Box::new(split)))
        }
        _ => match split(expr)? {
            (Expr { kind: ExprKind::Path(path), .. }, split) => {
                Some(Atom::Test(path, Box::new(split)))
            }
            _ => None,
        },
    }
}

/// What a test with constants tests, and its truths.
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
                TextOp::StartsWith => Test::Start(text),
                TextOp::EndsWith => Test::End(text),
                _ => Test::Inside(text),
            };
            (left, Split::test(test))
        }
        ExprKind::Pattern { value, pattern } => {
            (value, Split::test(Test::Pattern(pattern.clone())))
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
    if let Value::Number(number) = value {
        return Split::numbers(match op {
            CompareOp::Eq => Numbers::only(*number),
            CompareOp::Ne => Numbers::only(*number).not(),
            CompareOp::Lt => Numbers::below(*number),
            CompareOp::Le => Numbers::above(*number).not(),
            CompareOp::Gt => Numbers::above(*number),
            CompareOp::Ge => Numbers::below(*number).not(),
        });
    }
    let equal = match value {
        Value::Duration(_) | Value::Time(_) | Value::Version(_) => {
            return Split { either: Bits::COMPUTED, ..Split::unknown() };
        }
        _ if op.is_order() => return Split::unknown(),
        Value::Null => Split { yes: Bits::NULL, ..Split::unknown() },
        Value::Bool(truth) => {
            let (yes, no) =
                if *truth { (Bits::TRUE, Bits::FALSE) } else { (Bits::FALSE, Bits::TRUE) };
            Split { yes, no, ..Split::unknown() }
        }
        Value::String(text) => {
            let text: Arc<str> = text.as_ref().into();
            Split::texts(Texts::only([text.clone()]), Texts::but([text]))
        }
        // Lists and maps are not compared, and what cannot be held neither.
        _ => return Split::unknown(),
    };
    if op == CompareOp::Ne { equal.negated() } else { equal }
}

/// True for what equals one; false only for what can be compared with all.
fn member(values: &[&Value<'_>]) -> Split {
    if values.is_empty() {
        // False for whatever there is.
        return Split {
            yes: Bits::NONE,
            no: Bits::ABSENT.not(),
            ..Split::is(Domain::bits(Bits::NONE))
        };
    }
    let all = |is: fn(&Value<'_>) -> bool| values.iter().all(|value| is(value));
    let rest = |all| if all { Truths::FALSE } else { Truths::UNKNOWN };
    let has = |wanted: Value<'_>| values.iter().any(|value| **value == wanted);
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
    let numbers = values.iter().filter_map(|value| match value {
        Value::Number(number) => Some(Numbers::only(*number)),
        _ => None,
    });
    let holds = numbers.fold(Numbers::NONE, |all, one| all.or(&one));
    split.numbers = (holds, rest(all(|value| matches!(value, Value::Number(_)))));
    let texts = values.iter().filter_map(|value| match value {
        Value::String(text) => Some(Arc::from(text.as_ref())),
        _ => None,
    });
    let texts: Vec<Arc<str>> = texts.collect();
    let all_text = all(|value| matches!(value, Value::String(_)));
    split.texts = (Texts::only(texts.clone()), Texts::but(texts), rest(all_text));
    if values.iter().any(|v| matches!(v, Value::Duration(_) | Value::Time(_) | Value::Version(_))) {
        split.either = Bits::COMPUTED;
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
            Split::is(Domain { texts: Texts::all(), ..Domain::bits(Bits::SURROGATE) })
        }
        IsTest::Int => numbers(Numbers::WHOLE, Bits::HUGE),
        IsTest::Float => numbers(Numbers::ALL, Bits::HUGE.or(Bits::FINE)),
    }
}

/// The number that an expression is.
pub(super) fn number(expr: &Expr) -> Option<Number> {
    match &expr.kind {
        ExprKind::Const(Value::Number(number)) => Some(*number),
        _ => None,
    }
}
