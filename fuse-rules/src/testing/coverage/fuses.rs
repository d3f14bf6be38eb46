//! Coverage of the clauses that blow fuses.

use serde::Serialize;

use super::super::execute::SentEvent;
use crate::flow::{BlowCounts, BlownFuse};
use crate::span::Span;
use crate::typed::Fuse;

/// Whether tests covered a clause that blows a fuse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FuseCoverage {
    /// The name of the fuse.
    pub fuse: String,
    /// The clause, as in `blow after 20 actions within 10m`, or `on blown`.
    pub clause: String,
    /// Its span.
    #[serde(skip)]
    pub span: Span,
    /// The same location as `file:line:column`.
    pub place: String,
    /// Whether it blew the fuse.
    pub blew: bool,
}

/// The clauses that tests can cover, with nothing covered yet. No action fails in a test.
pub(super) fn uncovered(fuses: &[Fuse], place: impl Fn(Span) -> String) -> Vec<FuseCoverage> {
    let all = fuses.iter().flat_map(|fuse| fuse.blow.iter().map(move |one| (fuse, one)));
    let counted = all.filter(|(_, (clause, _))| clause.counts == BlowCounts::Actions);
    let uncovered = counted.map(|(fuse, (clause, span))| FuseCoverage {
        fuse: fuse.name.clone(),
        clause: clause.to_string(),
        span: *span,
        place: place(*span),
        blew: false,
    });
    // No test covers the reaction of a fuse that counts only failures.
    let blows = |fuse: &&Fuse| fuse.blow.iter().any(|(one, _)| one.counts == BlowCounts::Actions);
    let reactions = fuses.iter().filter(blows).filter_map(|fuse| {
        let reaction = fuse.reaction.as_ref()?;
        Some(FuseCoverage {
            fuse: fuse.name.clone(),
            clause: "on blown".to_owned(),
            span: reaction.span,
            place: place(reaction.span),
            blew: false,
        })
    });
    uncovered.chain(reactions).collect()
}

/// Adds the fuses that these events blew.
pub(super) fn cover(all: &mut [FuseCoverage], events: &[SentEvent<'_>]) {
    for own in all {
        let is_own = |(_, one): &(String, BlownFuse)| {
            one.fuse == own.fuse
                && (own.clause == "on blown" || one.clause.to_string() == own.clause)
        };
        own.blew = events.iter().flat_map(|sent| &sent.blows).any(is_own);
    }
}
