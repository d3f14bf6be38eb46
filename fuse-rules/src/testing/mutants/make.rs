//! The faults that are planted: operators turned, constants changed, clauses and fields left out.

use rustc_hash::FxHashMap;

use crate::check::typed::{
    ArithOp, CompareOp, Expr, ExprKind, Mapped, MappedValue, QuantifierKind, Rule, Sensor, TextOp,
};
use crate::number::Number;
use crate::ruleset::Ruleset;
use crate::span::Span;
use crate::value::Value;

/// A fault in a sensor. Of its rules only those are kept that have it.
pub(super) struct Fault {
    pub(super) span: Span,
    pub(super) what: String,
    pub(super) sensor: Sensor,
    /// Whether it is one of conditions: else the rule matches as before.
    pub(super) of_condition: bool,
}

/// Every fault that is planted into a rule set, in the order of its rules.
pub(super) fn faults(ruleset: &Ruleset) -> Vec<Fault> {
    let mut maker = Maker { ruleset, blocks: blocks(ruleset), faults: Vec::new() };
    for sensor in &ruleset.typed().sensors {
        maker.sensor(sensor);
    }
    maker.faults
}

/// Where the block of each trigger stands, by where its kind does.
fn blocks(ruleset: &Ruleset) -> FxHashMap<Span, Span> {
    let sensors = ruleset.trees().iter().flat_map(|file| &file.tree.sensors);
    let triggers = sensors.flat_map(|s| &s.rules).flat_map(|rule| &rule.triggers);
    triggers.map(|trigger| (trigger.kind.span, trigger.block.span)).collect()
}

struct Maker<'r> {
    ruleset: &'r Ruleset,
    blocks: FxHashMap<Span, Span>,
    faults: Vec<Fault>,
}

impl Maker<'_> {
    fn sensor(&mut self, sensor: &Sensor) {
        for (clauses, what, span) in self.clauses(&sensor.when) {
            self.plant(Sensor { when: clauses, ..sensor.clone() }, what, span, true);
        }
        for rule in &sensor.rules {
            self.rule(sensor, rule);
        }
    }

    fn rule(&mut self, sensor: &Sensor, rule: &Rule) {
        let mut faulty = Vec::new();
        for (when, what, span) in self.clauses(&rule.when) {
            faulty.push((Rule { when, ..rule.clone() }, what, span));
        }
        let of_condition = faulty.len();
        for (i, fuse) in rule.requires.iter().enumerate() {
            let mut requires = rule.requires.clone();
            requires.remove(i);
            let name = self.ruleset.typed().fuses.get(*fuse).map_or("", |fuse| &fuse.name);
            let what = format!("`requires {name}` is left out");
            faulty.push((Rule { requires, ..rule.clone() }, what, rule.span));
        }
        if let Some(once) = &rule.once {
            let span = once.keys.first().map_or(rule.span, |key| key.span);
            let none = Rule { once: None, ..rule.clone() };
            faulty.push((none, "`once` is left out".into(), span));
            for (i, key) in once.keys.iter().enumerate().filter(|_| once.keys.len() > 1) {
                let mut once = once.clone();
                once.keys.remove(i);
                let what = format!("the key `{}` is left out", self.text(key.span));
                faulty.push((Rule { once: Some(once), ..rule.clone() }, what, key.span));
            }
        }
        for (i, trigger) in rule.triggers.iter().enumerate() {
            let Some(block) = self.blocks.get(&trigger.span).copied() else { continue };
            for (fields, what, span) in self.fields(&trigger.fields, block) {
                let mut faulty_rule = rule.clone();
                if let Some(trigger) = faulty_rule.triggers.get_mut(i) {
                    trigger.fields = fields;
                }
                faulty.push((faulty_rule, what, span));
            }
        }
        for (i, (rule, what, span)) in faulty.into_iter().enumerate() {
            let sensor = Sensor { rules: vec![rule], ..alone(sensor) };
            self.plant(sensor, what, span, i < of_condition);
        }
    }

    fn plant(&mut self, sensor: Sensor, what: String, span: Span, of_condition: bool) {
        self.faults.push(Fault { span, what, sensor, of_condition });
    }

    fn text(&self, span: Span) -> String {
        let words: Vec<_> = self.ruleset.files().text(span).split_whitespace().collect();
        words.join(" ")
    }

    /// Clauses with one fault, for each that there is.
    fn clauses(&self, clauses: &[Expr]) -> Vec<(Vec<Expr>, String, Span)> {
        let mut out = Vec::new();
        for (i, clause) in clauses.iter().enumerate() {
            let mut without = clauses.to_vec();
            without.remove(i);
            out.push((without, "this `when` is left out".into(), clause.span));
            for (faulty, what, span) in self.condition(clause) {
                let mut with = clauses.to_vec();
                if let Some(place) = with.get_mut(i) {
                    *place = faulty;
                }
                out.push((with, what, span));
            }
        }
        out
    }

    /// The fields of a block with one left out. Those of `defaults` and of the schema are not this
    /// rule's.
    fn fields(&self, fields: &[Mapped], block: Span) -> Vec<(Vec<Mapped>, String, Span)> {
        let mut out = Vec::new();
        for (i, field) in fields.iter().enumerate() {
            match &field.value {
                MappedValue::Block(inner) => {
                    for (faulty, what, span) in self.fields(inner, block) {
                        let mut with = fields.to_vec();
                        if let Some(place) = with.get_mut(i) {
                            place.value = MappedValue::Block(faulty);
                        }
                        out.push((with, what, span));
                    }
                }
                MappedValue::Expr(expr, _) if expr.span != block && block.contains(expr.span) => {
                    let mut without = fields.to_vec();
                    without.remove(i);
                    out.push((without, format!("`{}` is left out", field.name), expr.span));
                }
                MappedValue::Expr(..) => {}
            }
        }
        out
    }

    /// A condition with one fault, for each that there is.
    fn condition(&self, expr: &Expr) -> Vec<(Expr, String, Span)> {
        let mut out = Vec::new();
        for (kind, what) in self.turned(expr) {
            out.push((Expr { kind, span: expr.span }, what, expr.span));
        }
        if let ExprKind::And(parts) | ExprKind::Or(parts) = &expr.kind
            && parts.len() > 1
        {
            for (i, part) in parts.iter().enumerate() {
                let mut fewer = parts.clone();
                fewer.remove(i);
                let kind = match &expr.kind {
                    ExprKind::And(_) => ExprKind::And(fewer),
                    _ => ExprKind::Or(fewer),
                };
                let what = format!("`{}` is left out", self.text(part.span));
                out.push((Expr { kind, span: expr.span }, what, part.span));
            }
        }
        for (i, child) in expr.children().into_iter().enumerate() {
            for (faulty, what, span) in self.condition(child) {
                let mut with = expr.clone();
                if let Some(place) = with.children_mut().into_iter().nth(i) {
                    *place = faulty;
                }
                out.push((with, what, span));
            }
        }
        out
    }

    /// The expression with its own operator or constant changed, its parts left as they are.
    fn turned(&self, expr: &Expr) -> Vec<(ExprKind, String)> {
        let becomes = |from: &str, to: &str| format!("`{from}` becomes `{to}`");
        match &expr.kind {
            ExprKind::Const(value) => changed(value)
                .map(|changed| {
                    let what = becomes(&value.show(), &changed.show());
                    (ExprKind::Const(changed), what)
                })
                .into_iter()
                .collect(),
            ExprKind::And(parts) if parts.len() > 1 => {
                vec![(ExprKind::Or(parts.clone()), becomes("and", "or"))]
            }
            ExprKind::Or(parts) => vec![(ExprKind::And(parts.clone()), becomes("or", "and"))],
            ExprKind::Not(inner) => vec![(inner.kind.clone(), "`not` is left out".into())],
            ExprKind::Compare { op, left, right } => {
                let to = turned(*op);
                let what = becomes(op.as_str(), to.as_str());
                let (left, right) = (left.clone(), right.clone());
                vec![(ExprKind::Compare { op: to, left, right }, what)]
            }
            ExprKind::In { item, list } => shorter(list)
                .into_iter()
                .map(|(list, what)| {
                    (ExprKind::In { item: item.clone(), list: Box::new(list) }, what)
                })
                .collect(),
            ExprKind::TextTest { op, left, right } => {
                let to = match op {
                    TextOp::Contains => TextOp::StartsWith,
                    _ => TextOp::Contains,
                };
                let (left, right) = (left.clone(), right.clone());
                let what = becomes(op.as_str(), to.as_str());
                vec![(ExprKind::TextTest { op: to, left, right }, what)]
            }
            ExprKind::Pattern { .. } => {
                let negated = ExprKind::Not(Box::new(expr.clone()));
                vec![(negated, format!("`{}` is negated", self.text(expr.span)))]
            }
            ExprKind::Is { value, negated, test } => {
                let what = if *negated { becomes("is not", "is") } else { becomes("is", "is not") };
                let value = value.clone();
                vec![(ExprKind::Is { value, negated: !negated, test: *test }, what)]
            }
            ExprKind::Quantifier { kind, name, list, body, frame } => {
                let to = match kind {
                    QuantifierKind::Any => QuantifierKind::All,
                    QuantifierKind::All | QuantifierKind::None => QuantifierKind::Any,
                    _ => return Vec::new(),
                };
                let what = becomes(kind.as_str(), to.as_str());
                let (name, list, body) = (name.clone(), list.clone(), body.clone());
                vec![(ExprKind::Quantifier { kind: to, name, list, body, frame: *frame }, what)]
            }
            ExprKind::Coalesce { left, .. } => {
                vec![(left.kind.clone(), "what stands behind `??` is left out".into())]
            }
            ExprKind::Arith { op, left, right } => {
                let to = match op {
                    ArithOp::Add => ArithOp::Sub,
                    ArithOp::Sub => ArithOp::Add,
                    ArithOp::Mul => ArithOp::Div,
                    _ => ArithOp::Mul,
                };
                let (left, right) = (left.clone(), right.clone());
                let what = becomes(op.as_str(), to.as_str());
                vec![(ExprKind::Arith { op: to, left, right }, what)]
            }
            _ => Vec::new(),
        }
    }
}

/// A sensor without its rules.
fn alone(sensor: &Sensor) -> Sensor {
    Sensor {
        name: sensor.name.clone(),
        span: sensor.span,
        doc: None,
        source: sensor.source.clone(),
        event: sensor.event.clone(),
        each: sensor.each.clone(),
        when: sensor.when.clone(),
        rules: Vec::new(),
    }
}

fn turned(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Eq => CompareOp::Ne,
        CompareOp::Ne => CompareOp::Eq,
        CompareOp::Lt => CompareOp::Le,
        CompareOp::Le => CompareOp::Lt,
        CompareOp::Gt => CompareOp::Ge,
        CompareOp::Ge => CompareOp::Gt,
    }
}

/// Another constant of the same kind.
fn changed(value: &Value<'static>) -> Option<Value<'static>> {
    Some(match value {
        Value::Bool(truth) => Value::Bool(!truth),
        Value::Number(number) => Value::Number(number.add(Number::from(1_i64))?),
        Value::String(text) if text.is_empty() => Value::String("x".into()),
        Value::String(text) => Value::String(format!("{text}-x").into()),
        _ => return None,
    })
}

/// A list without one of its elements, for each that it has.
fn shorter(list: &Expr) -> Vec<(Expr, String)> {
    let all: Vec<Expr> = match &list.kind {
        ExprKind::List(items) => items.clone(),
        ExprKind::Const(Value::List(items)) => {
            let item = |value: &Value<'static>| Expr {
                kind: ExprKind::Const(value.clone()),
                span: list.span,
            };
            items.iter().map(item).collect()
        }
        _ => return Vec::new(),
    };
    let without = |i: usize| {
        let mut fewer = all.clone();
        let item = fewer.remove(i);
        let shown = match &item.kind {
            ExprKind::Const(value) => value.show(),
            _ => "an element".into(),
        };
        (Expr { kind: ExprKind::List(fewer), span: list.span }, format!("`{shown}` is left out"))
    };
    (0..all.len()).map(without).collect()
}
