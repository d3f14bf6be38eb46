//! Converts pest's pairs to the tree: conditionals.

use pest::iterators::Pair;

use super::ast::{Expr, ExprKind};
use super::lower::Lower;
use super::{MAX_NESTING, Rule, nesting};

impl Lower<'_> {
    /// `if a then b else if c then d else e`, at nesting depth `depth`. Each `else if` is one level
    /// deeper, since the tree nests it.
    pub(super) fn conditional(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Expr {
        let span = self.span(&pair);
        let end = span.end;
        // The start of each arm, its condition and its branch.
        let mut arms: Vec<(u32, Expr, Expr)> = Vec::new();
        let mut start = span.start;
        let mut condition = None;
        let mut otherwise = Expr { kind: ExprKind::Error, span };
        for part in pair.into_inner() {
            let inner = depth + arms.len() + 1;
            if inner > MAX_NESTING {
                self.report(nesting::problem(span));
                return Expr { kind: ExprKind::Error, span };
            }
            match part.as_rule() {
                Rule::kw_if => start = self.span(&part).start,
                Rule::if_condition => condition = Some(self.expr(part, inner)),
                Rule::if_branch => {
                    let branch = self.branch(part, inner);
                    match condition.take() {
                        Some(condition) => arms.push((start, condition, branch)),
                        None => otherwise = branch,
                    }
                }
                _ => {}
            }
        }
        while let Some((start, condition, chosen)) = arms.pop() {
            let kind = ExprKind::If {
                condition: Box::new(condition),
                chosen: Box::new(chosen),
                otherwise: Box::new(otherwise),
            };
            otherwise = Expr { kind, span: crate::span::Span { start, end, ..span } };
        }
        otherwise
    }

    /// A record, or an expression.
    fn branch(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Expr {
        match pair.clone().into_inner().find(|part| part.as_rule() == Rule::record) {
            Some(record) => self.value(record, depth),
            None => self.expr(pair, depth),
        }
    }
}
