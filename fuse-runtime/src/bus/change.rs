//! The changes of the queue.

use std::sync::Arc;

use redb::WriteTransaction;
use serde::{Deserialize, Serialize};

use super::queue::{self, NewEvent, Publication};
use crate::change::Origin;
use crate::store::{Capacity, StoreError, WithoutDecisions};

/// A change of the queue.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum BusChange {
    /// Accepts events, unless more than `limit` would wait.
    Accept {
        events: Vec<NewEvent>,
        limit: u64,
        /// Whether there is room for more. Only this process knows.
        #[serde(skip)]
        capacity: Option<Arc<Capacity>>,
    },
    /// Removes events that are done.
    Remove(Vec<u64>),
    /// Removes an event that no rule matches.
    Finish { seq: u64, nothing: WithoutDecisions },
}

/// What a change of the queue gave.
#[derive(Debug)]
pub(crate) enum BusAnswer {
    /// What became of each event, in their order.
    Accepted(Vec<Publication>),
    /// How many events wait now.
    Removed { backlog: u64 },
}

impl BusChange {
    /// The change without the events that the answer refuses for lack of room, if there are some.
    pub(crate) fn without_refused(&self, answer: &BusAnswer) -> Option<Self> {
        let Self::Accept { events, limit, .. } = self else { return None };
        let BusAnswer::Accepted(publications) = answer else { return None };
        let is_refused = |publication: &Publication| matches!(publication, Publication::NoRoom(_));
        if !publications.iter().any(is_refused) {
            return None;
        }
        let kept = events.iter().zip(publications).filter(|(_, one)| !is_refused(one));
        let events = kept.map(|(event, _)| event.clone()).collect();
        Some(Self::Accept { events, limit: *limit, capacity: None })
    }

    pub(crate) fn apply(
        &mut self,
        transaction: &WriteTransaction,
        origin: Option<&Origin>,
    ) -> Result<BusAnswer, StoreError> {
        match self {
            Self::Accept { events, limit, capacity } => {
                let mut publications = Vec::with_capacity(events.len());
                for event in events {
                    let room = (*limit, capacity.as_deref());
                    publications.push(queue::accept(transaction, event, room, origin)?);
                }
                Ok(BusAnswer::Accepted(publications))
            }
            Self::Remove(events) => {
                let mut backlog = 0;
                for seq in events {
                    backlog = queue::finish(transaction, *seq, None)?;
                }
                Ok(BusAnswer::Removed { backlog })
            }
            Self::Finish { seq, nothing } => {
                let backlog = queue::finish(transaction, *seq, Some(nothing))?;
                Ok(BusAnswer::Removed { backlog })
            }
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Accept { events, .. } => events.iter().map(|event| event.row.len()).sum(),
            Self::Remove(_) | Self::Finish { .. } => 0,
        }
    }
}
