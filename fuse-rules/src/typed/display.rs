//! Prints checked expressions.

use std::fmt::{self, Display, Write as _};

use super::{Expr, ExprKind, Reference, TextOp};
use crate::literals::quoted;
use crate::path::path_text;
use crate::sensitive::HIDDEN;
use crate::value::Value;

/// Prints an expression with parentheses around every operation, so that different expressions have
/// different texts.
pub(crate) struct Shown<'a, P: Reference>(pub(crate) &'a Expr<P>);

/// The same with `"[hidden]"` in place of every constant.
pub(crate) struct Concealed<'a, P: Reference>(pub(crate) &'a Expr<P>);

impl<P: Reference> Display for Shown<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Printed { expr: self.0, conceals: false }.fmt(f)
    }
}

impl<P: Reference> Display for Concealed<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Printed { expr: self.0, conceals: true }.fmt(f)
    }
}

struct Printed<'a, P: Reference> {
    expr: &'a Expr<P>,
    conceals: bool,
}

/// An operand: in parentheses if it is a comparison or similar, which has no parentheses of its
/// own.
struct Operand<'a, P: Reference>(Printed<'a, P>);

impl<P: Reference> Display for Operand<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.expr.unnamed().kind {
            ExprKind::Compare { .. }
            | ExprKind::In { .. }
            | ExprKind::TextTest { .. }
            | ExprKind::Pattern { .. }
            | ExprKind::Is { .. } => write!(f, "({})", self.0),
            _ => self.0.fmt(f),
        }
    }
}

/// Several expressions with a separator.
struct Many<'a, P: Reference> {
    all: &'a [Expr<P>],
    between: &'static str,
    conceals: bool,
}

impl<P: Reference> Display for Many<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, expr) in self.all.iter().enumerate() {
            if i > 0 {
                f.write_str(self.between)?;
            }
            Printed { expr, conceals: self.conceals }.fmt(f)?;
        }
        Ok(())
    }
}

impl<P: Reference> Display for Printed<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let conceals = self.conceals;
        let one = |expr| Printed { expr, conceals };
        let operand = |expr| Operand(one(expr));
        let many = |all, between| Many { all, between, conceals };
        match &self.expr.kind {
            ExprKind::Const(_) | ExprKind::Concat(_) | ExprKind::List(_) | ExprKind::Record(_)
                if conceals =>
            {
                write!(f, "{HIDDEN:?}")
            }
            ExprKind::Pattern { value, pattern } if conceals => {
                write!(f, "{} {} {HIDDEN:?}", operand(value), pattern.op.as_str())
            }
            ExprKind::Const(value) => constant(value, f),
            ExprKind::Path(path) => f.write_str(path.text()),
            ExprKind::Named { value, .. } => one(value).fmt(f),
            ExprKind::Access { base, segments } => {
                write!(f, "{}{}", one(base), path_text("", segments))
            }
            // The name of a constant is shorter than its value, and means it everywhere.
            ExprKind::Lookup { key, table: Some(table), .. } if !conceals => {
                write!(f, "{table}[{}]", one(key))
            }
            ExprKind::Lookup { base, key, .. } => match &base.kind {
                ExprKind::Record(_) | ExprKind::Const(Value::Map(_)) => {
                    write!(f, "({})[{}]", one(base), one(key))
                }
                _ => write!(f, "{}[{}]", one(base), one(key)),
            },
            ExprKind::Concat(parts) => {
                f.write_char('"')?;
                for part in parts {
                    match &part.kind {
                        ExprKind::Const(Value::String(text)) => {
                            f.write_str(&quoted_inside(text))?
                        }
                        _ => write!(f, "${{{}}}", one(part))?,
                    }
                }
                f.write_char('"')
            }
            ExprKind::List(items) => write!(f, "[{}]", many(items, ", ")),
            ExprKind::Record(fields) => {
                f.write_str("{ ")?;
                for field in fields {
                    let mark = if field.optional { "?" } else { "" };
                    write!(f, "{:?}{mark} = {}, ", field.key, one(&field.value))?;
                }
                f.write_str("}")
            }
            ExprKind::Call { function, arguments, .. } => {
                write!(f, "{}({})", function.name, many(arguments, ", "))
            }
            ExprKind::Neg(inner) => write!(f, "-({})", one(inner)),
            ExprKind::Arith { op, left, right } => {
                write!(f, "({} {} {})", one(left), op.as_str(), one(right))
            }
            ExprKind::Coalesce { left, right } => write!(f, "({} ?? {})", one(left), one(right)),
            ExprKind::If { condition, chosen, otherwise } => {
                let (condition, chosen) = (one(condition), one(chosen));
                write!(f, "(if {condition} then {chosen} else {})", one(otherwise))
            }
            ExprKind::Not(inner) => write!(f, "not ({})", one(inner)),
            ExprKind::And(parts) => write!(f, "({})", many(parts, " and ")),
            ExprKind::Or(parts) => write!(f, "({})", many(parts, " or ")),
            ExprKind::Compare { op, left, right } => {
                write!(f, "{} {} {}", operand(left), op.as_str(), operand(right))
            }
            ExprKind::In { item, list } => write!(f, "{} in {}", operand(item), operand(list)),
            ExprKind::TextTest { op, left, right } => {
                write!(f, "{} {} {}", operand(left), op.as_str(), operand(right))
            }
            ExprKind::Pattern { value, pattern } => {
                write!(f, "{} {} ", operand(value), pattern.op.as_str())?;
                match pattern.op {
                    TextOp::Matches => raw_text(&pattern.source, f),
                    _ => write!(f, "{:?}", pattern.source),
                }
            }
            ExprKind::Is { value, negated, test } => {
                let not = if *negated { "not " } else { "" };
                write!(f, "{} is {not}{}", operand(value), test.as_str())
            }
            ExprKind::Quantifier { kind, name, list, body, .. } => {
                write!(f, "{}({name} in {}: {})", kind.as_str(), one(list), one(body))
            }
        }
    }
}

/// A pattern as a raw string on one line, if it has one.
fn raw_text(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if text.contains(['\n', '\r']) {
        return f.write_str(&quoted(text));
    }
    let hashes = match text.contains('"') {
        true => (1..).map(|count| "#".repeat(count)).find(|it| !text.contains(&format!("\"{it}"))),
        false => None,
    };
    let hashes = hashes.unwrap_or_default();
    write!(f, "r{hashes}\"{text}\"{hashes}")
}

fn constant(value: &Value<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match value {
        // This distinguishes them from strings with the same text.
        Value::Duration(_) | Value::Time(_) | Value::Version(_) => {
            f.write_str(&value.canonical().unwrap_or_default())
        }
        Value::List(items) => {
            f.write_char('[')?;
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    f.write_str(", ")?;
                }
                constant(item, f)?;
            }
            f.write_char(']')
        }
        Value::Map(map) => {
            f.write_str("{ ")?;
            for (key, value) in map {
                write!(f, "{key:?} = ")?;
                constant(value, f)?;
                f.write_str(", ")?;
            }
            f.write_char('}')
        }
        Value::String(text) => write!(f, "\"{}\"", quoted_inside(text)),
        other => f.write_str(&other.to_json_text().unwrap_or_default()),
    }
}

/// A text as between the quotes of a literal, where `${` would start an interpolation.
fn quoted_inside(text: &str) -> String {
    let json = Value::text(text).to_json_text().unwrap_or_default();
    let inside = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inside.unwrap_or_default().replace("${", "\\${")
}
