//! Checks the keys and parameters of clauses of flow control.

use std::collections::BTreeMap;

use super::Checker;
use super::operands::absence_of;
use super::scope::Scope;
use super::sensors::repeated_clause;
use crate::diagnostic::{Code, Diagnostic};
use crate::flow::Flow;
use crate::syntax::ast;
use crate::typed::{Expr, FlowClause, Shown};
use crate::value::Kinds;

/// The largest number that `after` and `limit` accept. The state of a key contains each match or action that counts, about
/// 90 bytes, and is read as a whole for each decision.
const MAX_COUNT: u32 = 10_000;

impl Checker<'_> {
    /// Checks the clauses of a sensor or of a rule.
    pub(super) fn flow(
        &mut self,
        clauses: &[ast::FlowClause],
        scope: &mut Scope,
    ) -> Vec<FlowClause> {
        let mut once = clauses.iter().filter(|clause| matches!(clause.flow, Flow::Once { .. }));
        if let (Some(first), Some(second)) = (once.next(), once.next()) {
            self.report(repeated_clause("once", second.span, first.span));
        }
        clauses.iter().map(|clause| self.flow_clause(clause, scope)).collect()
    }

    /// Checks the parameters of all limiters.
    pub(super) fn limiters(&mut self) {
        for limiter in self.names.limiters() {
            self.flow_parameters(&limiter.limit);
        }
    }

    fn flow_clause(&mut self, clause: &ast::FlowClause, scope: &mut Scope) -> FlowClause {
        let keys: Vec<Expr> =
            clause.keys.iter().map(|key| self.flow_key(clause.flow, key, scope)).collect();
        let shown: Vec<String> = keys.iter().map(|key| Shown(key).to_string()).collect();
        let (mut flow, mut identity) = (clause.flow, clause.flow.identity(&shown));
        let limiter = clause.limiter.as_ref().map(|name| {
            match self.names.limiter(name) {
                Ok(limiter) => flow = limiter.limit.flow,
                Err(problem) => self.report(*problem),
            }
            identity = flow.text_with(Some(&name.text), &shown);
            name.text.clone()
        });
        if limiter.is_none() {
            self.flow_parameters(clause);
        }
        FlowClause { flow, limiter, keys, identity, span: clause.span }
    }

    fn flow_key(&mut self, flow: Flow, key: &ast::Expr, scope: &mut Scope) -> Expr {
        let word = flow.word();
        let help = match flow {
            Flow::After { .. } => {
                "name what is counted together, as in `after 3 within 1m per body.app`"
            }
            Flow::Once { .. } => {
                "name what must not repeat, as in `once per alert.fingerprint within 4h`"
            }
            Flow::Quiet { .. } => "name what belongs together, as in `quiet 5m per body.app`",
            Flow::Still { .. } => "name what is still true, as in `still 5m per alert.fingerprint`",
            Flow::Limit { .. } => {
                "name what has its own limit, as in `limit 3 per 1h per body.app`"
            }
        };
        let (expr, known) = self.expr(key, scope);
        let kinds = known.kinds();
        if expr.is_condition() || !kinds.meets(Kinds::SCALAR) && !known.ty.is_nothing() {
            let message = format!("a key of `{word}` must be a single value");
            self.report(
                Diagnostic::error(Code::E0301, key.span, message)
                    .label(format!("this is {kinds}"))
                    .help(help),
            );
        } else {
            self.require_one_kind(&expr, &known, Kinds::SCALAR, &format!("a key of `{word}`"));
            let absence = absence_of(&expr, &known);
            self.require_value(flow.words(), None, (&expr, &known), &absence, scope);
        }
        expr
    }

    fn flow_parameters(&mut self, clause: &ast::FlowClause) {
        match clause.flow {
            Flow::After { within, .. } if within.is_zero() => self.report(
                Diagnostic::error(
                    Code::E0506,
                    clause.duration_span,
                    "`after` takes a duration longer than zero",
                )
                .label("counts nothing")
                .help("write the time in which the matches are counted, as in `after 3 within 1m`"),
            ),
            Flow::After { count: 1, .. } => self.report(
                Diagnostic::error(
                    Code::E0506,
                    clause.count_span.unwrap_or(clause.span),
                    "`after` takes a number from 2 to 10,000",
                )
                .label("every match passes")
                .help("remove the clause: without it, the first match acts"),
            ),
            Flow::After { count, .. } if !(2..=MAX_COUNT).contains(&count) => self.report(
                Diagnostic::error(
                    Code::E0506,
                    clause.count_span.unwrap_or(clause.span),
                    "`after` takes a number from 2 to 10,000",
                )
                .label("out of range")
                .help(
                    "write which match acts, as in `after 3 within 1m`; fuse stores the time of each match that \
                     counts, and reads all of them for each decision",
                ),
            ),
            Flow::Once { within } if within.is_zero() => self.report(
                Diagnostic::error(
                    Code::E0506,
                    clause.duration_span,
                    "`within` takes a duration longer than zero",
                )
                .label("suppresses nothing")
                .help("write how long repetitions are suppressed, as in `4h`"),
            ),
            Flow::Limit { per, .. } if per.is_zero() => self.report(
                Diagnostic::error(
                    Code::E0506,
                    clause.duration_span,
                    "`limit` takes a duration longer than zero",
                )
                .label("limits nothing")
                .help("write the time in which the actions are counted, as in `limit 3 per 1h`"),
            ),
            Flow::Limit { count, .. } if !(1..=MAX_COUNT).contains(&count) => self.report(
                Diagnostic::error(
                    Code::E0506,
                    clause.count_span.unwrap_or(clause.span),
                    "`limit` takes a number from 1 to 10,000",
                )
                .label("out of range")
                .help(
                    "with 0, the rule would never act; fuse stores the time of each action that counts, and reads \
                     all of them for each decision",
                ),
            ),
            Flow::After { .. }
            | Flow::Once { .. }
            | Flow::Quiet { .. }
            | Flow::Still { .. }
            | Flow::Limit { .. } => {}
        }
    }
}

/// The clauses that a rule has to pass, in their order: by kind, and those of its sensor before its own. Several clauses of
/// one kind with the same keys are numbered, because each has a state of its own. A rule in shadow has its own states,
/// so the rule starts with empty ones when `shadow` is removed.
pub(super) fn joined(
    of_sensor: Vec<FlowClause>,
    own: Vec<FlowClause>,
    is_shadow: bool,
) -> Vec<FlowClause> {
    let mut all = of_sensor;
    all.extend(own);
    all.sort_by_key(|clause| clause.flow.rank());
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for clause in &mut all {
        let number = seen.entry(clause.identity.clone()).or_default();
        *number = number.saturating_add(1);
        if *number > 1 {
            clause.identity = format!("{} #{number}", clause.identity);
        }
        if is_shadow {
            clause.identity = format!("shadow {}", clause.identity);
        }
    }
    all
}
