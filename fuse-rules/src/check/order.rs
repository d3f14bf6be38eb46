//! The order in which constants and named conditions are checked: each after those that it uses.

use super::Checker;
use super::names::{DeclarationKind, Names};
use crate::diagnostic::{Code, Diagnostic};
use crate::syntax::ast::{Expr, ExprKind, Text};
use crate::syntax::visit;

/// A constant or a named condition, by its kind and index.
pub(super) type DefinitionId = (DeclarationKind, usize);

/// A definition and those that it uses.
#[derive(Clone)]
pub(super) struct Ordered {
    pub(super) definition: DefinitionId,
    pub(super) uses: Vec<DefinitionId>,
    /// It uses itself, directly or indirectly, and is therefore invalid.
    pub(super) circular: bool,
}

/// A definition in the graph.
struct Node<'a> {
    name: &'a Text,
    /// The nodes that it uses, and where.
    uses: Vec<(usize, &'a Text)>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    OnStack,
    Done,
}

impl Checker<'_> {
    /// All constants and conditions, each after those that it uses. Reports cycles.
    pub(super) fn order(&mut self) -> Vec<Ordered> {
        let names = self.names;
        let consts = names.consts().iter().map(|declared| (&declared.name, &declared.value));
        let conditions = names.conditions().iter().map(|declared| (&declared.name, &declared.body));
        let first_condition = names.consts().len();
        let definition = |node: usize| match node.checked_sub(first_condition) {
            None => (DeclarationKind::Const, node),
            Some(index) => (DeclarationKind::Condition, index),
        };
        let node = |(what, index): DefinitionId| match what {
            DeclarationKind::Condition => first_condition + index,
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
        let (order, cycles) = sorted(&mut nodes);
        let mut circular = vec![false; nodes.len()];
        for cycle in cycles {
            for on in &cycle {
                if let Some(mark) = circular.get_mut(*on) {
                    *mark = true;
                }
            }
            let places: Vec<_> = cycle.iter().filter_map(|on| nodes.get(*on)).collect();
            self.report_cycle(&places, cycle.first().copied());
        }
        let ordered = order.into_iter().filter_map(|at| {
            let uses = nodes.get(at)?.uses.iter().map(|(used, _)| definition(*used)).collect();
            let circular = circular.get(at).copied().unwrap_or_default();
            Some(Ordered { definition: definition(at), uses, circular })
        });
        ordered.collect()
    }

    /// Reports a cycle, at the definition that closes it.
    fn report_cycle(&mut self, cycle: &[&Node<'_>], first: Option<usize>) {
        let Some(last) = cycle.last() else { return };
        let back = last.uses.iter().find(|(used, _)| Some(*used) == first);
        let (Some((_, at)), Some(first)) = (back, cycle.first()) else { return };
        let names: Vec<_> =
            cycle.iter().chain([first]).map(|node| format!("`{}`", node.name.text)).collect();
        let mut problem = Diagnostic::error(
            Code::E0214,
            at.span,
            format!("{} uses itself", names.first().map_or("", String::as_str)),
        )
        .label(if cycle.len() == 1 {
            "used in its own definition"
        } else {
            "this closes the cycle"
        })
        .help(if cycle.len() == 1 {
            "constants and conditions cannot be recursive".to_owned()
        } else {
            format!(
                "the cycle is {}; replace one of the uses by its definition",
                names.join(" -> ")
            )
        });
        for node in cycle.iter().take(cycle.len() - 1) {
            problem = problem.related(node.name.span, "part of the cycle");
        }
        self.report(problem);
    }
}

/// The nodes in topological order, and the cycles among them.
fn sorted(nodes: &mut [Node<'_>]) -> (Vec<usize>, Vec<Vec<usize>>) {
    let mut order = Vec::new();
    let mut cycles = Vec::new();
    for start in 0..nodes.len() {
        // Depth first without recursion, because chains may be long. The stack has each node with
        // its next use.
        let mut stack: Vec<(usize, usize)> = vec![(start, 0)];
        while let Some((at, next)) = stack.pop() {
            let Some(node) = nodes.get_mut(at) else { continue };
            if next == 0 && node.state != State::New {
                continue;
            }
            node.state = State::OnStack;
            let Some((used, _)) = node.uses.get(next).copied() else {
                node.state = State::Done;
                order.push(at);
                continue;
            };
            stack.push((at, next + 1));
            match nodes.get(used).map(|node| node.state) {
                Some(State::New) => stack.push((used, 0)),
                Some(State::OnStack) => {
                    let on_stack = stack.iter().map(|(at, _)| *at);
                    cycles.push(on_stack.skip_while(|at| *at != used).collect());
                }
                _ => {}
            }
        }
    }
    (order, cycles)
}

/// The constants and conditions that an expression uses, each once, with its first occurrence. Each of their
/// names is recorded as a reference.
pub(super) fn uses<'a>(names: &Names<'_>, expr: &'a Expr) -> Vec<(DefinitionId, &'a Text)> {
    let mut found: Vec<(DefinitionId, &Text)> = Vec::new();
    walk(expr, &mut Vec::new(), &mut |what, name| {
        if let Some(index) = names.seen(what, name)
            && !found.iter().any(|(known, _)| *known == (what, index))
        {
            found.push(((what, index), name));
        }
    });
    found
}

/// Calls `visit` with the first names of paths that are not bound here, and with called names.
fn walk<'a>(
    expr: &'a Expr,
    bound: &mut Vec<&'a str>,
    visit: &mut impl FnMut(DeclarationKind, &'a Text),
) {
    match &expr.kind {
        ExprKind::Path { root, .. } if !bound.contains(&root.text.as_str()) => {
            visit(DeclarationKind::Const, root);
        }
        ExprKind::Call { function, .. } => visit(DeclarationKind::Condition, function),
        ExprKind::Quantifier { name, list, body, .. } => {
            walk(list, bound, visit);
            bound.push(&name.text);
            walk(body, bound, visit);
            bound.pop();
            return;
        }
        _ => {}
    }
    visit::children(expr, &mut |child| walk(child, bound, visit));
}
