//! In which order constants and named conditions are checked: each after those that it uses.

use super::Checker;
use super::names::{Names, What};
use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::ast::{Block, Expr, ExprKind, FieldValue, Text, TextPart};

/// A constant or a named condition, by its number among those of its sort.
pub(super) type Definition = (What, usize);

/// A definition and those that it uses.
#[derive(Clone)]
pub(super) struct Ordered {
    pub(super) definition: Definition,
    pub(super) uses: Vec<Definition>,
    /// It uses itself, by way of others or not, and has no meaning.
    pub(super) circular: bool,
}

/// A definition in the graph.
struct Node<'a> {
    name: &'a Text,
    /// What it uses, and where.
    uses: Vec<(usize, &'a Text)>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    OnTheWay,
    Done,
}

impl Checker<'_> {
    /// All constants and conditions, each after those that it uses. A circle is a problem.
    pub(super) fn order(&mut self) -> Vec<Ordered> {
        let names = self.names;
        let consts = names.consts().iter().map(|declared| (&declared.name, &declared.value));
        let conditions = names.conditions().iter().map(|declared| (&declared.name, &declared.body));
        let first_condition = names.consts().len();
        let definition = |node: usize| match node.checked_sub(first_condition) {
            None => (What::Const, node),
            Some(index) => (What::Condition, index),
        };
        let node = |(what, index): Definition| match what {
            What::Condition => first_condition + index,
            _ => index,
        };
        let mut nodes: Vec<Node<'_>> = consts
            .chain(conditions)
            .map(|(name, expr)| {
                let uses = uses(names, expr).into_iter();
                let uses = uses.map(|(definition, at)| (node(definition), at)).collect();
                Node { name, uses, state: State::New }
            })
            .collect();
        let (order, circles) = sorted(&mut nodes);
        let mut circular = vec![false; nodes.len()];
        for circle in circles {
            for on in &circle {
                if let Some(mark) = circular.get_mut(*on) {
                    *mark = true;
                }
            }
            let places: Vec<_> = circle.iter().filter_map(|on| nodes.get(*on)).collect();
            self.circle(&places, circle.first().copied());
        }
        let ordered = order.into_iter().filter_map(|at| {
            let uses = nodes.get(at)?.uses.iter().map(|(used, _)| definition(*used)).collect();
            let circular = circular.get(at).copied().unwrap_or_default();
            Some(Ordered { definition: definition(at), uses, circular })
        });
        ordered.collect()
    }

    /// Reports a circle, which its last definition closes.
    fn circle(&mut self, circle: &[&Node<'_>], first: Option<usize>) {
        let Some(last) = circle.last() else { return };
        let back = last.uses.iter().find(|(used, _)| Some(*used) == first);
        let (Some((_, at)), Some(first)) = (back, circle.first()) else { return };
        let way: Vec<_> =
            circle.iter().chain([first]).map(|node| format!("`{}`", node.name.text)).collect();
        let mut problem = Diagnostic::error(
            Code::E0214,
            at.span,
            format!("{} uses itself", way.first().map_or("", String::as_str)),
        )
        .label(if circle.len() == 1 { "inside of itself" } else { "this closes the circle" })
        .help(if circle.len() == 1 {
            "constants and conditions are not recursive: write out what it is".to_owned()
        } else {
            format!("the circle is {}: write one of them out", way.join(" -> "))
        });
        for node in circle.iter().take(circle.len() - 1) {
            problem = problem.related(node.name.span, "a part of the circle");
        }
        self.report(problem);
    }
}

/// The nodes in an order in which each stands after what it uses, and the circles among them.
fn sorted(nodes: &mut [Node<'_>]) -> (Vec<usize>, Vec<Vec<usize>>) {
    let mut order = Vec::new();
    let mut circles = Vec::new();
    for start in 0..nodes.len() {
        // Depth first, without recursion: chains may be long. With each node its next use.
        let mut way: Vec<(usize, usize)> = vec![(start, 0)];
        while let Some((at, next)) = way.pop() {
            let Some(node) = nodes.get_mut(at) else { continue };
            if next == 0 && node.state != State::New {
                continue;
            }
            node.state = State::OnTheWay;
            let Some((used, _)) = node.uses.get(next).copied() else {
                node.state = State::Done;
                order.push(at);
                continue;
            };
            way.push((at, next + 1));
            match nodes.get(used).map(|node| node.state) {
                Some(State::New) => way.push((used, 0)),
                Some(State::OnTheWay) => {
                    let on_the_way = way.iter().map(|(at, _)| *at);
                    circles.push(on_the_way.skip_while(|at| *at != used).collect());
                }
                _ => {}
            }
        }
    }
    (order, circles)
}

/// The constants and conditions that an expression uses, each once, with the first place.
fn uses<'a>(names: &Names<'_>, expr: &'a Expr) -> Vec<(Definition, &'a Text)> {
    let mut found: Vec<(Definition, &Text)> = Vec::new();
    walk(expr, &mut Vec::new(), &mut |what, name| {
        if let Some(index) = names.seen(what, name)
            && !found.iter().any(|(known, _)| *known == (what, index))
        {
            found.push(((what, index), name));
        }
    });
    found
}

/// Calls `visit` with the first names of paths that nothing here binds, and with what is called.
fn walk<'a>(expr: &'a Expr, bound: &mut Vec<&'a str>, visit: &mut impl FnMut(What, &'a Text)) {
    match &expr.kind {
        ExprKind::Path { root, .. } => {
            if !bound.contains(&root.text.as_str()) {
                visit(What::Const, root);
            }
        }
        ExprKind::Call { function, arguments } => {
            visit(What::Condition, function);
            arguments.iter().for_each(|argument| walk(argument, bound, visit));
        }
        ExprKind::Quantifier { name, list, body, .. } => {
            walk(list, bound, visit);
            bound.push(&name.text);
            walk(body, bound, visit);
            bound.pop();
        }
        ExprKind::Interpolated(parts) => {
            for part in parts {
                if let TextPart::Expr(expr) = part {
                    walk(expr, bound, visit);
                }
            }
        }
        ExprKind::List(all) | ExprKind::And(all) | ExprKind::Or(all) => {
            all.iter().for_each(|expr| walk(expr, bound, visit));
        }
        ExprKind::Record(block) => walk_block(block, bound, visit),
        ExprKind::Access { base: one, .. }
        | ExprKind::Not(one)
        | ExprKind::Neg(one)
        | ExprKind::Paren(one)
        | ExprKind::Is { value: one, .. } => walk(one, bound, visit),
        ExprKind::Compare { left, right, .. }
        | ExprKind::In { item: left, list: right, .. }
        | ExprKind::TextTest { left, right, .. }
        | ExprKind::Coalesce { left, right }
        | ExprKind::Arith { left, right, .. } => {
            walk(left, bound, visit);
            walk(right, bound, visit);
        }
        ExprKind::Null
        | ExprKind::Bool(_)
        | ExprKind::Number(_)
        | ExprKind::Duration(_)
        | ExprKind::Size(_)
        | ExprKind::String(_)
        | ExprKind::Error => {}
    }
}

fn walk_block<'a>(
    block: &'a Block,
    bound: &mut Vec<&'a str>,
    visit: &mut impl FnMut(What, &'a Text),
) {
    for field in &block.fields {
        match &field.value {
            FieldValue::Expr(expr) => walk(expr, bound, visit),
            FieldValue::Block(block) => walk_block(block, bound, visit),
        }
    }
}
