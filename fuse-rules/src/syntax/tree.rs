//! Prints the tree as text, one node per line, for snapshots.

use std::fmt::Write as _;

use super::ast::{
    Block, Each, EventRef, Expected, Expr, ExprKind, FieldValue, File, FlowClause, Let, PathStep,
    Reaction, Segment, Shared, TestStep, TextPart, Trigger, Type, TypeKind, TypeValue,
};
use crate::attempts::AttemptPolicy;
use crate::flow::requires;
use crate::literals::duration_text;

/// The complete file as text, without spans.
pub(super) fn tree(file: &File) -> String {
    let mut out = Tree::default();
    for used in &file.uses {
        let std = if used.std { "std " } else { "" };
        out.line(0, &format!("use {std}{:?}", used.name.text));
    }
    for decl in &file.types {
        out.doc(0, decl.doc.as_deref());
        match &decl.value {
            TypeValue::Type(ty) => {
                out.line(0, &format!("type {} = {}", decl.name.text, type_text(ty)));
            }
            TypeValue::JsonSchema(name) => {
                out.line(0, &format!("type {} = json-schema {:?}", decl.name.text, name.text));
            }
        }
    }
    for decl in &file.consts {
        out.doc(0, decl.doc.as_deref());
        out.line(0, &format!("const {} = {}", decl.name.text, expr(&decl.value)));
    }
    for decl in &file.conditions {
        out.doc(0, decl.doc.as_deref());
        let parameters: Vec<_> = decl
            .parameters
            .iter()
            .map(|p| match &p.ty {
                Some(ty) => format!("{}: {}", p.name.text, type_text(ty)),
                None => p.name.text.clone(),
            })
            .collect();
        let (name, body) = (&decl.name.text, expr(&decl.body));
        out.line(0, &format!("condition {name}({}) = {body}", parameters.join(", ")));
    }
    for fuse in &file.fuses {
        out.doc(0, fuse.doc.as_deref());
        out.line(0, &format!("fuse {} default {}", fuse.name.text, fuse.default_on));
        if let Some(settings) = &fuse.settings {
            out.block(1, settings);
        }
        for blow in &fuse.blow {
            out.line(1, &blow.clause.to_string());
        }
        for reset in &fuse.resets {
            let after = reset.after.map(|after| format!("after {}", duration_text(after)));
            out.line(1, &format!("reset {}", after.as_deref().unwrap_or("manually")));
        }
        fuse.reactions.iter().for_each(|reaction| out.reaction(1, reaction));
    }
    for limiter in &file.limiters {
        out.doc(0, limiter.doc.as_deref());
        let limit = limiter.limit.flow.text(&[]);
        out.line(0, &format!("limiter {} {{ {limit} }}", limiter.name.text));
    }
    for defaults in &file.defaults {
        out.line(0, &format!("defaults {}", defaults.kind.text));
        out.block(1, &defaults.block);
    }
    for source in &file.sources {
        out.doc(0, source.doc.as_deref());
        out.line(0, &format!("source {} {}", source.name.text, source.kind.text));
        out.block(1, &source.block);
        for event in &source.events {
            out.doc(1, event.doc.as_deref());
            let ty = event.ty.as_ref().map(|ty| format!(" : {}", type_text(ty)));
            out.line(1, &format!("event {}{}", event.name.text, ty.unwrap_or_default()));
            for when in &event.when {
                out.line(2, &format!("when {}", expr(when)));
            }
            if let Some(block) = &event.block {
                out.block(2, block);
            }
        }
    }
    for sensor in &file.sensors {
        out.doc(0, sensor.doc.as_deref());
        let events = sensor.events.iter();
        let events: Vec<_> =
            events.map(|one| format!("{}.{}", one.source.text, one.event.text)).collect();
        out.line(0, &format!("sensor {} on {}", sensor.name.text, events.join(" or ")));
        out.shared(1, &sensor.shared);
        for rule in &sensor.rules {
            out.doc(1, rule.doc.as_deref());
            out.line(1, &format!("rule {}", rule.name.text));
            out.shared(2, &rule.shared);
            for trigger in &rule.triggers {
                out.trigger(2, trigger);
            }
            rule.reactions.iter().for_each(|reaction| out.reaction(2, reaction));
        }
    }
    for test in &file.tests {
        out.line(0, &format!("test {:?}", test.name.text));
        test.steps.iter().for_each(|step| out.step(1, step));
    }
    out.text
}

#[derive(Default)]
struct Tree {
    text: String,
}

impl Tree {
    fn line(&mut self, depth: usize, text: &str) {
        writeln!(self.text, "{}{text}", "  ".repeat(depth)).unwrap();
    }

    fn doc(&mut self, depth: usize, doc: Option<&str>) {
        if let Some(doc) = doc {
            self.line(depth, &format!("doc {doc:?}"));
        }
    }

    fn reaction(&mut self, depth: usize, reaction: &Reaction) {
        let kinds: Vec<_> = reaction.kinds.iter().map(|kind| kind.text.as_str()).collect();
        self.line(depth, &format!("on {}", kinds.join(" or ")));
        self.flow(depth + 1, &reaction.flow);
        reaction.triggers.iter().for_each(|trigger| self.trigger(depth + 1, trigger));
    }

    fn trigger(&mut self, depth: usize, trigger: &Trigger) {
        let retry = trigger.retry.map(|clause| clause.retry);
        let timeout = trigger.timeout.map(|clause| clause.timeout);
        let attempts = AttemptPolicy { retry, timeout }.to_string();
        let line = format!("trigger {} {attempts}", trigger.kind.text);
        self.line(depth, line.trim_end());
        self.block(depth + 1, &trigger.block);
    }

    fn step(&mut self, depth: usize, step: &TestStep) {
        match step {
            TestStep::With { fuse, on } => self.line(depth, &format!("with {} {on}", fuse.text)),
            TestStep::Response { rule, response } => {
                self.line(depth, &format!("with response {}", rule.text));
                self.block(depth + 1, response);
            }
            TestStep::Limiter { limiter, used: (used, _), keys, .. } => {
                let keys: Vec<_> = keys.iter().map(expr).collect();
                let per = if keys.is_empty() { "" } else { " per " };
                let keys = keys.join(", ");
                self.line(depth, &format!("with limiter {} used {used}{per}{keys}", limiter.text));
            }
            TestStep::At(time) => self.line(depth, &format!("at {}", time.text)),
            TestStep::Finish(rule) => self.line(depth, &format!("finish {}", rule.text)),
            TestStep::Send(send) => {
                self.line(depth, &format!("send {}.{}", send.source.text, send.event.text));
                for file in &send.files {
                    self.line(depth + 1, &format!("from {:?}", file.text));
                }
                for body in &send.bodies {
                    self.line(depth + 1, &format!("body {}", expr(body)));
                }
                let blocks =
                    [("headers", &send.headers), ("query", &send.queries), ("path", &send.paths)];
                for (what, blocks) in blocks {
                    for block in blocks {
                        self.line(depth + 1, what);
                        self.block(depth + 2, block);
                    }
                }
            }
            TestStep::Answer { rule, is_approved, .. } => {
                let word = if *is_approved { "approve" } else { "decline" };
                self.line(depth, &format!("{word} {}", rule.text));
            }
            TestStep::Expect(expect) => match &expect.what {
                Expected::NothingElse => self.line(depth, "expect nothing else"),
                Expected::Blown(fuse, fields) => {
                    self.line(depth, &format!("expect fuse {} blown", fuse.text));
                    fields.iter().for_each(|fields| self.block(depth + 1, fields));
                }
                Expected::No(rule, reaction) => {
                    let on = reaction.as_ref().map(|kind| format!(" on {}", kind.text));
                    self.line(depth, &format!("expect no {}{}", rule.text, on.unwrap_or_default()));
                }
                Expected::Rule(rule) => {
                    let mut text = format!("expect {}", rule.rule.text);
                    if let Some(reaction) = &rule.reaction {
                        text += &format!(" on {}", reaction.text);
                    }
                    if let Some(outcome) = &rule.outcome {
                        text += &format!(" {}", outcome.text);
                    }
                    if let Some((count, _)) = rule.count {
                        text += &format!(" {count} times");
                    }
                    if let Some((element, _)) = &rule.element {
                        text += &format!(" for {element:?}");
                    }
                    if let Some(because) = &rule.because {
                        text += &format!(" because {:?}", because.text);
                    }
                    self.line(depth, &text);
                    if let Some(fields) = &rule.fields {
                        self.block(depth + 1, fields);
                    }
                }
            },
        }
    }

    fn shared(&mut self, depth: usize, shared: &Shared) {
        for fuse in &shared.requires {
            self.line(depth, &format!("requires {}", fuse.text));
        }
        shared.each.iter().for_each(|each| self.each(depth, each));
        shared.lets.iter().for_each(|declared| self.let_clause(depth, declared));
        for when in &shared.when {
            self.line(depth, &format!("when {}", expr(when)));
        }
        self.flow(depth, &shared.flow);
        for _ in &shared.shadow {
            self.line(depth, "shadow");
        }
    }

    fn each(&mut self, depth: usize, each: &Each) {
        let max = each.max.map(|(max, _)| format!(" max {max}")).unwrap_or_default();
        self.line(depth, &format!("each {} in {}{max}", each.name.text, expr(&each.list)));
    }

    fn let_clause(&mut self, depth: usize, declared: &Let) {
        self.line(depth, &format!("let {} = {}", declared.name.text, expr(&declared.value)));
    }

    fn flow(&mut self, depth: usize, clauses: &[FlowClause]) {
        for clause in clauses {
            let keys: Vec<_> = clause.keys.iter().map(expr).collect();
            let limiter = clause.limiter.as_ref().map(|name| name.text.as_str());
            let text = match clause.flow.is_requires() {
                true => requires::text(clause.flow, clause.fuses.iter().map(|fuse| &fuse.text)),
                false => clause.flow.text_with(limiter, &keys),
            };
            self.line(depth, &text);
            if let Some(unless) = &clause.unless {
                let EventRef { source, event, .. } = &unless.event;
                self.line(depth + 1, &format!("unless {}.{}", source.text, event.text));
                unless.each.iter().for_each(|each| self.each(depth + 2, each));
                unless.lets.iter().for_each(|declared| self.let_clause(depth + 2, declared));
                self.line(depth + 2, &format!("when {}", expr(&unless.when)));
            }
        }
    }

    fn block(&mut self, depth: usize, block: &Block) {
        for field in &block.fields {
            let mark = if field.optional { "?" } else { "" };
            match &field.value {
                FieldValue::Expr(value) => {
                    self.line(depth, &format!("{}{mark} = {}", field.key.text, expr(value)));
                }
                FieldValue::Block(inner) => {
                    self.line(depth, &field.key.text);
                    self.block(depth + 1, inner);
                }
            }
        }
    }
}

/// A type on one line, with its comments in brackets.
pub(crate) fn type_text(ty: &Type) -> String {
    match &ty.kind {
        TypeKind::Name { module: Some(module), name } => format!("{module}.{name}"),
        TypeKind::Name { module: None, name } => name.clone(),
        TypeKind::String(text) => format!("{text:?}"),
        TypeKind::Number(number) => number.to_string(),
        TypeKind::Bool(value) => value.to_string(),
        TypeKind::List(inner) => format!("list<{}>", type_text(inner)),
        TypeKind::Map(inner) => format!("map<{}>", type_text(inner)),
        TypeKind::Record { fields, open } => {
            let mut parts: Vec<_> = fields
                .iter()
                .map(|field| {
                    let mark = if field.optional { "?" } else { "" };
                    format!("{}{mark}: {}", field.key.text, type_text(&field.ty))
                })
                .collect();
            parts.extend(open.then(|| "...".to_owned()));
            format!("{{ {} }}", parts.join(", "))
        }
        TypeKind::Union(all) => {
            let all: Vec<_> = all.iter().map(type_text).collect();
            format!("({})", all.join(" | "))
        }
        TypeKind::Error => "(error)".into(),
    }
}

/// An expression with its operator first: `(== a "x")`.
pub(super) fn expr(e: &Expr) -> String {
    let list = |op: &str, parts: &[Expr]| {
        let parts: Vec<_> = parts.iter().map(expr).collect();
        format!("({op} {})", parts.join(" "))
    };
    match &e.kind {
        ExprKind::Null => "null".into(),
        ExprKind::Bool(value) => value.to_string(),
        ExprKind::Number(number) => number.to_string(),
        ExprKind::Duration(duration) => duration_text(*duration),
        ExprKind::Size(bytes) => format!("{bytes}B"),
        ExprKind::String(text) => format!("{text:?}"),
        ExprKind::Interpolated(parts) => {
            let parts: Vec<_> = parts
                .iter()
                .map(|part| match part {
                    TextPart::Text(text) => format!("{text:?}"),
                    TextPart::Expr(inner) => expr(inner),
                })
                .collect();
            format!("(text {})", parts.join(" "))
        }
        ExprKind::List(items) => list("list", items),
        ExprKind::Record(block) => {
            let mut tree = Tree::default();
            tree.block(0, block);
            format!("(record {})", tree.text.trim().replace('\n', "; "))
        }
        ExprKind::Path { root, steps } => format!("{}{}", root.text, segments(steps)),
        ExprKind::Access { base, steps } => format!("(get {} {})", expr(base), segments(steps)),
        ExprKind::Lookup { base, key } => format!("(lookup {} {})", expr(base), expr(key)),
        ExprKind::Call { function, arguments } => list(&function.text, arguments),
        ExprKind::Quantifier { kind, name, list, body } => {
            format!("({} {} {} {})", kind.as_str(), name.text, expr(list), expr(body))
        }
        ExprKind::Not(inner) => format!("(not {})", expr(inner)),
        ExprKind::Neg(inner) => format!("(- {})", expr(inner)),
        ExprKind::And(parts) => list("and", parts),
        ExprKind::Or(parts) => list("or", parts),
        ExprKind::Compare { op, left, right } => {
            format!("({} {} {})", op.as_str(), expr(left), expr(right))
        }
        ExprKind::In { negated, item, list } => {
            let op = if *negated { "not-in" } else { "in" };
            format!("({op} {} {})", expr(item), expr(list))
        }
        ExprKind::TextTest { op, left, right } => {
            format!("({} {} {})", op.as_str(), expr(left), expr(right))
        }
        ExprKind::Is { value, negated, kind } => {
            let op = if *negated { "is-not" } else { "is" };
            format!("({op} {} {})", expr(value), kind.text)
        }
        ExprKind::Coalesce { left, right } => format!("(?? {} {})", expr(left), expr(right)),
        ExprKind::Arith { op, left, right } => {
            format!("({} {} {})", op.as_str(), expr(left), expr(right))
        }
        ExprKind::If { condition, chosen, otherwise } => {
            format!("(if {} {} {})", expr(condition), expr(chosen), expr(otherwise))
        }
        ExprKind::Paren(inner) => format!("(paren {})", expr(inner)),
        ExprKind::Error => "(error)".into(),
    }
}

fn segments(steps: &[PathStep]) -> String {
    steps
        .iter()
        .map(|step| match &step.segment {
            Segment::Key(key) => format!("/{key}"),
            Segment::Index(index) => format!("/{index}"),
        })
        .collect()
}
