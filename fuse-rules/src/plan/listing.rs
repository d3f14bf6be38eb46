//! Plans and expressions as text.

use std::fmt::{self, Display, Write as _};

use super::{Compiled, Condition, EachPlan, FrameSpec};
use crate::check::typed::{Expr, ExprKind, IsTest, Mapped, MappedValue, Reference, TextOp};
use crate::value::Value;

/// An expression as text, with parentheses around every operation, so that different expressions
/// have different texts.
pub(crate) struct Shown<'a, P: Reference>(pub(crate) &'a Expr<P>);

struct Many<'a, P: Reference>(&'a [Expr<P>], &'static str);

impl<P: Reference> Display for Many<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, expr) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(self.1)?;
            }
            Shown(expr).fmt(f)?;
        }
        Ok(())
    }
}

impl<P: Reference> Display for Shown<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.kind {
            ExprKind::Const(value) => constant(value, f),
            ExprKind::Path(path) => f.write_str(path.text()),
            ExprKind::Access { base, segments } => {
                write!(f, "{}{}", Shown(base), crate::check::path_text("", segments))
            }
            ExprKind::Concat(parts) => write!(f, "concat({})", Many(parts, ", ")),
            ExprKind::List(items) => write!(f, "[{}]", Many(items, ", ")),
            ExprKind::Record(fields) => {
                f.write_str("{ ")?;
                for field in fields {
                    let mark = if field.optional { "?" } else { "" };
                    write!(f, "{:?}{mark} = {}, ", field.key, Shown(&field.value))?;
                }
                f.write_str("}")
            }
            ExprKind::Call { function, arguments } => {
                write!(f, "{}({})", function.name, Many(arguments, ", "))
            }
            ExprKind::Neg(inner) => write!(f, "-({})", Shown(inner)),
            ExprKind::Arith { op, left, right } => {
                write!(f, "({} {} {})", Shown(left), op.as_str(), Shown(right))
            }
            ExprKind::Coalesce { left, right } => {
                write!(f, "({} ?? {})", Shown(left), Shown(right))
            }
            ExprKind::Not(inner) => write!(f, "not ({})", Shown(inner)),
            ExprKind::And(parts) => write!(f, "({})", Many(parts, " and ")),
            ExprKind::Or(parts) => write!(f, "({})", Many(parts, " or ")),
            ExprKind::Compare { op, left, right } => {
                write!(f, "{} {} {}", Shown(left), op.as_str(), Shown(right))
            }
            ExprKind::In { item, list } => write!(f, "{} in {}", Shown(item), Shown(list)),
            ExprKind::TextTest { op, left, right } => {
                write!(f, "{} {} {}", Shown(left), op.as_str(), Shown(right))
            }
            ExprKind::Pattern { value, pattern } => {
                let raw = if pattern.op == TextOp::Matches { "r" } else { "" };
                write!(f, "{} {} {raw}{:?}", Shown(value), pattern.op.as_str(), pattern.source)
            }
            ExprKind::Is { value, negated, test } => {
                let not = if *negated { "not " } else { "" };
                write!(f, "{} is {not}{}", Shown(value), test.as_str())
            }
            ExprKind::Quantifier { kind, name, list, body, .. } => {
                write!(f, "{}({name} in {}: {})", kind.as_str(), Shown(list), Shown(body))
            }
        }
    }
}

fn constant(value: &Value<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match value {
        // Unlike strings of the same text.
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
        other => f.write_str(&other.to_json_text().unwrap_or_default()),
    }
}

impl IsTest {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Present => "present",
            Self::Null => "null",
            Self::String => "string",
            Self::Int => "int",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::List => "list",
            Self::Map => "map",
        }
    }
}

/// The whole plan.
pub(super) fn listing(plan: &Compiled) -> String {
    let mut events: Vec<_> = plan.events.iter().collect();
    events.sort_by_key(|(key, _)| *key);
    let mut out = String::new();
    // Writing to a string cannot fail.
    for ((source, name), event) in events {
        let _ok = writeln!(out, "event {source}.{name}");
        for (field, expr) in &event.expressions {
            let _ok = writeln!(out, "  {field} = {}", Shown(expr));
        }
        frame(&mut out, "  ", &event.frame);
        for sensor in &event.sensors {
            let _ok = writeln!(out, "  sensor {}", sensor.name);
            each(&mut out, "    ", sensor.each.as_ref());
            let _ok = writeln!(out, "    when {}", program(&sensor.condition));
            for rule in &sensor.rules {
                let _ok = writeln!(out, "    rule {}", rule.name);
                let fuses = rule.requires.iter().filter_map(|index| plan.fuses.get(*index));
                for fuse in fuses {
                    let _ok = writeln!(out, "      requires {}", fuse.name);
                }
                each(&mut out, "      ", rule.each.as_ref());
                let _ok = writeln!(out, "      when {}", program(&rule.condition));
                if let Some(once) = &rule.once {
                    let within = Value::Duration(once.within);
                    let within = within.canonical().unwrap_or_default();
                    let _ok =
                        writeln!(out, "      once per {} within {within}", Many(&once.keys, ", "));
                }
                for trigger in &rule.triggers {
                    let _ok = writeln!(out, "      trigger {}", trigger.kind);
                    fields(&mut out, &trigger.fields);
                }
            }
        }
    }
    out
}

fn frame(out: &mut String, indent: &str, frame: &FrameSpec) {
    for (i, slot) in frame.slots.iter().enumerate() {
        let _ok = writeln!(out, "{indent}slot {i}: {}", slot.text);
    }
    for (i, atom) in frame.atoms.iter().enumerate() {
        let _ok = writeln!(out, "{indent}atom {i}: {}", Shown(atom));
    }
}

fn each(out: &mut String, indent: &str, each: Option<&EachPlan>) {
    if let Some(each) = each {
        let _ok =
            writeln!(out, "{indent}each {} in {} max {}", each.name, Shown(&each.list), each.max);
        frame(out, &format!("{indent}  "), &each.frame);
    }
}

fn fields<P: Reference>(out: &mut String, fields_of: &[Mapped<P>]) {
    for field in fields_of {
        match &field.value {
            MappedValue::Block(inner) => fields(out, inner),
            MappedValue::Expr(expr, _) => {
                let mark = if field.optional { "?" } else { "" };
                let _ok = writeln!(out, "        {}{mark} = {}", field.name, Shown(expr));
            }
        }
    }
}

/// `all(f0.a1, not f1.a0)`: the atoms by frame and number.
fn program(condition: &Condition) -> String {
    let list = |parts: &[Condition]| parts.iter().map(program).collect::<Vec<_>>().join(", ");
    match condition {
        Condition::All(parts) if parts.is_empty() => "always".into(),
        Condition::All(parts) => format!("all({})", list(parts)),
        Condition::Any(parts) => format!("any({})", list(parts)),
        Condition::Atom { frame, index, negated } => {
            format!("{}f{frame}.a{index}", if *negated { "not " } else { "" })
        }
    }
}
