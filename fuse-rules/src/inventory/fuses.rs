//! The declared fuses, as data.

use jiff::SignedDuration;

use super::ReactionInfo;
use crate::flow::{BlowClause, BlowingFuse};
use crate::fuses::PendingActions;
use crate::literals::duration_text;
use crate::ruleset::Ruleset;
use crate::span::Span;
use crate::typed;

/// A declared fuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FuseInfo<'a> {
    /// Its name.
    pub name: &'a str,
    /// The comment above it.
    pub doc: Option<&'a str>,
    /// Whether it is on unless something sets it.
    pub default_on: bool,
    /// What becomes of pending actions while it is off.
    pub pending: PendingActions,
    /// How long after it blew it closes by itself. `None` if a person has to close it.
    pub reset_after: Option<SignedDuration>,
    blow: &'a [(BlowClause, Span)],
}

impl FuseInfo<'_> {
    /// When it blows.
    pub fn blow(&self) -> impl Iterator<Item = BlowClause> {
        self.blow.iter().map(|(clause, _)| *clause)
    }

    /// When it blows and closes, clause by clause as in rules. Empty if it does not blow.
    pub fn blow_texts(&self) -> Vec<String> {
        let mut texts: Vec<String> = self.blow().map(|clause| clause.to_string()).collect();
        if !texts.is_empty() {
            texts.push(match self.reset_after {
                Some(after) => format!("reset after {}", duration_text(after)),
                None => "reset manually".to_owned(),
            });
        }
        texts
    }

    /// What makes it blow. `None` if nothing does.
    pub fn blowing(&self) -> Option<BlowingFuse> {
        typed::blowing(self.name, self.blow, self.reset_after, self.pending)
    }
}

impl Ruleset {
    /// The declared fuses.
    pub fn fuses(&self) -> impl Iterator<Item = FuseInfo<'_>> {
        self.typed().fuses.iter().map(|fuse| FuseInfo {
            name: &fuse.name,
            doc: fuse.doc.as_deref(),
            default_on: fuse.default_on,
            pending: fuse.pending,
            reset_after: fuse.reset_after,
            blow: &fuse.blow,
        })
    }

    /// The fuses that do something when they blow, with their reactions.
    pub fn fuse_reactions(&self) -> impl Iterator<Item = (&str, ReactionInfo<'_>)> {
        self.typed().fuses.iter().filter_map(|fuse| {
            let reaction = fuse.reaction.as_ref()?;
            Some((fuse.name.as_str(), self.reaction(reaction)))
        })
    }
}
