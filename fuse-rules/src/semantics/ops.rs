//! The semantics of operators on values: the only definition, shared by the plan's evaluators and
//! the reference. The tables in `tests` are its specification.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::functions::{CallContext, Function, NoResult, SearchPattern};
use crate::number::Number;
use crate::path::Segment;
use crate::typed::Shown;
use crate::typed::{ArithOp, CompareOp, Expr, ExprKind, IsTest, Pattern, Reference, TextOp};
use crate::value::{Kinds, Unrepresentable, Value};

/// Why an expression has no value, or why a condition is unknown.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault {
    /// There is no value: this path is absent.
    Absent(Arc<str>),
    /// There is no value: this is null where text is needed.
    Null(Arc<str>),
    /// A condition that is used as a value is unknown, because this path is absent. A default does
    /// not apply, because otherwise a negation could be true for an absent value.
    Unknown(Arc<str>),
    /// A value is of a kind that is not accepted here. The text is a sentence.
    Mismatch(String),
    /// Any other fault. The text is a sentence.
    Error(String),
}

/// A value, or why there is none.
pub(crate) type Valued<'v, 'e> = Result<Cow<'v, Value<'e>>, Fault>;
/// True, false, or why it is unknown.
pub(crate) type Truth = Result<bool, Fault>;

impl Fault {
    /// The fault of a condition that is used as a value.
    pub(crate) fn of_condition(self) -> Self {
        match self {
            Self::Absent(path) | Self::Null(path) => Self::Unknown(path),
            other => other,
        }
    }

    /// The fault as a sentence.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Absent(path) | Self::Unknown(path) => format!("`{path}` is missing"),
            Self::Null(path) => format!("`{path}` is null"),
            Self::Mismatch(why) | Self::Error(why) => why.clone(),
        }
    }

    /// Whether a default applies.
    pub(crate) fn is_absence(&self) -> bool {
        matches!(self, Self::Absent(_) | Self::Null(_))
    }
}

/// The fault as the object of a sentence: `x`, which is missing.
impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Absent(path) => write!(f, "`{path}`, which is missing"),
            Self::Null(path) => write!(f, "`{path}`, which is null"),
            Self::Unknown(path) => write!(f, "`{path}` is missing, so a condition is unknown"),
            Self::Mismatch(why) | Self::Error(why) => f.write_str(why),
        }
    }
}

/// A value of a kind that is not accepted here.
pub(crate) fn mismatch<T>(text: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Mismatch(text.into()))
}

pub(crate) fn error<T>(text: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Error(text.into()))
}

/// The name of an operand in a reason.
pub(crate) fn name<P: Reference>(expr: &Expr<P>) -> String {
    match &expr.kind {
        ExprKind::Path(path) => format!("`{}`", path.text()),
        ExprKind::Const(value) => format!("`{}`", value.show()),
        ExprKind::Call { function, .. } => format!("the result of `{}`", function.name),
        ExprKind::Access { base, .. } | ExprKind::Lookup { base, .. } => {
            format!("a part of {}", name(base))
        }
        ExprKind::Named { value, .. } => name(value),
        ExprKind::Coalesce { left, .. } => name(left),
        ExprKind::Arith { op, .. } => format!("the result of `{}`", op.as_str()),
        ExprKind::Quantifier { kind, .. } => format!("the result of `{}`", kind.as_str()),
        ExprKind::If { .. } => "the result of `if`".into(),
        ExprKind::Concat(_) => "the text".into(),
        _ => "the value".into(),
    }
}

/// Kleene's `and`: false if any part is false; otherwise unknown if any part is unknown, with the
/// first such reason.
pub(crate) fn all(parts: impl Iterator<Item = Truth>) -> Truth {
    let mut unknown = None;
    for part in parts {
        match part {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(fault) => unknown = unknown.or(Some(fault)),
        }
    }
    unknown.map_or(Ok(true), Err)
}

/// Kleene's `or`: true if any part is true; otherwise unknown if any part is unknown, with the
/// first such reason.
pub(crate) fn any(parts: impl Iterator<Item = Truth>) -> Truth {
    all(parts.map(|part| part.map(|truth| !truth))).map(|truth| !truth)
}

/// The truth of a value that is used as a condition.
pub(crate) fn condition<P: Reference>(expr: &Expr<P>, value: &Value<'_>) -> Truth {
    match value {
        Value::Bool(truth) => Ok(*truth),
        other => mismatch(format!("{} is {}, not true or false", name(expr), other.kind())),
    }
}

/// An operand, and a function that returns its name.
pub(crate) type Operand<'v, 'e> = (&'v Value<'e>, &'v dyn Fn() -> String);

pub(crate) fn compare(op: CompareOp, left: Operand<'_, '_>, right: Operand<'_, '_>) -> Truth {
    for (value, name) in [left, right] {
        if let Value::Unrepresentable(unrepresentable) = value {
            return error(format!("{} is {unrepresentable}", name()));
        }
    }
    let ordering = match left.0.order(right.0) {
        Some(ordering) => ordering,
        None if equal(op, left, right)? => Ordering::Equal,
        None => Ordering::Less,
    };
    Ok(op.holds(ordering))
}

/// Whether two values without an order are equal, if they are comparable.
fn equal(op: CompareOp, left: Operand<'_, '_>, right: Operand<'_, '_>) -> Truth {
    let equal = match (left.0, right.0) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::String(a), Value::String(b)) => a == b,
        (a, b) => {
            let (l, r, op) = (left.1(), right.1(), op.as_str());
            let (a, b) = (a.kind(), b.kind());
            return mismatch(if a == b {
                format!("`{op}` cannot compare {a} as a whole ({l} and {r})")
            } else {
                format!("`{op}` cannot compare {l}, {a}, with {r}, {b}")
            });
        }
    };
    if op.is_order() {
        let what = left.0.kind();
        return mismatch(format!("`{}` is not defined for {what} ({})", op.as_str(), left.1()));
    }
    Ok(equal)
}

/// `item in list`: the `or` of equalities.
pub(crate) fn member(item: Operand<'_, '_>, list: Operand<'_, '_>) -> Truth {
    let Value::List(values) = list.0 else {
        return mismatch(format!("`in` needs a list, but {} is {}", list.1(), list.0.kind()));
    };
    let element = || format!("an element of {}", list.1());
    any(values.iter().map(|value| compare(CompareOp::Eq, item, (value, &element))))
}

pub(crate) fn text_test(op: TextOp, left: Operand<'_, '_>, right: Operand<'_, '_>) -> Truth {
    let text = text_of(op, left)?;
    let other = text_of(op, right)?;
    Ok(match op {
        TextOp::StartsWith => text.starts_with(other),
        TextOp::EndsWith => text.ends_with(other),
        _ => text.contains(other),
    })
}

pub(crate) fn pattern(pattern: &Pattern, value: Operand<'_, '_>) -> Truth {
    Ok(pattern.regex.is_match(text_of(pattern.op, value)?))
}

fn text_of<'v>(op: TextOp, operand: Operand<'v, '_>) -> Result<&'v str, Fault> {
    match operand.0 {
        Value::String(text) => Ok(text),
        Value::Unrepresentable(unrepresentable) => {
            error(format!("{} is {unrepresentable}", operand.1()))
        }
        other => mismatch(format!(
            "`{}` takes text, but {} is {}",
            op.as_str(),
            operand.1(),
            other.kind()
        )),
    }
}

/// `is …`: not unknown for an absent value, but unknown if the value could not be computed.
pub(crate) fn is(test: IsTest, value: &Valued<'_, '_>) -> Truth {
    let value = match value {
        Ok(value) => value.as_ref(),
        Err(fault) if fault.is_absence() => return Ok(test == IsTest::Missing),
        Err(fault) => return Err(fault.clone()),
    };
    Ok(match test {
        IsTest::Missing => false,
        IsTest::Present => true,
        IsTest::Null => matches!(value, Value::Null),
        IsTest::String => value.kind() == Kinds::STRING,
        IsTest::Float => value.kind() == Kinds::NUMBER,
        IsTest::Int => match value {
            Value::Number(number) => number.is_integral(),
            Value::Unrepresentable(Unrepresentable::Number { integral }) => *integral,
            _ => false,
        },
        IsTest::Bool => value.kind() == Kinds::BOOL,
        IsTest::List => value.kind() == Kinds::LIST,
        IsTest::Map => value.kind() == Kinds::MAP,
    })
}

/// The text of a part of an interpolation. Null makes the whole text absent, like an absent part.
pub(crate) fn part<P: Reference>(expr: &Expr<P>, value: &Value<'_>) -> Result<String, Fault> {
    match value {
        Value::Null => {
            let path = Shown(expr).to_string().into();
            Err(Fault::Null(path))
        }
        Value::Unrepresentable(unrepresentable) => {
            error(format!("{} is {unrepresentable}", name(expr)))
        }
        value => match value.canonical() {
            Some(text) => Ok(text.into_owned()),
            None => mismatch(format!("{} is {}, which has no text", name(expr), value.kind())),
        },
    }
}

/// The step of a path to which a computed key leads. Without a key, there is no value.
pub(crate) fn segment<P: Reference>(key: &Expr<P>, value: &Value<'_>) -> Result<Segment, Fault> {
    match value {
        Value::String(text) => Ok(Segment::Key(text.clone().into_owned())),
        Value::Number(number) if number.is_integral() => {
            // No list is that long.
            let index = number.truncated().and_then(|index| i64::try_from(index).ok());
            Ok(Segment::Index(index.unwrap_or(i64::MAX)))
        }
        Value::Null => Err(Fault::Null(Shown(key).to_string().into())),
        Value::Unrepresentable(unrepresentable) => {
            error(format!("{} is {unrepresentable}", name(key)))
        }
        // Its kind is right.
        Value::Number(_) => error(format!(
            "a key in brackets is a string or a whole number, but {} is {}",
            name(key),
            value.show()
        )),
        other => mismatch(format!(
            "a key in brackets is a string or a whole number, but {} is {}",
            name(key),
            other.kind()
        )),
    }
}

/// Calls a function with arguments that are all present.
pub(crate) fn call<P: Reference>(
    function: &Function,
    exprs: &[Expr<P>],
    pattern: Option<&SearchPattern>,
    arguments: &[Value<'_>],
    context: &CallContext,
) -> Result<Value<'static>, Fault> {
    for ((value, expr), (_, wanted)) in arguments.iter().zip(exprs).zip(function.params) {
        if let Value::Unrepresentable(unrepresentable) = value {
            return error(format!("{} is {unrepresentable}", name(expr)));
        }
        if !value.kind().meets(*wanted) {
            return mismatch(format!(
                "`{}` takes {wanted}, but {} is {}",
                function.name,
                name(expr),
                value.kind()
            ));
        }
    }
    function.call(arguments, pattern, context).map_err(|why| match why {
        NoResult::Absent => Fault::Absent(call_text(function, exprs).into()),
        NoResult::Fault(why) => Fault::Error(no_result(function, exprs, &why)),
    })
}

/// Why a call has no result, as a sentence.
pub(crate) fn no_result<P: Reference>(function: &Function, exprs: &[Expr<P>], why: &str) -> String {
    format!("`{}` has no result: {why}", call_text(function, exprs))
}

/// A call as an author would write it.
pub(crate) fn call_text<P: Reference>(function: &Function, exprs: &[Expr<P>]) -> String {
    let shown: Vec<_> = exprs.iter().map(|expr| Shown(expr).to_string()).collect();
    format!("{}({})", function.name, shown.join(", "))
}

pub(crate) fn negate<P: Reference>(
    expr: &Expr<P>,
    value: &Value<'_>,
) -> Result<Value<'static>, Fault> {
    match value {
        Value::Number(number) => Ok(Value::Number(number.neg())),
        Value::Duration(duration) => match duration.checked_neg() {
            Some(negated) => Ok(Value::Duration(negated)),
            None => error("the duration is too long"),
        },
        other => mismatch(format!(
            "`-` takes a number or a duration, but {} is {}",
            name(expr),
            other.kind()
        )),
    }
}

pub(crate) fn arith(
    op: ArithOp,
    left: Operand<'_, '_>,
    right: Operand<'_, '_>,
) -> Result<Value<'static>, Fault> {
    use ArithOp::{Add, Div, Mul, Rem, Sub};
    for (value, name) in [left, right] {
        if let Value::Unrepresentable(unrepresentable) = value {
            return error(format!("{} is {unrepresentable}", name()));
        }
    }
    let by_zero = matches!(op, Div | Rem)
        && match right.0 {
            Value::Number(number) => *number == Number::ZERO,
            Value::Duration(duration) => duration.is_zero(),
            _ => false,
        };
    if by_zero {
        return error(format!("{} is 0, and division by 0 is not possible", right.1()));
    }
    let result = match (op, left.0, right.0) {
        (Add, Value::Number(a), Value::Number(b)) => a.add(*b).map(Value::Number),
        (Sub, Value::Number(a), Value::Number(b)) => a.sub(*b).map(Value::Number),
        (Mul, Value::Number(a), Value::Number(b)) => a.mul(*b).map(Value::Number),
        (Div, Value::Number(a), Value::Number(b)) => a.div(*b).map(Value::Number),
        (Rem, Value::Number(a), Value::Number(b)) => a.rem(*b).map(Value::Number),
        (Add, Value::Duration(a), Value::Duration(b)) => a.checked_add(*b).map(Value::Duration),
        (Sub, Value::Duration(a), Value::Duration(b)) => a.checked_sub(*b).map(Value::Duration),
        (Add, Value::Time(t), Value::Duration(d)) | (Add, Value::Duration(d), Value::Time(t)) => {
            t.checked_add(*d).ok().map(Value::Time)
        }
        (Sub, Value::Time(t), Value::Duration(d)) => t.checked_sub(*d).ok().map(Value::Time),
        (Sub, Value::Time(a), Value::Time(b)) => {
            Some(Value::Duration(Timestamp::duration_since(*a, *b)))
        }
        (Mul, Value::Duration(d), Value::Number(n))
        | (Mul, Value::Number(n), Value::Duration(d)) => nanoseconds(*d).mul(*n).and_then(duration),
        (Div, Value::Duration(d), Value::Number(n)) => nanoseconds(*d).div(*n).and_then(duration),
        (Div, Value::Duration(a), Value::Duration(b)) => {
            nanoseconds(*a).div(nanoseconds(*b)).map(Value::Number)
        }
        (op, a, b) => {
            return mismatch(format!(
                "`{}` does not take {}, {}, and {}, {}",
                op.as_str(),
                left.1(),
                a.kind(),
                right.1(),
                b.kind()
            ));
        }
    };
    match result {
        Some(value) => Ok(value),
        None => error(format!("the result of `{}` is too large", op.as_str())),
    }
}

/// The length of a duration.
pub(crate) fn nanoseconds(duration: SignedDuration) -> Number {
    // At most 63 bits of seconds: 28 digits of nanoseconds, which fit.
    Number::parse(&duration.as_nanos().to_string()).unwrap_or(Number::ZERO)
}

fn duration(nanoseconds: Number) -> Option<Value<'static>> {
    let whole = nanoseconds.truncated()?;
    let seconds = i64::try_from(whole / 1_000_000_000).ok()?;
    let rest = i32::try_from(whole % 1_000_000_000).ok()?;
    Some(Value::Duration(SignedDuration::new(seconds, rest)))
}
