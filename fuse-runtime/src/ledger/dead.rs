//! What can be a dead letter, and its place in the table of them.

use std::borrow::Cow;

use fuse_rules::Outcome;

use super::read::DecidedRow;

const ACTION: &str = "action/";
const DECISION: &str = "decision/";

/// Which of what came of an event is a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dead<'a> {
    /// The event as a whole, which was refused.
    Event,
    /// The decision at this place among the event's, which was rejected.
    Decision(usize),
    /// The action of this id, which was given up.
    Action(&'a str),
}

impl<'a> Dead<'a> {
    /// As the third part of a key of the table. Whatever an action's id is, no two give the same
    /// text.
    pub(super) fn encode(self) -> Cow<'static, str> {
        match self {
            Self::Event => Cow::Borrowed(""),
            // Digits enough that the texts sort as the numbers do.
            Self::Decision(index) => Cow::Owned(format!("{DECISION}{index:010}")),
            Self::Action(id) => Cow::Owned(format!("{ACTION}{id}")),
        }
    }

    /// What [`Dead::encode`] gave `text` for.
    pub(super) fn decode(text: &'a str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::Event);
        }
        match text.strip_prefix(ACTION) {
            Some(id) => Some(Self::Action(id)),
            None => text.strip_prefix(DECISION)?.parse().ok().map(Self::Decision),
        }
    }
}

/// What is dead about an event from the moment it is decided: all of it, or what was rejected.
pub(super) fn from_the_start(row: &DecidedRow) -> Vec<Dead<'static>> {
    if row.rejected.is_some() {
        return vec![Dead::Event];
    }
    let decisions = row.decisions.iter().enumerate();
    decisions
        .filter(|(_, decision)| decision.outcome == Outcome::Rejected)
        .map(|(index, _)| Dead::Decision(index))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_apart() {
        let places = [
            Dead::Event,
            Dead::Decision(0),
            Dead::Decision(10),
            Dead::Action("0000000000"),
            Dead::Action("decision/0000000000"),
            Dead::Action("action/x"),
        ];
        let texts = places.map(Dead::encode);
        for (place, text) in places.iter().zip(&texts) {
            assert_eq!(Dead::decode(text), Some(*place), "{text}");
        }
        for bad in ["x", "decision/", "decision/x"] {
            assert_eq!(Dead::decode(bad), None, "{bad}");
        }
    }
}
