//! Converts pest's pairs to the tree: the bodies of fuses.

use jiff::SignedDuration;
use pest::iterators::Pair;

use super::Rule;
use super::ast::{Block, Blow, Fuse, Reset};
use super::blocks::Items;
use super::lower::Lower;
use crate::flow::{BlowClause, BlowCounts};
use crate::literals;
use crate::span::Span;

impl Lower<'_> {
    pub(super) fn fuse_block(&mut self, pair: Pair<'_, Rule>, fuse: &mut Fuse) {
        let mut block = Block { fields: Vec::new(), span: self.span(&pair), incomplete: false };
        let mut items = Items::default();
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::brace_open => items.open = Some(self.span(&part)),
                Rule::close => self.close(&part, items.open, "this block"),
                Rule::blow_clause => {
                    items.separate(self, &part);
                    fuse.blow.extend(self.blow(part));
                }
                Rule::reset_clause => {
                    items.separate(self, &part);
                    fuse.resets.extend(self.reset(part));
                }
                Rule::reaction_clause => {
                    items.separate(self, &part);
                    fuse.reactions.push(self.reaction(part));
                }
                _ => self.block_item(part, &mut block, &mut items, Rule::probe_fuse_item),
            }
        }
        fuse.settings = Some(block);
    }

    fn blow(&mut self, pair: Pair<'_, Rule>) -> Option<Blow> {
        let span = self.span(&pair);
        let (mut count, mut counts, mut duration) = (None, None, None);
        for part in pair.into_inner() {
            match part.as_rule() {
                // A number that is too long becomes 0, and the checker reports which values the clause accepts.
                Rule::integer => {
                    count = Some((part.as_str().parse().unwrap_or(0), self.span(&part)));
                }
                Rule::blow_counts => {
                    counts = Some(match part.as_str() {
                        "action" | "actions" => BlowCounts::Actions,
                        _ => BlowCounts::Failures,
                    });
                }
                Rule::duration | Rule::alien_duration => duration = self.duration_of(&part),
                _ => {}
            }
        }
        let ((count, count_span), (within, duration_span)) = (count?, duration?);
        let clause = BlowClause { counts: counts?, count, within };
        Some(Blow { clause, count_span, duration_span, span })
    }

    fn reset(&mut self, pair: Pair<'_, Rule>) -> Option<Reset> {
        let span = self.span(&pair);
        let mut after = None;
        for part in pair.into_inner() {
            if matches!(part.as_rule(), Rule::duration | Rule::alien_duration) {
                after = Some(self.duration_of(&part)?.0);
            }
        }
        Some(Reset { after, span })
    }

    /// A duration with its span. One that is too long is reported.
    pub(super) fn duration_of(&mut self, part: &Pair<'_, Rule>) -> Option<(SignedDuration, Span)> {
        let span = self.span(part);
        let text = match part.as_rule() {
            Rule::alien_duration => self.alien_duration(span),
            _ => part.as_str().to_owned(),
        };
        let parsed = literals::parse_duration(&text);
        if parsed.is_none() {
            self.bad_duration(span);
        }
        Some((parsed?, span))
    }
}
