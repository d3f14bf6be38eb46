//! Proves that the values of an expression are present and of the kinds that it accepts. Like the
//! checker, it does not prove more, for example that `int` gets a text that is a number.

use super::domain::{Bits, Domain, StringTest, TextSet};
use super::goal::{Constraint, Goal, Universal};
use super::query::{self, constraint};
use super::solve::SearchOutcome;
use super::truths::Truths;
use super::{Analysis, Placed, ScopedExpr};
use crate::functions::Returns;
use crate::typed::{Expr, ExprKind, Path};
use crate::value::Kinds;

/// Characters that are special to a shell when they occur in a text.
const SHELL_CHARACTERS: [&str; 14] =
    ["$", "`", "\"", "'", "\\", ";", "|", "&", "<", ">", "(", "*", " ", "\n"];

/// Functions whose result can contain characters that no argument contains.
const DECODING: [&str; 5] = ["base64-decode", "hex-decode", "parse-json", "format-time", "url"];

/// The values that an expression reads, each with the kinds that it accepts.
type Needs<'r> = Vec<(&'r Path, Kinds)>;

impl<'r> Analysis<'r> {
    /// Whether it is proven that all values of a field or key of a rule are present when the rule
    /// matches.
    pub(crate) fn has_values(&mut self, placed: Placed<'r>, expr: &'r Expr) -> bool {
        let given: Vec<_> = placed.whens().map(|when| (when.expr, Truths::TRUE)).collect();
        let needs = of_value(expr, Kinds::ANY.minus(Kinds::NULL));
        needs.is_some_and(|needs| self.are_there(placed, placed.eachs().len(), &needs, &given))
    }

    /// Whether it is proven that an elementary condition of a rule or its sensor is defined where
    /// other conditions have the given truths, so that no missing value makes it unknown.
    pub(crate) fn is_decided(
        &mut self,
        placed: Placed<'r>,
        expr: &'r Expr,
        given: &[(&'r Expr, Truths)],
    ) -> bool {
        let around = placed.around(expr);
        of_condition(expr).iter().any(|needs| self.are_there(placed, around, needs, given))
    }

    /// Whether it is proven that a chain of defaults has a value when the rule matches: the last
    /// value is present, possibly null, or one before it is present and not null.
    /// `guards` are conditions in the value, with their truths.
    pub(crate) fn is_one_there(
        &mut self,
        placed: Placed<'r>,
        paths: &[&'r Path],
        guards: &[(&'r Expr, Truths)],
    ) -> bool {
        let Some((last, before)) = paths.split_last() else { return false };
        let all: Vec<_> = lacked(before).chain([(*last, Domain::bits(Bits::ABSENT))]).collect();
        let around = placed.eachs().len();
        let guards = guards.iter().map(|(expr, truth)| (ScopedExpr { around, expr }, *truth));
        let given: Vec<_> = matched(placed).into_iter().chain(guards).collect();
        self.is_never(placed, around, &all, &given)
    }

    /// Whether it is proven that a value contains no shell metacharacters when the rule matches and
    /// the value is the default for others, which are missing or null.
    pub(crate) fn is_plain(
        &mut self,
        placed: Placed<'r>,
        expr: &'r Expr,
        stands_in: &[&'r Path],
    ) -> bool {
        match &expr.kind {
            ExprKind::Const(_) => true,
            ExprKind::Path(path) => {
                let given = matched(placed);
                SHELL_CHARACTERS.into_iter().all(|saying| {
                    let texts = TextSet::all().tested(StringTest::Contains(saying.into()), true);
                    let mut texts = Domain::texts(texts);
                    texts.bits = texts.bits.or(Bits::SURROGATE);
                    let values: Vec<_> = lacked(stands_in).chain([(path, texts)]).collect();
                    self.is_never(placed, placed.eachs().len(), &values, &given)
                })
            }
            ExprKind::Coalesce { left, right } => {
                let mut all = stands_in.to_vec();
                if let ExprKind::Path(path) = &left.kind {
                    all.push(path);
                }
                self.is_plain(placed, left, stands_in) && self.is_plain(placed, right, &all)
            }
            ExprKind::If { chosen, otherwise, .. } => {
                self.is_plain(placed, chosen, stands_in)
                    && self.is_plain(placed, otherwise, stands_in)
            }
            ExprKind::Concat(parts) => {
                parts.iter().all(|part| self.is_plain(placed, part, stands_in))
            }
            // A field that does not accept lists cannot contain texts inside one.
            ExprKind::Call { function, arguments, .. } => {
                !DECODING.contains(&function.name)
                    && function.params.iter().all(|(_, taken)| taken.within(Kinds::SCALAR))
                    && arguments.iter().all(|argument| self.is_plain(placed, argument, stands_in))
            }
            _ => false,
        }
    }

    /// Whether it is proven that a list of a rule has an element when the rule matches.
    pub(crate) fn is_filled(&mut self, placed: Placed<'r>, list: &'r Expr) -> bool {
        let ExprKind::Path(path) = &list.kind else { return false };
        let eachs = placed.eachs();
        let never = self.never(&placed.events(), &|state| {
            let (scope, mut goals) = query::bind(state, &eachs)?;
            goals.extend(query::all_true(placed.whens(), &scope));
            let variable = state.variables.get_or_add(path, &scope).ok_or(SearchOutcome::Unsure)?;
            goals.push(Goal::Variable(variable, Domain::bits(Bits::LIST).into()));
            // For an existing element, no condition is true.
            let constraint = Constraint { expr: list, scope, want: Truths::NONE };
            state.require_for_all(Universal { list: variable, constraint }, &mut goals);
            Ok(goals)
        });
        never.is_some()
    }

    fn are_there(
        &mut self,
        placed: Placed<'r>,
        around: usize,
        needs: &Needs<'r>,
        given: &[(&'r Expr, Truths)],
    ) -> bool {
        let given: Vec<_> = given
            .iter()
            .map(|(expr, truths)| (ScopedExpr { around: placed.around(expr), expr }, *truths))
            .collect();
        needs.iter().all(|(path, kinds)| {
            let mut other = Domain::from_kinds(Kinds::ANY.minus(*kinds));
            other.bits = other.bits.or(Bits::ABSENT);
            self.is_never(placed, around, &[(*path, other)], &given)
        })
    }

    /// Whether it is proven that not all paths have such values where conditions have the given
    /// truths.
    fn is_never(
        &mut self,
        placed: Placed<'r>,
        around: usize,
        values: &[(&'r Path, Domain)],
        given: &[(ScopedExpr<'r>, Truths)],
    ) -> bool {
        let eachs: Vec<_> = placed.eachs().into_iter().take(around).collect();
        let never = self.never(&placed.events(), &|state| {
            let (scope, mut goals) = query::bind(state, &eachs)?;
            goals.extend(given.iter().map(|(part, want)| constraint(*part, &scope, *want)));
            for (path, domain) in values {
                let variable =
                    state.variables.get_or_add(path, &scope).ok_or(SearchOutcome::Unsure)?;
                goals.push(Goal::Variable(variable, domain.clone().into()));
            }
            Ok(goals)
        });
        never.is_some()
    }
}

/// The values are missing or null, so that the default is used.
fn lacked<'r>(paths: &[&'r Path]) -> impl Iterator<Item = (&'r Path, Domain)> {
    paths.iter().map(|path| (*path, Domain::bits(Bits::ABSENT.or(Bits::NULL))))
}

/// The rule matches.
fn matched(placed: Placed<'_>) -> Vec<(ScopedExpr<'_>, Truths)> {
    placed.whens().map(|when| (when, Truths::TRUE)).collect()
}

/// The needs of a value that is accepted if it has these kinds; `None` if more than that decides.
fn of_value(expr: &Expr, taken: Kinds) -> Option<Needs<'_>> {
    match &expr.kind {
        ExprKind::Const(_) => Some(Vec::new()),
        ExprKind::Path(path) => Some(vec![(path, taken)]),
        ExprKind::Concat(parts) => all(parts.iter().map(|part| (part, Kinds::SCALAR))),
        ExprKind::List(items) => all(items.iter().map(|item| (item, Kinds::ANY))),
        ExprKind::Record(fields) => {
            let needed = fields.iter().filter(|field| !field.optional);
            all(needed.map(|field| (&field.value, Kinds::ANY)))
        }
        // If the left side is missing, the right side is used.
        ExprKind::Coalesce { right, .. } => of_value(right, taken),
        ExprKind::Neg(inner) => of_value(inner, Kinds::NUMBER.or(Kinds::DURATION)),
        ExprKind::Call { function, arguments, .. }
            if function.takes_elements().is_none() && !function.returns.may_be_absent() =>
        {
            all(arguments.iter().zip(function.params).map(|(part, (_, taken))| (part, *taken)))
        }
        _ => None,
    }
}

fn all<'r>(parts: impl Iterator<Item = (&'r Expr, Kinds)>) -> Option<Needs<'r>> {
    let needs = parts.map(|(part, taken)| of_value(part, taken));
    Some(needs.collect::<Option<Vec<_>>>()?.concat())
}

/// The needs of a condition to be defined, as alternatives; empty if more than that decides.
fn of_condition(expr: &Expr) -> Vec<Needs<'_>> {
    match &expr.kind {
        ExprKind::Compare { op, left, right } => {
            let kinds = Kinds::SINGLE.into_iter().filter(|kind| {
                kind.within(if op.is_order() { Kinds::ORDERED } else { Kinds::SCALAR })
            });
            kinds.filter_map(|kind| both(left, right, kind)).collect()
        }
        ExprKind::TextTest { left, right, .. } => {
            both(left, right, Kinds::STRING).into_iter().collect()
        }
        ExprKind::Pattern { value, .. } => side(value, Kinds::STRING).into_iter().collect(),
        ExprKind::Call { .. } => side(expr, Kinds::BOOL).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn both<'r>(left: &'r Expr, right: &'r Expr, kind: Kinds) -> Option<Needs<'r>> {
    Some([side(left, kind)?, side(right, kind)?].concat())
}

/// The needs of an operand to have a kind; `None` if it may have another kind regardless.
fn side(expr: &Expr, kind: Kinds) -> Option<Needs<'_>> {
    let own = match &expr.kind {
        ExprKind::Path(_) => kind,
        ExprKind::Const(value) => value.kind(),
        ExprKind::Concat(_) => Kinds::STRING,
        ExprKind::Call { function, .. } => match &function.returns {
            Returns::Of(kinds) => *kinds,
            Returns::Words(_) => Kinds::STRING,
            Returns::Int => Kinds::NUMBER,
            _ => return None,
        },
        _ => return None,
    };
    if own == kind { of_value(expr, kind) } else { None }
}
