//! The threads of messages: which message began each, so that later ones answer or replace it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::triggers::hash_of;

/// What the messages of a thread have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ThreadKey {
    /// The kind of trigger.
    pub trigger: String,
    /// The channel as the trigger names it.
    pub channel: String,
    /// The key that the rule gives.
    pub key: String,
}

impl ThreadKey {
    /// A text of bounded length that identifies it.
    pub(crate) fn encode(&self) -> String {
        hash_of(&[&self.trigger, &self.channel, &self.key])
    }
}

/// A message as its server names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadMessage {
    /// The id of its channel.
    pub channel: String,
    /// Its id in the channel.
    pub message: String,
}

/// A thread on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thread {
    /// What its messages have in common.
    pub key: ThreadKey,
    /// The message that began it.
    pub first: ThreadMessage,
    /// When it is forgotten, in steady time.
    pub until: Timestamp,
}
