//! Checks the clauses of triggers: `retry 5 backoff 1s..1m`, `timeout 10s`.

use jiff::SignedDuration;

use super::Checker;
use crate::attempts::{AttemptPolicy, Backoff};
use crate::diagnostic::{Code, Diagnostic};
use crate::literals::duration_text;
use crate::schema::Schema;
use crate::syntax::ast::{Block, RetryClause, TimeoutClause, Trigger};

/// The largest number that `retry` accepts.
const MAX_RETRIES: u32 = 100;
/// The shortest and the longest delay that `backoff` accepts.
const MIN_BACKOFF: SignedDuration = SignedDuration::from_millis(100);
const MAX_BACKOFF: SignedDuration = SignedDuration::from_hours(24);
/// The longest duration that `timeout` accepts. An attempt occupies a slot for actions as long as it takes.
const MAX_TIMEOUT: SignedDuration = SignedDuration::from_mins(1);

/// The words of clauses that are mistaken for fields.
const WORDS: [&str; 3] = ["retry", "backoff", "timeout"];

impl Checker<'_> {
    /// Reports and removes clauses that are written like fields.
    pub(super) fn misplaced_clauses(&mut self, block: &mut Block, schema: &Schema) {
        let is_field = |key: &str| schema.fields().iter().any(|field| field.name() == key);
        block.fields.retain(|field| {
            let key = &field.key;
            let is_clause = WORDS.contains(&key.text.as_str()) && !is_field(&key.text);
            if is_clause {
                let message = format!("there is no field `{}`", key.text);
                self.report(
                    Diagnostic::error(Code::E0401, key.span, message)
                        .label("not known here")
                        .help(format!(
                            "write it before the block, as in `trigger {} retry 5 backoff 1s..1m timeout 10s {{ … }}`",
                            schema.kind()
                        )),
                );
            }
            !is_clause
        });
    }

    /// How a trigger of this schema is attempted.
    pub(super) fn attempts(&mut self, trigger: &Trigger, schema: &Schema) -> AttemptPolicy {
        if let Some(clause) = &trigger.retry {
            self.check_retry(clause);
        }
        if let Some(clause) = &trigger.timeout {
            self.check_timeout(clause, trigger, schema);
        }
        AttemptPolicy {
            retry: trigger.retry.map(|clause| clause.retry),
            timeout: trigger.timeout.map(|clause| clause.timeout),
        }
    }

    fn check_retry(&mut self, clause: &RetryClause) {
        if clause.retry.count > MAX_RETRIES {
            let message = format!("`retry` takes a number from 0 to {MAX_RETRIES}");
            let problem = Diagnostic::error(Code::E0506, clause.count_span, message);
            self.report(problem.label("out of range").help(
                "write how often to try again after the first attempt; with `retry 0`, there is one attempt",
            ));
        }
        let Some((Backoff { first, max }, span)) = clause.retry.backoff.zip(clause.backoff_span)
        else {
            return;
        };
        let (from, to) = (duration_text(first), duration_text(max));
        if first > max {
            self.report(
                Diagnostic::error(
                    Code::E0524,
                    span,
                    format!("the first delay, {from}, is longer than the longest, {to}"),
                )
                .label("the delays begin with the first duration and grow to the second")
                .help(format!("write `backoff {to}..{from}`")),
            );
        } else if first < MIN_BACKOFF || max > MAX_BACKOFF {
            let (shortest, longest) = (duration_text(MIN_BACKOFF), duration_text(MAX_BACKOFF));
            let message = format!("`backoff` takes delays from {shortest} to {longest}");
            let problem = Diagnostic::error(Code::E0506, span, message).label("out of range");
            self.report(
                problem
                    .help("write the first and the longest delay, as in `retry 5 backoff 1s..1m`"),
            );
        } else if clause.retry.count == 0 {
            let problem = Diagnostic::error(Code::E0524, span, "`retry 0` has no delays");
            self.report(
                problem
                    .label("there is only one attempt")
                    .help("remove `backoff`, or write how often to try again"),
            );
        }
    }

    fn check_timeout(&mut self, clause: &TimeoutClause, trigger: &Trigger, schema: &Schema) {
        let TimeoutClause { timeout, span } = *clause;
        if timeout.is_zero() || timeout > MAX_TIMEOUT {
            let longest = duration_text(MAX_TIMEOUT);
            let message = format!("`timeout` takes a duration from 1ms to {longest}");
            let problem = Diagnostic::error(Code::E0506, span, message).label("out of range");
            self.report(problem.help("write how long one attempt may take, as in `timeout 10s`"));
        }
        let is_field = schema.fields().iter().any(|field| field.name() == "timeout");
        let written = trigger.block.fields.iter().find(|field| field.key.text == "timeout");
        if let Some(field) = written.filter(|_| is_field) {
            self.report(
                Diagnostic::error(Code::E0524, span, "this trigger has two timeouts")
                    .label("one as a clause")
                    .related(field.key.span, "and one as a field")
                    .help("remove the field; the clause limits the same request"),
            );
        }
    }
}
