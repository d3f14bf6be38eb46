//! Checks the keys and parameters of clauses of flow control.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;

use super::Checker;
use super::fuse_settings::pending;
use super::operands::absence_of;
use super::scope::Scope;
use super::sensors::repeated_clause;
use crate::diagnostic::{Code, Diagnostic};
use crate::flow::Flow;
use crate::fuses::PendingActions;
use crate::literals::duration_text;
use crate::span::Span;
use crate::syntax::ast;
use crate::typed::{Expr, FlowClause, Shown, Unless, during_text};
use crate::types::Known;
use crate::value::Kinds;

/// The largest number that `after` and `limit` accept. The state of a key contains each match or action that counts, about
/// 90 bytes, and is read as a whole for each decision.
const MAX_COUNT: u32 = 10_000;

/// The largest number that `concurrency` accepts. The state of a key contains the name of each event in progress.
const MAX_CONCURRENCY: u32 = 1_000;

/// The longest wait that `quiet` and `still` accept.
const MAX_WAIT: SignedDuration = SignedDuration::from_hours(30 * 24);

impl Checker<'_> {
    /// Checks the clauses of a sensor or of a rule.
    pub(super) fn flow(
        &mut self,
        clauses: &[ast::FlowClause],
        scope: &mut Scope,
    ) -> Vec<FlowClause> {
        for word in ["during", "once", "quiet", "still", "approval"] {
            let mut same = clauses.iter().filter(|clause| clause.flow.word() == word);
            if let (Some(first), Some(second)) = (same.next(), same.next()) {
                self.report(repeated_clause(word, second.span, first.span));
            }
        }
        clauses.iter().map(|clause| self.flow_clause(clause, scope)).collect()
    }

    /// Reports a clause of a rule that lets actions wait, if its sensor has one of the kind already.
    pub(super) fn check_repeated_waits(&mut self, of_sensor: &[FlowClause], own: &[FlowClause]) {
        let may_repeat = |flow: Flow| {
            flow.holds_places() || flow.is_requires() || matches!(flow, Flow::Limit { .. })
        };
        for clause in own.iter().filter(|one| one.flow.waits() && !may_repeat(one.flow)) {
            let word = clause.flow.word();
            if let Some(first) = of_sensor.iter().find(|first| first.flow.word() == word) {
                self.report(repeated_clause(word, clause.span, first.span));
            }
        }
    }

    /// Checks the parameters of all limiters.
    pub(super) fn limiters(&mut self) {
        for limiter in self.names.limiters() {
            self.flow_parameters(&limiter.limit);
        }
    }

    fn flow_clause(&mut self, clause: &ast::FlowClause, scope: &mut Scope) -> FlowClause {
        let before = self.problems.len();
        let checked: Vec<(Expr, Known)> =
            clause.keys.iter().map(|key| self.flow_key(clause.flow, key, scope)).collect();
        let has_valid_keys = !self.has_errors_since(before);
        let unless = clause.unless.as_deref().and_then(|unless| {
            let keys = has_valid_keys.then_some((clause.keys.as_slice(), checked.as_slice()));
            self.unless(unless, keys, scope)
        });
        let keys: Vec<Expr> = checked.into_iter().map(|(key, _)| key).collect();
        let shown: Vec<String> = keys.iter().map(|key| Shown(key).to_string()).collect();
        let (mut flow, mut identity) = (clause.flow, clause.flow.identity(&shown));
        let limiter = clause.limiter.as_ref().map(|name| {
            match self.names.limiter(name) {
                Ok(limiter) => match with_limit(flow, limiter.limit.flow) {
                    Some(limited) => flow = limited,
                    None => self.report(other_kind(clause, name, limiter)),
                },
                Err(problem) => self.report(*problem),
            }
            identity = flow.text_with(Some(&name.text), &shown);
            name.text.clone()
        });
        if limiter.is_none() {
            self.flow_parameters(clause);
        }
        let hours = clause.hours.as_deref().map(|hours| Arc::new(self.hours(hours)));
        if let Some(hours) = &hours {
            identity = during_text(hours, flow.waits());
        }
        let fuses = self.held_fuses(&clause.fuses);
        if flow.is_requires() {
            let names: Vec<&str> = fuses.iter().map(|(_, name)| name.as_str()).collect();
            identity = format!("{identity} {}", names.join(", "));
        }
        let unless = unless.map(Arc::new);
        FlowClause {
            flow,
            limiter,
            // An event that ends the wait shows the keys in its reason.
            hides_keys: unless
                .as_ref()
                .is_some_and(|unless: &Arc<Unless>| unless.keys.iter().any(Expr::is_sensitive)),
            keys,
            identity,
            hours,
            unless,
            fuses,
            approvers: self.approvers(&clause.approvers),
            span: clause.span,
        }
    }

    fn flow_key(&mut self, flow: Flow, key: &ast::Expr, scope: &mut Scope) -> (Expr, Known) {
        let word = flow.word();
        let help = match flow {
            // They have no keys.
            Flow::Requires { .. } | Flow::During { .. } | Flow::Approval { .. } => "",
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
            Flow::Concurrency { .. } => {
                "name what acts one at a time, as in `concurrency 1 per body.app`"
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
        (expr, known)
    }

    fn flow_parameters(&mut self, clause: &ast::FlowClause) {
        match clause.flow {
            Flow::During { .. } => {}
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
            Flow::Concurrency { count, .. } if !(1..=MAX_CONCURRENCY).contains(&count) => self
                .report(
                    Diagnostic::error(
                        Code::E0506,
                        clause.count_span.unwrap_or(clause.span),
                        "`concurrency` takes a number from 1 to 1,000",
                    )
                    .label("out of range")
                    .help(
                        "with 0, the rule would never act; fuse stores each action that is in progress, and reads \
                         all of them for each decision",
                    ),
                ),
            Flow::Requires { within } => {
                self.wait(clause, within, "the action waits for the fuse, as in `else hold 2h`");
            }
            Flow::Quiet { length, max } => {
                self.wait(clause, length, "no other event may come, as in `quiet 2m`");
                let Some((max, span)) = max.zip(clause.max_span) else { return };
                if max <= length {
                    self.report(
                        Diagnostic::error(
                            Code::E0506,
                            span,
                            "`max` takes a duration longer than that of `quiet`",
                        )
                        .label("every burst would end here")
                        .help("write how long a burst may take, as in `quiet 2m max 10m`"),
                    );
                } else {
                    self.longest_wait("max", max, span);
                }
            }
            Flow::Still { length } => {
                self.wait(clause, length, "the action waits, as in `still 5m`");
            }
            Flow::Approval { within } => {
                self.wait(clause, within, "somebody may answer, as in `approval within 4h`");
            }
            Flow::After { .. }
            | Flow::Once { .. }
            | Flow::Limit { .. }
            | Flow::Concurrency { .. } => {}
        }
    }

    /// The fuses of `requires … else hold`.
    fn held_fuses(&mut self, names: &[ast::Text]) -> Vec<(usize, String)> {
        let mut fuses = Vec::new();
        for name in names {
            let found = self.names.fuse(name);
            let found = found.and_then(|fuse| Ok((fuse, self.names.fuse_declaration(name)?)));
            let (fuse, declared) = match found {
                Ok(found) => found,
                Err(problem) => {
                    self.report(*problem);
                    continue;
                }
            };
            if pending(declared, &mut Vec::new()) == PendingActions::Drop {
                let message = format!("the fuse `{}` drops what `else hold` holds", name.text);
                self.report(
                    Diagnostic::error(Code::E0511, name.span, message)
                        .label("nothing can wait for this fuse")
                        .related(declared.name.span, "has `pending = drop`")
                        .help("remove `pending = drop` from the fuse, or `else hold` here"),
                );
            }
            fuses.push((fuse, name.text.clone()));
        }
        fuses
    }

    /// The groups of approvers, each named once.
    fn approvers(&mut self, groups: &[ast::Text]) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for group in groups {
            let problem = |message: &str, label| {
                Diagnostic::error(Code::E0506, group.span, message).label(label).help(
                    "write groups as the admin port knows them, as in `approval by \"sre\"`; \
                     without `by`, everyone may approve who has the right `approve`",
                )
            };
            if group.text.trim().is_empty() || group.text.trim() != group.text {
                self.report(problem(
                    "a group of approvers needs a name",
                    "not the name of a group",
                ));
            } else if names.contains(&group.text) {
                self.report(problem("this group is named twice", "the second one"));
            } else {
                names.push(group.text.clone());
            }
        }
        names
    }

    /// Checks the duration of a clause that lets actions wait.
    fn wait(&mut self, clause: &ast::FlowClause, length: SignedDuration, what: &str) {
        let word = clause.flow.word();
        if length.is_zero() {
            let message = format!("`{word}` takes a duration longer than zero");
            self.report(
                Diagnostic::error(Code::E0506, clause.duration_span, message)
                    .label("waits for nothing")
                    .help(format!("write how long {what}")),
            );
        } else {
            self.longest_wait(word, length, clause.duration_span);
        }
    }

    fn longest_wait(&mut self, word: &str, length: SignedDuration, span: Span) {
        if length > MAX_WAIT {
            self.report(
                Diagnostic::error(
                    Code::E0506,
                    span,
                    format!("`{word}` takes a duration of at most {}", duration_text(MAX_WAIT)),
                )
                .label("too long")
                .help("fuse stores the event of each action that waits"),
            );
        }
    }
}

/// A clause with the number of the limiter that it uses. `None` if the limiter is of another kind.
fn with_limit(clause: Flow, limiter: Flow) -> Option<Flow> {
    Some(match (clause, limiter) {
        (Flow::Limit { .. }, Flow::Limit { .. }) => limiter.with_waits(clause.waits()),
        (Flow::Concurrency { otherwise, .. }, Flow::Concurrency { count, .. }) => {
            Flow::Concurrency { count, otherwise }
        }
        _ => return None,
    })
}

fn other_kind(clause: &ast::FlowClause, name: &ast::Text, limiter: &ast::Limiter) -> Diagnostic {
    let (word, other) = (clause.flow.word(), limiter.limit.flow.word());
    let message = format!("`{word}` cannot use the limiter `{}`", name.text);
    Diagnostic::error(Code::E0515, name.span, message)
        .label(format!("this limiter has a `{other}`"))
        .related(limiter.span, "declared here")
        .help(format!("write `{other} {}`, or declare another limiter with a `{word}`", name.text))
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
