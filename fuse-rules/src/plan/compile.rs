//! Checked rules to a plan.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::{
    Compiled, Condition, EachPlan, EventPlan, FrameSpec, RulePlan, SensorPlan, Shown, Slot,
    SlotSpec, origin,
};
use crate::check::typed::{
    self, Each, Expr, ExprKind, Mapped, MappedValue, Path, RecordField, Root, Rules,
};

pub(super) fn compile(rules: &Rules) -> Compiled {
    let mut events = FxHashMap::default();
    for source in &rules.sources {
        for event in &source.events {
            let sensors = rules
                .sensors
                .iter()
                .filter(|sensor| sensor.source == source.name && sensor.event == event.name);
            events.insert((source.name.clone(), event.name.clone()), event_plan(event, sensors));
        }
    }
    let fuses = rules
        .fuses
        .iter()
        .map(|fuse| typed::Fuse {
            name: fuse.name.clone(),
            doc: fuse.doc.clone(),
            default_on: fuse.default_on,
        })
        .collect();
    Compiled { files: rules.files.clone(), fuses, events }
}

/// An expression that reads no event, with the frame around it.
pub(crate) fn alone(expr: &Expr) -> (FrameSpec, Expr<Slot>) {
    let mut compiler = Compiler::new();
    let expr = compiler.expr(expr);
    (compiler.pop(), expr)
}

fn event_plan<'r>(
    event: &typed::Event,
    sensors: impl Iterator<Item = &'r typed::Sensor>,
) -> EventPlan {
    let mut arrival = Compiler::new();
    let expressions =
        event.expressions.iter().map(|(name, expr)| (name.clone(), arrival.expr(expr))).collect();
    let mut compiler = Compiler::new();
    let sensors = sensors.map(|sensor| compiler.sensor(sensor)).collect();
    EventPlan {
        ty: event.ty.clone(),
        rejects: event.rejects(),
        frame: compiler.pop(),
        sensors,
        arrival: arrival.pop(),
        expressions,
    }
}

/// A frame that is being filled.
#[derive(Default)]
struct Frame {
    spec: FrameSpec,
    slots: FxHashMap<Path, usize>,
    /// Atoms by how many frames stood around them and by their text. The number matters to the
    /// binders inside of an atom, whose frames are counted from the outermost.
    atoms: FxHashMap<(usize, String), usize>,
}

/// Compiles what stands at one place: the frames of the binders around it, the event's first.
struct Compiler {
    frames: Vec<Frame>,
}

impl Compiler {
    fn new() -> Self {
        Self { frames: vec![Frame::default()] }
    }

    fn pop(&mut self) -> FrameSpec {
        self.frames.pop().unwrap_or_default().spec
    }

    fn sensor(&mut self, sensor: &typed::Sensor) -> SensorPlan {
        let open = self.open(sensor.each.as_ref());
        let condition = self.conditions(&sensor.when);
        let clauses = sensor.when.iter().map(|when| self.expr(when)).collect();
        let rules = sensor.rules.iter().map(|rule| self.rule(rule)).collect();
        let each = self.close(sensor.each.as_ref(), open);
        SensorPlan { name: sensor.name.clone(), each, condition, clauses, rules }
    }

    fn rule(&mut self, rule: &typed::Rule) -> RulePlan {
        let open = self.open(rule.each.as_ref());
        let condition = self.conditions(&rule.when);
        let clauses = rule.when.iter().map(|when| self.expr(when)).collect();
        let once = rule.once.as_ref().map(|once| typed::Once {
            keys: once.keys.iter().map(|key| self.expr(key)).collect(),
            within: once.within,
        });
        let triggers = rule
            .triggers
            .iter()
            .map(|trigger| typed::Trigger {
                kind: trigger.kind.clone(),
                fields: self.mapped(&trigger.fields),
            })
            .collect();
        let each = self.close(rule.each.as_ref(), open);
        RulePlan {
            name: rule.name.clone(),
            requires: rule.requires.clone(),
            each,
            condition,
            clauses,
            once,
            triggers,
        }
    }

    /// Opens the frame of an `each`; gives its list, which is read outside of that frame.
    fn open(&mut self, each: Option<&Each>) -> Option<Expr<Slot>> {
        let list = self.list(&each?.list);
        self.frames.push(Frame::default());
        Some(list)
    }

    fn close(&mut self, each: Option<&Each>, list: Option<Expr<Slot>>) -> Option<EachPlan> {
        let (each, list) = (each?, list?);
        let frame = self.bind(&each.list);
        Some(EachPlan { name: each.name.clone(), list, max: each.max, frame })
    }

    /// Closes the innermost frame, which binds the elements of this list.
    fn bind(&mut self, list: &Expr) -> FrameSpec {
        let spec = self.pop();
        if let ExprKind::Path(path) = &list.kind
            && let Some(frame) = self.frames.get_mut(frame_of(path.root))
            && matches!(path.root, Root::Body | Root::Element(_))
        {
            frame.spec.trie.at(&path.segments).bind(&spec.trie);
        }
        spec
    }

    /// A list that a binder goes through: of a path, only what the binder asks for is read.
    fn list(&mut self, list: &Expr) -> Expr<Slot> {
        match &list.kind {
            ExprKind::Path(path) => {
                Expr { kind: ExprKind::Path(self.slot(path, false)), span: list.span }
            }
            _ => self.expr(list),
        }
    }

    fn slot(&mut self, path: &Path, whole: bool) -> Slot {
        let number = frame_of(path.root);
        let text = path.text.clone();
        let Some(frame) = self.frames.get_mut(number) else {
            // Not reached: the checker binds a name only inside of its binder.
            return Slot { frame: number, index: usize::MAX, text };
        };
        let next = frame.slots.len();
        let index = *frame.slots.entry(path.clone()).or_insert(next);
        if index == next {
            frame.spec.slots.push(SlotSpec { text: text.clone(), origin: origin(path) });
        }
        if matches!(path.root, Root::Body | Root::Element(_)) {
            let node = frame.spec.trie.at(&path.segments);
            node.put(index);
            if whole {
                node.read_whole();
            }
        }
        Slot { frame: number, index, text }
    }

    /// The `and` of clauses.
    fn conditions(&mut self, clauses: &[Expr]) -> Condition {
        Condition::All(clauses.iter().map(|clause| self.condition(clause, false)).collect())
    }

    fn condition(&mut self, expr: &Expr, negated: bool) -> Condition {
        match &expr.kind {
            ExprKind::Not(inner) => self.condition(inner, !negated),
            ExprKind::And(parts) | ExprKind::Or(parts) => {
                let all = matches!(expr.kind, ExprKind::And(_)) != negated;
                let parts = parts.iter().map(|part| self.condition(part, negated)).collect();
                if all { Condition::All(parts) } else { Condition::Any(parts) }
            }
            _ => self.atom(expr, negated),
        }
    }

    /// Interns an atom in the innermost frame that it reads.
    fn atom(&mut self, expr: &Expr, negated: bool) -> Condition {
        let mut number = 0;
        let depth = self.frames.len();
        // Elements bound inside of the atom itself are none of these frames.
        expr.references(&mut |path| {
            let frame = frame_of(path.root);
            if frame < depth {
                number = number.max(frame);
            }
        });
        let expr = self.expr(expr);
        // The text does not say which binder a name is bound by; the slots do.
        let mut slots = Vec::new();
        expr.references(&mut |slot| slots.push((slot.frame, slot.index)));
        let text = format!("{} {slots:?}", Shown(&expr));
        let Some(frame) = self.frames.get_mut(number) else {
            return Condition::Any(Vec::new());
        };
        let next = frame.spec.atoms.len();
        let index = *frame.atoms.entry((depth, text)).or_insert(next);
        if index == next {
            frame.spec.atoms.push(expr);
        }
        Condition::Atom { frame: number, index, negated }
    }

    fn mapped(&mut self, fields: &[Mapped]) -> Vec<Mapped<Slot>> {
        fields
            .iter()
            .map(|field| Mapped {
                name: field.name.clone(),
                key: field.key.clone(),
                optional: field.optional,
                value: match &field.value {
                    MappedValue::Expr(expr, ty) => MappedValue::Expr(self.expr(expr), ty.clone()),
                    MappedValue::Block(inner) => MappedValue::Block(self.mapped(inner)),
                },
            })
            .collect()
    }

    fn exprs(&mut self, exprs: &[Expr]) -> Vec<Expr<Slot>> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    fn boxed(&mut self, expr: &Expr) -> Box<Expr<Slot>> {
        Box::new(self.expr(expr))
    }

    /// The same expression with slots for paths.
    fn expr(&mut self, expr: &Expr) -> Expr<Slot> {
        let kind = match &expr.kind {
            ExprKind::Const(value) => ExprKind::Const(value.clone()),
            ExprKind::Path(path) => ExprKind::Path(self.slot(path, true)),
            ExprKind::Access { base, segments } => {
                ExprKind::Access { base: self.boxed(base), segments: segments.clone() }
            }
            ExprKind::Concat(parts) => ExprKind::Concat(self.exprs(parts)),
            ExprKind::List(items) => ExprKind::List(self.exprs(items)),
            ExprKind::Record(fields) => ExprKind::Record(
                fields
                    .iter()
                    .map(|field| RecordField {
                        key: field.key.clone(),
                        optional: field.optional,
                        value: self.expr(&field.value),
                    })
                    .collect(),
            ),
            ExprKind::Call { function, arguments } => {
                ExprKind::Call { function, arguments: self.exprs(arguments) }
            }
            ExprKind::Neg(inner) => ExprKind::Neg(self.boxed(inner)),
            ExprKind::Arith { op, left, right } => {
                ExprKind::Arith { op: *op, left: self.boxed(left), right: self.boxed(right) }
            }
            ExprKind::Coalesce { left, right } => {
                ExprKind::Coalesce { left: self.boxed(left), right: self.boxed(right) }
            }
            ExprKind::Not(inner) => ExprKind::Not(self.boxed(inner)),
            ExprKind::And(parts) => ExprKind::And(self.exprs(parts)),
            ExprKind::Or(parts) => ExprKind::Or(self.exprs(parts)),
            ExprKind::Compare { op, left, right } => {
                ExprKind::Compare { op: *op, left: self.boxed(left), right: self.boxed(right) }
            }
            ExprKind::In { item, list } => {
                ExprKind::In { item: self.boxed(item), list: self.boxed(list) }
            }
            ExprKind::TextTest { op, left, right } => {
                ExprKind::TextTest { op: *op, left: self.boxed(left), right: self.boxed(right) }
            }
            ExprKind::Pattern { value, pattern } => {
                ExprKind::Pattern { value: self.boxed(value), pattern: pattern.clone() }
            }
            ExprKind::Is { value, negated, test } => {
                ExprKind::Is { value: self.boxed(value), negated: *negated, test: *test }
            }
            ExprKind::Quantifier { kind, name, list: source, body, frame: () } => {
                let list = Box::new(self.list(source));
                let mut element = Frame::default();
                if kind.keeps_elements() {
                    element.spec.trie.read_whole();
                }
                self.frames.push(element);
                let body = self.boxed(body);
                let frame = Arc::new(self.bind(source));
                ExprKind::Quantifier { kind: *kind, name: name.clone(), list, body, frame }
            }
        };
        Expr { kind, span: expr.span }
    }
}

fn frame_of(root: Root) -> usize {
    match root {
        Root::Element(level) => level as usize + 1,
        _ => 0,
    }
}
