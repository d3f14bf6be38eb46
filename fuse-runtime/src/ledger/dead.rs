//! How a dead letter is identified among those of its event: the last part of its key in the table of
//! dead letters.

use std::borrow::Cow;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::transition::DeadEntry;

const ACTION: &str = "action/";
const DECISION: &str = "decision/";

impl<'a> DeadEntry<'a> {
    /// The entry as text. No two entries have the same text, whatever the id of an action is.
    pub(crate) fn encode(self) -> Cow<'static, str> {
        match self {
            Self::Event => Cow::Borrowed(""),
            // Enough digits for the texts to sort as the numbers do.
            Self::Decision(index) => Cow::Owned(format!("{DECISION}{index:010}")),
            Self::Action(id) => Cow::Owned(format!("{ACTION}{id}")),
        }
    }

    /// The entry that [`DeadEntry::encode`] returns `text` for.
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

/// The id of a dead letter for people: that of its action, or a hash of its event and entry.
pub(crate) fn letter_id(event: &str, entry: DeadEntry<'_>) -> String {
    match entry {
        DeadEntry::Action(id) => id.to_owned(),
        DeadEntry::Event | DeadEntry::Decision(_) => {
            let mut hash = Sha256::new();
            for part in [event, &entry.encode()] {
                // With its length, so that no two sequences of parts hash alike.
                hash.update((part.len() as u64).to_be_bytes());
                hash.update(part.as_bytes());
            }
            HEXLOWER.encode(&hash.finalize())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_distinguished() {
        let entries = [
            DeadEntry::Event,
            DeadEntry::Decision(0),
            DeadEntry::Decision(10),
            DeadEntry::Action("0000000000"),
            DeadEntry::Action("decision/0000000000"),
            DeadEntry::Action("action/x"),
        ];
        let texts = entries.map(DeadEntry::encode);
        for (entry, text) in entries.iter().zip(&texts) {
            assert_eq!(DeadEntry::decode(text), Some(*entry), "{text}");
        }
        for bad in ["x", "decision/", "decision/x"] {
            assert_eq!(DeadEntry::decode(bad), None, "{bad}");
        }
    }
}
