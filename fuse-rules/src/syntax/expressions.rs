//! Converts pest's pairs to the tree: expressions. pest returns operators and operands as a flat
//! list; the Pratt parser builds the tree by precedence.

use std::sync::LazyLock;

use pest::iterators::Pair;
use pest::pratt_parser::{Assoc, Op, PrattParser};

use super::ast::{ArithOp, CompareOp, Expr, ExprKind, PathStep, Segment, TextOp};
use super::lower::Lower;
use super::{MAX_NESTING, Rule, nesting};
use crate::diagnostic::{Code, Diagnostic, Fix};
use crate::event::MAX_DEPTH;
use crate::literals;
use crate::number::{Number, NumberError};
use crate::span::Span;

/// From loosest to tightest.
static PRECEDENCE: LazyLock<PrattParser<Rule>> = LazyLock::new(|| {
    let left = |rule| Op::infix(rule, Assoc::Left);
    PrattParser::new()
        .op(left(Rule::op_or))
        .op(left(Rule::op_and))
        .op(Op::prefix(Rule::op_not))
        .op(left(Rule::op_compare)
            | left(Rule::op_in)
            | left(Rule::op_not_in)
            | left(Rule::op_text)
            | left(Rule::op_not_text)
            | Op::postfix(Rule::is_test))
        .op(left(Rule::op_coalesce))
        .op(left(Rule::op_add) | left(Rule::op_sub))
        .op(left(Rule::op_mul) | left(Rule::op_div) | left(Rule::op_rem))
        .op(Op::prefix(Rule::op_neg))
});

pub(crate) const IS_KINDS: [&str; 9] =
    ["missing", "present", "null", "string", "int", "float", "bool", "list", "map"];

impl Lower<'_> {
    /// An expression at nesting depth `depth`.
    pub(super) fn expr(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Expr {
        let span = self.span(&pair);
        if let Some(conditional) =
            pair.clone().into_inner().find(|part| part.as_rule() == Rule::conditional)
        {
            return self.conditional(conditional, depth);
        }
        // A chain of operators nests like brackets do. `and` and `or` are exceptions: they become
        // lists.
        let (mut operators, mut most) = (0, 0);
        for part in pair.clone().into_inner() {
            match part.as_rule() {
                Rule::op_or | Rule::op_and => operators = 0,
                Rule::term => {}
                _ => operators += 1,
            }
            most = most.max(operators);
        }
        let depth = depth + most + 1;
        if depth > MAX_NESTING {
            self.report(nesting::problem(span));
            return Expr { kind: ExprKind::Error, span };
        }
        // The closures of the Pratt parser all need `self`; the cell lends it to one of them at a
        // time.
        let lower = std::cell::RefCell::new(self);
        PRECEDENCE
            .map_primary(|term| lower.borrow_mut().term(term, depth))
            .map_prefix(|op, value| lower.borrow_mut().prefix(&op, value))
            .map_postfix(|value, test| lower.borrow_mut().is_test(value, test))
            .map_infix(|left, op, right| lower.borrow_mut().infix(left, &op, right))
            .parse(pair.into_inner())
    }

    fn prefix(&mut self, op: &Pair<'_, Rule>, value: Expr) -> Expr {
        let op_span = self.span(op);
        let span = op_span.to(value.span);
        let kind = match (op.as_rule(), value.kind) {
            (Rule::op_neg, ExprKind::Number(number)) => ExprKind::Number(number.neg()),
            (Rule::op_neg, ExprKind::Duration(duration)) => ExprKind::Duration(-duration),
            (Rule::op_neg, kind) => ExprKind::Neg(Box::new(Expr { kind, span: value.span })),
            (_, kind) => {
                let value = Expr { kind, span: value.span };
                if op.as_str() == "!" {
                    self.alien_not(op_span, &value);
                }
                ExprKind::Not(Box::new(value))
            }
        };
        Expr { kind, span }
    }

    pub(super) fn chained(&mut self, second: Span, whole: Span) -> Expr {
        self.report(
            Diagnostic::error(Code::E0105, second, "comparisons do not chain")
                .label("a second comparison")
                .help("join two comparisons with `and`, as in `1 <= x and x < 5`"),
        );
        Expr { kind: ExprKind::Error, span: whole }
    }

    fn infix(&mut self, left: Expr, op: &Pair<'_, Rule>, right: Expr) -> Expr {
        let span = left.span.to(right.span);
        let op_span = self.span(op);
        let comparison = matches!(
            op.as_rule(),
            Rule::op_compare | Rule::op_in | Rule::op_not_in | Rule::op_text | Rule::op_not_text
        );
        if comparison && is_comparison(&left) {
            return self.chained(op_span, span);
        }
        let boxed = |left, right| (Box::new(left), Box::new(right));
        let kind = match op.as_rule() {
            Rule::op_or => {
                if op.as_str() == "||" && is_literal(&right) && !is_condition(&left) {
                    // In other languages, `||` can provide a default.
                    self.alien_with(op_span, "??", Fix::new("write `??`", op_span, "??"));
                    let (left, right) = boxed(left, right);
                    return Expr { kind: ExprKind::Coalesce { left, right }, span };
                }
                if op.as_str() == "||" {
                    self.alien(op_span, "or");
                }
                match left.kind {
                    ExprKind::Or(mut all) => {
                        all.push(right);
                        ExprKind::Or(all)
                    }
                    kind => ExprKind::Or(vec![Expr { kind, span: left.span }, right]),
                }
            }
            Rule::op_and => {
                if op.as_str() == "&&" {
                    self.alien(op_span, "and");
                }
                match left.kind {
                    ExprKind::And(mut all) => {
                        all.push(right);
                        ExprKind::And(all)
                    }
                    kind => ExprKind::And(vec![Expr { kind, span: left.span }, right]),
                }
            }
            Rule::op_compare => {
                if op.as_str() == "=~" {
                    // In other languages, the pattern may match any part of the text.
                    let title = "write `matches`, with a pattern for the whole text";
                    self.alien_with(op_span, "matches", Fix::new(title, op_span, "matches"));
                    return Expr { kind: ExprKind::Error, span };
                }
                let op = self.compare_op(op, op_span);
                let (left, right) = boxed(left, right);
                ExprKind::Compare { op, left, right }
            }
            Rule::op_in | Rule::op_not_in => {
                let negated = op.as_rule() == Rule::op_not_in;
                if op.as_str().starts_with('!') {
                    self.alien(op_span, "not in");
                }
                let (item, list) = boxed(left, right);
                ExprKind::In { negated, item, list }
            }
            Rule::op_text | Rule::op_not_text => {
                let negated = op.as_rule() == Rule::op_not_text;
                let word = op.as_str().rsplit(|c: char| c.is_whitespace() || c == '!').next();
                if op.as_str().starts_with('!') {
                    self.alien(op_span, &format!("not {}", word.unwrap_or_default()));
                }
                let op = match word {
                    Some("matches") => TextOp::Matches,
                    Some("contains") => TextOp::Contains,
                    Some("starts-with") => TextOp::StartsWith,
                    Some("ends-with") => TextOp::EndsWith,
                    _ => TextOp::Like,
                };
                let (left, right) = boxed(left, right);
                let test = ExprKind::TextTest { op, left, right };
                match negated {
                    true => ExprKind::Not(Box::new(Expr { kind: test, span })),
                    false => test,
                }
            }
            Rule::op_coalesce => {
                let (left, right) = boxed(left, right);
                ExprKind::Coalesce { left, right }
            }
            rule => {
                let op = match rule {
                    Rule::op_add => ArithOp::Add,
                    Rule::op_sub => ArithOp::Sub,
                    Rule::op_mul => ArithOp::Mul,
                    Rule::op_div => ArithOp::Div,
                    _ => ArithOp::Rem,
                };
                let (left, right) = boxed(left, right);
                ExprKind::Arith { op, left, right }
            }
        };
        Expr { kind, span }
    }

    fn compare_op(&mut self, op: &Pair<'_, Rule>, span: Span) -> CompareOp {
        match op.as_str() {
            "==" => CompareOp::Eq,
            "!=" => CompareOp::Ne,
            "<" => CompareOp::Lt,
            "<=" => CompareOp::Le,
            ">" => CompareOp::Gt,
            ">=" => CompareOp::Ge,
            "!==" | "<>" => {
                self.alien(span, "!=");
                CompareOp::Ne
            }
            _ => {
                self.alien(span, "==");
                CompareOp::Eq
            }
        }
    }

    /// An operand and the steps after it.
    pub(super) fn term(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Expr {
        let span = self.span(&pair);
        let mut parts = pair.into_inner();
        let Some(primary) = parts.next() else {
            return Expr { kind: ExprKind::Error, span };
        };
        let alone = parts.peek().is_none();
        let base = self.primary(primary, depth, alone);
        // No event is deeper, and code that follows paths is recursive.
        if parts.len() > MAX_DEPTH {
            let message = format!("a path has at most {MAX_DEPTH} steps");
            self.report(Diagnostic::error(Code::E0108, span, message).label("too long"));
            return Expr { kind: ExprKind::Error, span };
        }
        let mut lookups = 0;
        parts.fold(base, |base, part| {
            let span = base.span.to(self.span(&part));
            if part.as_rule() != Rule::lookup {
                let step = self.step(part);
                return step
                    .map_or(Expr { kind: ExprKind::Error, span }, |it| after(base, it, span));
            }
            lookups += 1;
            if depth + lookups > MAX_NESTING {
                self.report(nesting::problem(span));
                return Expr { kind: ExprKind::Error, span };
            }
            let key = part.into_inner().find(|part| part.as_rule() == Rule::expr);
            let kind = match (base.kind, key.map(|key| self.expr(key, depth + lookups))) {
                (ExprKind::Error, _) | (_, None) => ExprKind::Error,
                (kind, Some(key)) => {
                    let base = Expr { kind, span: base.span };
                    ExprKind::Lookup { base: Box::new(base), key: Box::new(key) }
                }
            };
            Expr { kind, span }
        })
    }

    /// One step of a path: `.name`, `["key"]`, `[0]`.
    pub(super) fn step(&mut self, pair: Pair<'_, Rule>) -> Option<PathStep> {
        let mut span = self.span(&pair);
        let quoted = pair.as_rule() == Rule::index;
        let touches = pair.as_str().starts_with('.');
        let segment = self.segment(pair)?;
        // The name without its dot.
        span.start += u32::from(touches);
        Some(PathStep { segment, quoted, span })
    }

    fn segment(&mut self, pair: Pair<'_, Rule>) -> Option<Segment> {
        let span = self.span(&pair);
        match pair.as_rule() {
            Rule::member => {
                let name = pair.into_inner().find(|p| p.as_rule() == Rule::ident)?;
                Some(Segment::Key(name.as_str().to_owned()))
            }
            Rule::alien_index => {
                let digits = pair.as_str().trim_start_matches('.').to_owned();
                self.alien(span, &format!("[{digits}]"));
                digits.parse().ok().map(Segment::Index)
            }
            _ => {
                let mut negative = false;
                for part in pair.into_inner() {
                    match part.as_rule() {
                        Rule::minus => negative = true,
                        Rule::integer => {
                            let Ok(index) = part.as_str().parse::<i64>() else {
                                let at = self.span(&part);
                                let message = format!("`{}` is too large an index", part.as_str());
                                self.report(Diagnostic::error(Code::E0107, at, message));
                                return None;
                            };
                            return Some(Segment::Index(if negative { -index } else { index }));
                        }
                        Rule::plain_string => {
                            return self.plain_string(part).map(Segment::Key);
                        }
                        Rule::alien_string => {
                            return Some(Segment::Key(self.alien_string(&part).text));
                        }
                        _ => {}
                    }
                }
                None
            }
        }
    }

    /// An operand; `alone` if no step follows it.
    fn primary(&mut self, pair: Pair<'_, Rule>, depth: usize, alone: bool) -> Expr {
        let span = self.span(&pair);
        let kind = match pair.as_rule() {
            Rule::string => return self.string(pair, depth),
            Rule::text_block => return self.text_block(pair, depth),
            Rule::raw_string => return self.raw_string(pair),
            Rule::alien_string => ExprKind::String(self.alien_string(&pair).text),
            Rule::number => match Number::parse(pair.as_str()) {
                Ok(number) => ExprKind::Number(number),
                Err(error) => self.bad_number(span, Some(error)),
            },
            Rule::duration => match literals::parse_duration(pair.as_str()) {
                Some(duration) => ExprKind::Duration(duration),
                None => {
                    self.bad_duration(span);
                    ExprKind::Error
                }
            },
            Rule::size => match literals::parse_size(pair.as_str()) {
                Some(size) => ExprKind::Size(size),
                None => self.bad_number(span, None),
            },
            Rule::alien_duration => {
                let text = self.alien_duration(span);
                literals::parse_duration(&text).map_or(ExprKind::Error, ExprKind::Duration)
            }
            Rule::bad_number => self.bad_number(span, None),
            Rule::alien_root => self.alien_root(span, alone),
            Rule::alien_hole => self.alien_hole(span),
            Rule::kw_true => ExprKind::Bool(true),
            Rule::kw_false => ExprKind::Bool(false),
            Rule::kw_null => ExprKind::Null,
            Rule::root => ExprKind::Path { root: self.text_of(&pair), steps: Vec::new() },
            Rule::paren => match self.values(pair, depth).into_iter().next() {
                Some(inner) => ExprKind::Paren(Box::new(inner)),
                None => ExprKind::Error,
            },
            Rule::list => ExprKind::List(self.values(pair, depth)),
            Rule::quantifier => self.quantifier(pair, depth),
            Rule::call => self.call(pair, depth),
            _ => ExprKind::Error,
        };
        Expr { kind, span }
    }

    /// The values in brackets.
    pub(super) fn values(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Vec<Expr> {
        let values = pair.into_inner().filter(|part| part.as_rule() == Rule::value);
        values.flat_map(Pair::into_inner).map(|value| self.value(value, depth)).collect()
    }

    pub(super) fn bad_number(&mut self, span: Span, error: Option<NumberError>) -> ExprKind {
        let text = self.text.get(span.range()).unwrap_or("").to_owned();
        let problem = match error {
            Some(NumberError::OutOfRange { .. }) => {
                Diagnostic::error(Code::E0107, span, format!("`{text}` is too large or too long"))
                    .help("a number has at most 36 significant digits and a magnitude under 1e400")
            }
            Some(NumberError::Malformed) => {
                Diagnostic::error(Code::E0107, span, format!("`{text}` is not a number"))
                    .help("a number must not have leading zeros")
            }
            None => Diagnostic::error(
                Code::E0107,
                span,
                format!("`{text}` is neither a number, a duration nor a size"),
            )
            .label("letters directly after the digits")
            .help("durations end in `ms`, `s`, `m`, `h` or `d`, sizes in `KiB`, `MiB` or `GiB`; a name does not start with a digit"),
        };
        self.report(problem);
        ExprKind::Error
    }
}

/// A value and a step after it.
fn after(base: Expr, step: PathStep, span: Span) -> Expr {
    let kind = match base.kind {
        ExprKind::Error => ExprKind::Error,
        ExprKind::Path { root, mut steps } => {
            steps.push(step);
            ExprKind::Path { root, steps }
        }
        ExprKind::Access { base, mut steps } => {
            steps.push(step);
            ExprKind::Access { base, steps }
        }
        kind => {
            let base = Expr { kind, span: base.span };
            ExprKind::Access { base: Box::new(base), steps: vec![step] }
        }
    };
    Expr { kind, span }
}

/// Whether the value can never be a condition.
fn is_literal(expr: &Expr) -> bool {
    use ExprKind::{Duration, Interpolated, List, Number, Size, String};
    matches!(expr.kind, Number(_) | String(_) | Duration(_) | Size(_) | Interpolated(_) | List(_))
}

/// Whether the expression is a condition by its form.
fn is_condition(expr: &Expr) -> bool {
    use ExprKind::{And, Or};
    is_comparison(expr) || matches!(expr.kind, And(_) | Or(_))
}

pub(super) fn is_comparison(expr: &Expr) -> bool {
    use ExprKind::{Compare, In, Is, Not, TextTest};
    // A `not` that is an operand of an operator is that of `not contains`.
    matches!(expr.kind, Compare { .. } | In { .. } | TextTest { .. } | Is { .. } | Not(_))
}
