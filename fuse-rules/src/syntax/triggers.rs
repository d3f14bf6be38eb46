//! Converts pest's pairs to the tree: triggers.

use pest::iterators::Pair;

use super::Rule;
use super::ast::{RetryClause, TimeoutClause, Trigger};
use super::lower::Lower;
use crate::attempts::{Backoff, Retry};

impl Lower<'_> {
    pub(super) fn trigger(&mut self, pair: Pair<'_, Rule>) -> Option<Trigger> {
        let (mut kind, mut retry, mut timeout, mut block) = (None, None, None, None);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::ident => kind = Some(self.text_of(&part)),
                Rule::alien_colon => self.alien_colon(&part),
                Rule::retry_part => retry = self.retry(part),
                Rule::timeout_part => timeout = self.timeout(part),
                Rule::block => block = Some(self.block(part)),
                _ => {}
            }
        }
        Some(Trigger { kind: kind?, retry, timeout, block: block? })
    }

    fn retry(&mut self, pair: Pair<'_, Rule>) -> Option<RetryClause> {
        let (mut count, mut backoff) = (None, None);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::integer => {
                    let span = self.span(&part);
                    // The checker reports which numbers the clause accepts.
                    count = Some((part.as_str().parse().unwrap_or(u32::MAX), span));
                }
                Rule::backoff_range => {
                    let span = self.span(&part);
                    let mut ends = Vec::new();
                    for part in part.into_inner().filter(|part| part.as_rule() == Rule::duration) {
                        ends.push(self.duration_of(&part)?.0);
                    }
                    if let [first, max] = ends.as_slice() {
                        backoff = Some((Backoff { first: *first, max: *max }, span));
                    }
                }
                _ => {}
            }
        }
        let (count, count_span) = count?;
        let (backoff, backoff_span) = backoff.unzip();
        Some(RetryClause { retry: Retry { count, backoff }, count_span, backoff_span })
    }

    fn timeout(&mut self, pair: Pair<'_, Rule>) -> Option<TimeoutClause> {
        let span = self.span(&pair);
        let duration = pair.into_inner().find(|part| part.as_rule() == Rule::duration)?;
        let (timeout, _) = self.duration_of(&duration)?;
        Some(TimeoutClause { timeout, span })
    }
}
