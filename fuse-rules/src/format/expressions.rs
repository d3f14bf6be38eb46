//! The layout of expressions and literal types: chains of operators, and brackets.

use pest::iterators::Pair;

use super::doc::{Doc, group, text};
use super::layout::{Layout, Separation, UnitBody, spelling};
use crate::syntax::Rule;

/// The position of an expression.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum OperandPosition {
    /// After other text on its line: further lines are indented.
    Behind,
    /// At the start of a line of its own, if it is broken.
    Alone,
}

/// The precedence of comparisons, which do not chain.
const COMPARISON: u8 = 3;

/// The precedence of an infix operator; `None` for everything else.
pub(super) fn tightness(rule: Rule) -> Option<u8> {
    match rule {
        Rule::op_or => Some(1),
        Rule::op_and => Some(2),
        Rule::op_compare | Rule::op_in | Rule::op_not_in | Rule::op_text | Rule::op_not_text => {
            Some(COMPARISON)
        }
        Rule::op_coalesce => Some(4),
        Rule::op_add | Rule::op_sub => Some(5),
        Rule::op_mul | Rule::op_div | Rule::op_rem => Some(6),
        _ => None,
    }
}

impl<'a> Layout<'a> {
    /// A `value`: a record or an expression.
    pub(super) fn value(&mut self, pair: Pair<'a, Rule>, place: OperandPosition) -> Doc<'a> {
        let inner = pair.into_inner().next();
        inner.map_or(text(""), |inner| match inner.as_rule() {
            Rule::record => self.block(inner, Separation::Record),
            _ => self.expr(inner, place),
        })
    }

    pub(super) fn expr(&mut self, pair: Pair<'a, Rule>, place: OperandPosition) -> Doc<'a> {
        let parts: Vec<_> = pair.into_inner().collect();
        match parts.as_slice() {
            [only] if only.as_rule() == Rule::conditional => self.conditional(only, place),
            parts => self.chain(parts, place),
        }
    }

    /// `if … then … else …`. Lines break before each `else` first, and then before each `then`.
    fn conditional(&mut self, pair: &Pair<'a, Rule>, place: OperandPosition) -> Doc<'a> {
        let mut docs = Vec::new();
        // The words after an `else`, which are a group of their own.
        let mut arm = Vec::new();
        let mut branch = Vec::new();
        for part in pair.clone().into_inner() {
            match part.as_rule() {
                Rule::kw_else => {
                    docs.push(group(std::mem::take(&mut arm)));
                    docs.push(Doc::Line);
                    docs.extend(self.comments(part.as_span().start()));
                    docs.extend([self.token(&part), Doc::Space]);
                }
                Rule::kw_then => {
                    branch.push(Doc::Line);
                    branch.extend(self.comments(part.as_span().start()));
                    branch.extend([self.token(&part), Doc::Space]);
                }
                Rule::if_branch => {
                    branch.push(self.branch(part));
                    arm.push(Doc::Nest(std::mem::take(&mut branch)));
                }
                Rule::if_condition => arm.push(self.expr(part, OperandPosition::Behind)),
                _ => arm.extend([self.token(&part), Doc::Space]),
            }
        }
        let mut docs = docs.into_iter();
        let first = docs.next();
        let mut rest: Vec<_> = docs.collect();
        rest.push(group(arm));
        let mut whole: Vec<_> = first.into_iter().collect();
        match place {
            OperandPosition::Behind => whole.push(Doc::Nest(rest)),
            OperandPosition::Alone => whole.extend(rest),
        }
        group(whole)
    }

    /// A record, or an expression.
    fn branch(&mut self, pair: Pair<'a, Rule>) -> Doc<'a> {
        match pair.clone().into_inner().next() {
            Some(record) if record.as_rule() == Rule::record => {
                self.block(record, Separation::Record)
            }
            _ => self.expr(pair, OperandPosition::Behind),
        }
    }

    /// A chain of operators. Lines break before operators, the loosest first.
    fn chain(&mut self, parts: &[Pair<'a, Rule>], place: OperandPosition) -> Doc<'a> {
        let loosest = parts.iter().filter_map(|part| tightness(part.as_rule())).min();
        let Some(loosest) = loosest else { return self.operand(parts) };
        let is_split = |part: &Pair<'a, Rule>| tightness(part.as_rule()) == Some(loosest);
        let mut operands = parts.split(is_split);
        let first = operands.next().unwrap_or(&[]);
        let mut brackets = is_bracketed(first);
        let mut docs = vec![self.chain(first, OperandPosition::Behind)];
        let mut rest = Vec::new();
        for (operator, operand) in parts.iter().filter(|part| is_split(part)).zip(operands) {
            let bracketed = is_bracketed(operand);
            // Brackets have their own possible line breaks.
            let hugs = loosest == COMPARISON && (brackets || bracketed);
            let line = if hugs { &mut docs } else { &mut rest };
            line.push(if hugs { Doc::Space } else { Doc::Line });
            // Comments on either side of the operator are moved before it.
            if let Some(next) = operand.first() {
                line.extend(self.comments(next.as_span().start()));
            }
            line.extend([text(spelling(operator)), Doc::Space]);
            line.push(self.chain(operand, OperandPosition::Behind));
            brackets = bracketed;
        }
        match place {
            OperandPosition::Behind => docs.push(Doc::Nest(rest)),
            OperandPosition::Alone => docs.extend(rest),
        }
        group(docs)
    }

    /// An operand with prefix and postfix operators: `not -x is missing`.
    fn operand(&mut self, parts: &[Pair<'a, Rule>]) -> Doc<'a> {
        let mut docs = Vec::new();
        for part in parts {
            match part.as_rule() {
                Rule::op_not => docs.extend([self.token(part), Doc::Space]),
                Rule::op_neg => docs.push(self.token(part)),
                Rule::is_test => {
                    docs.push(Doc::Space);
                    docs.extend(self.words(part.clone().into_inner()));
                }
                _ => docs.push(self.term(part.clone())),
            }
        }
        group(docs)
    }

    /// An operand and the steps after it.
    pub(super) fn term(&mut self, pair: Pair<'a, Rule>) -> Doc<'a> {
        let mut docs = Vec::new();
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::index => docs.extend(self.touching(part)),
                Rule::string => docs.push(self.string(part)),
                Rule::text_block => docs.push(self.text_block(part)),
                Rule::raw_string => docs.push(self.raw_string(&part)),
                Rule::list => docs.push(self.elements(part, "]")),
                Rule::lookup => docs.push(self.paren(part)),
                Rule::paren => docs.push(self.paren(part)),
                Rule::quantifier => docs.extend(self.quantifier(part)),
                Rule::call => {
                    for part in part.into_inner() {
                        docs.push(match part.as_rule() {
                            Rule::arguments => self.elements(part, ")"),
                            _ => self.token(&part),
                        });
                    }
                }
                _ => docs.push(self.token(&part)),
            }
        }
        group(docs)
    }

    /// Tokens without space between them: `[-1]`.
    pub(super) fn touching(&mut self, pair: Pair<'a, Rule>) -> Vec<Doc<'a>> {
        pair.into_inner().map(|part| self.token(&part)).collect()
    }

    /// A list or arguments. A single element with its own brackets shares the lines of the outer
    /// ones.
    fn elements(&mut self, pair: Pair<'a, Rule>, close: &'static str) -> Doc<'a> {
        let mut parts = pair.into_inner();
        let open = parts.next().map_or(text(""), |open| self.token(&open));
        let mut bracketed = false;
        let mut units = self.units(parts, |layout, part| {
            bracketed = ends_in_bracket(&part);
            UnitBody::Plain(vec![match part.as_rule() {
                Rule::value => layout.value(part, OperandPosition::Behind),
                _ => layout.expr(part, OperandPosition::Behind),
            }])
        });
        if bracketed && let Some(only) = units.only() {
            return group([open].into_iter().chain(only).chain([text(close)]).collect());
        }
        units.bracketed(vec![open], close, Separation::Elements)
    }

    fn paren(&mut self, pair: Pair<'a, Rule>) -> Doc<'a> {
        let mut outer = Vec::new();
        let mut inner = vec![Doc::Soft];
        let mut close = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::expr => {
                    inner.extend(self.comments(part.as_span().start()));
                    inner.push(self.expr(part, OperandPosition::Alone));
                }
                Rule::value => {
                    inner.extend(self.comments(part.as_span().start()));
                    inner.push(self.value(part, OperandPosition::Alone));
                }
                Rule::paren_close | Rule::bracket_close => {
                    inner.extend(self.comments(part.as_span().start()));
                    close = Some(self.token(&part));
                }
                _ => outer.push(self.token(&part)),
            }
        }
        outer.extend([Doc::Nest(inner), Doc::Soft]);
        outer.extend(close);
        group(outer)
    }

    /// `any(x in LIST: CONDITION)`.
    fn quantifier(&mut self, pair: Pair<'a, Rule>) -> Vec<Doc<'a>> {
        let mut parts = pair.into_inner();
        let word = parts.next().map(|word| self.token(&word));
        let mut outer = Vec::new();
        let mut inner = vec![Doc::Soft];
        let mut close = None;
        for part in parts.flat_map(Pair::into_inner) {
            match part.as_rule() {
                Rule::paren_open => outer.push(self.token(&part)),
                Rule::ident => {
                    inner.extend(self.comments(part.as_span().start()));
                    inner.push(self.token(&part));
                }
                Rule::kw_in => inner.extend([Doc::Space, self.token(&part)]),
                Rule::expr => inner.extend([Doc::Space, self.expr(part, OperandPosition::Behind)]),
                Rule::colon => inner.extend([self.token(&part), Doc::Line]),
                Rule::value => {
                    inner.extend(self.comments(part.as_span().start()));
                    inner.push(self.value(part, OperandPosition::Alone));
                }
                _ => {
                    inner.extend(self.comments(part.as_span().start()));
                    close = Some(self.token(&part));
                }
            }
        }
        outer.extend([Doc::Nest(inner), Doc::Soft]);
        outer.extend(close);
        word.into_iter().chain([group(outer)]).collect()
    }
}

/// Whether a line can break at the operators of an expression.
pub(super) fn is_split(expr: &Pair<'_, Rule>) -> bool {
    let mut parts = expr.clone().into_inner();
    parts.any(|part| matches!(part.as_rule(), Rule::op_or | Rule::op_and | Rule::conditional))
}

/// Whether this is a record, or one operand that ends in a bracket.
pub(super) fn ends_in_bracket(value: &Pair<'_, Rule>) -> bool {
    let parts: Vec<_> = value.clone().into_inner().collect();
    match parts.as_slice() {
        [inner] if value.as_rule() == Rule::value => {
            inner.as_rule() == Rule::record || ends_in_bracket(inner)
        }
        parts => is_bracketed(parts),
    }
}

/// Whether this is one operand that ends in a bracket.
fn is_bracketed(parts: &[Pair<'_, Rule>]) -> bool {
    let [term] = parts else { return false };
    let last = term.clone().into_inner().next_back();
    last.is_some_and(|last| {
        matches!(last.as_rule(), Rule::list | Rule::paren | Rule::quantifier | Rule::call)
    })
}
