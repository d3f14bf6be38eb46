//! Who asks to pass.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// How many bytes of the hash of an owner are stored.
const HASH_BYTES: usize = 16;

/// An occurrence that asks to pass the clauses of a rule: an event, and possibly one of its elements. The owner of a
/// place keeps it, however often it asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Distinguishes it from all other occurrences of the rule.
    pub id: String,
    /// Its name for people, such as ``event `a` ``.
    pub name: String,
}

impl Owner {
    /// The owner for an event, by its id and its name for people, and for the index path of an element.
    ///
    /// ```
    /// use fuse_rules::flow::Owner;
    ///
    /// let owner = Owner::new("github.push/a", "event `a`", Some(&[0, 2]));
    /// assert_eq!((&*owner.id, &*owner.name), ("github.push/a [0,2]", "element 0, 2 of event `a`"));
    /// ```
    pub fn new(event: &str, name: &str, element: Option<&[u32]>) -> Self {
        let id = format!("{event} {}", serde_json::json!(element));
        let name = match element {
            Some(path) => {
                let path: Vec<_> = path.iter().map(u32::to_string).collect();
                format!("element {} of {name}", path.join(", "))
            }
            None => name.to_owned(),
        };
        Self { id, name }
    }

    /// The id of the event of the owner with this id.
    pub(super) fn event_of(id: &str) -> &str {
        id.rsplit_once(' ').map_or(id, |(event, _)| event)
    }

    /// The same occurrence of one of several rules that share a state.
    pub(super) fn of_rule(&self, rule: &str) -> Self {
        Self { id: format!("{rule} {}", self.id), name: self.name.clone() }
    }

    /// One of its actions, by its number.
    pub(super) fn part(&self, number: usize) -> Self {
        Self { id: format!("{} {number}", self.id), name: self.name.clone() }
    }

    /// A hash of its id, for states with many owners.
    pub(super) fn hash(&self) -> u128 {
        let digest = Sha256::digest(self.id.as_bytes());
        let bytes = digest.iter().take(HASH_BYTES);
        bytes.fold(0, |number, byte| number << 8 | u128::from(*byte))
    }
}
