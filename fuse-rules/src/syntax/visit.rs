//! The visitor of the syntax tree: the expressions of a file, and the operands of an expression.

use super::ast::{
    Block, Expect, Expected, Expr, ExprKind, FieldValue, File, FlowClause, Reaction, Rule, Sensor,
    Shared, TestStep, TextPart,
};

/// Calls `visit` for every expression of a file, outer expressions before inner ones.
pub(crate) fn expressions<'a>(file: &'a File, visit: &mut impl FnMut(&'a Expr)) {
    roots(file, &mut |expr| walk(expr, visit));
}

/// Calls `visit` for every outermost expression of a file.
fn roots<'a>(file: &'a File, visit: &mut impl FnMut(&'a Expr)) {
    file.consts.iter().for_each(|declared| visit(&declared.value));
    file.conditions.iter().for_each(|declared| visit(&declared.body));
    file.defaults.iter().for_each(|defaults| block(&defaults.block, visit));
    file.fuses.iter().for_each(|fuse| reactions(&fuse.reactions, visit));
    for source in &file.sources {
        block(&source.block, visit);
        for event in &source.events {
            event.when.iter().for_each(&mut *visit);
            event.block.iter().for_each(|fields| block(fields, visit));
        }
    }
    file.sensors.iter().for_each(|sensor| of_sensor(sensor, visit));
    for step in file.tests.iter().flat_map(|test| &test.steps) {
        match step {
            TestStep::Send(send) => {
                send.bodies.iter().for_each(&mut *visit);
                let blocks = send.headers.iter().chain(&send.queries).chain(&send.paths);
                blocks.for_each(|fields| block(fields, visit));
            }
            TestStep::Response { response, .. } => block(response, visit),
            TestStep::Limiter { keys, .. } => keys.iter().for_each(&mut *visit),
            TestStep::Expect(Expect { what: Expected::Rule(rule), .. }) => {
                rule.fields.iter().for_each(|fields| block(fields, visit));
            }
            TestStep::Expect(Expect { what: Expected::Blown(_, fields), .. }) => {
                fields.iter().for_each(|fields| block(fields, visit));
            }
            _ => {}
        }
    }
}

fn of_sensor<'a>(sensor: &'a Sensor, visit: &mut impl FnMut(&'a Expr)) {
    shared(&sensor.shared, visit);
    sensor.rules.iter().for_each(|rule| of_rule(rule, visit));
}

fn of_rule<'a>(rule: &'a Rule, visit: &mut impl FnMut(&'a Expr)) {
    shared(&rule.shared, visit);
    rule.triggers.iter().for_each(|trigger| block(&trigger.block, visit));
    reactions(&rule.reactions, visit);
}

fn reactions<'a>(all: &'a [Reaction], visit: &mut impl FnMut(&'a Expr)) {
    for reaction in all {
        reaction.flow.iter().for_each(|clause| flow(clause, visit));
        reaction.triggers.iter().for_each(|trigger| block(&trigger.block, visit));
    }
}

fn shared<'a>(shared: &'a Shared, visit: &mut impl FnMut(&'a Expr)) {
    shared.each.iter().for_each(|each| visit(&each.list));
    shared.lets.iter().for_each(|declared| visit(&declared.value));
    shared.when.iter().for_each(&mut *visit);
    shared.flow.iter().for_each(|clause| flow(clause, visit));
}

fn flow<'a>(clause: &'a FlowClause, visit: &mut impl FnMut(&'a Expr)) {
    clause.keys.iter().for_each(&mut *visit);
    if let Some(unless) = &clause.unless {
        unless.each.iter().for_each(|each| visit(&each.list));
        unless.lets.iter().for_each(|declared| visit(&declared.value));
        visit(&unless.when);
    }
}

/// Calls `visit` for each value of a block and of its nested blocks.
pub(crate) fn block<'a>(block: &'a Block, visit: &mut impl FnMut(&'a Expr)) {
    for field in &block.fields {
        match &field.value {
            FieldValue::Expr(expr) => visit(expr),
            FieldValue::Block(inner) => self::block(inner, visit),
        }
    }
}

/// Calls `visit` for an expression and all expressions in it.
fn walk<'a>(expr: &'a Expr, visit: &mut impl FnMut(&'a Expr)) {
    visit(expr);
    children(expr, &mut |child| walk(child, visit));
}

/// Calls `visit` for the direct operands of an expression, in order.
pub(crate) fn children<'a>(expr: &'a Expr, visit: &mut impl FnMut(&'a Expr)) {
    match &expr.kind {
        ExprKind::Interpolated(parts) => {
            for part in parts {
                if let TextPart::Expr(expr) = part {
                    visit(expr);
                }
            }
        }
        ExprKind::List(all)
        | ExprKind::And(all)
        | ExprKind::Or(all)
        | ExprKind::Call { arguments: all, .. } => all.iter().for_each(visit),
        ExprKind::Record(record) => block(record, visit),
        ExprKind::Access { base: one, .. }
        | ExprKind::Not(one)
        | ExprKind::Neg(one)
        | ExprKind::Paren(one)
        | ExprKind::Is { value: one, .. } => visit(one),
        ExprKind::Compare { left, right, .. }
        | ExprKind::In { item: left, list: right, .. }
        | ExprKind::TextTest { left, right, .. }
        | ExprKind::Coalesce { left, right }
        | ExprKind::Lookup { base: left, key: right }
        | ExprKind::Arith { left, right, .. }
        | ExprKind::Quantifier { list: left, body: right, .. } => {
            visit(left);
            visit(right);
        }
        ExprKind::If { condition, chosen, otherwise } => {
            visit(condition);
            visit(chosen);
            visit(otherwise);
        }
        ExprKind::Null
        | ExprKind::Bool(_)
        | ExprKind::Number(_)
        | ExprKind::Duration(_)
        | ExprKind::Size(_)
        | ExprKind::String(_)
        | ExprKind::Path { .. }
        | ExprKind::Error => {}
    }
}
