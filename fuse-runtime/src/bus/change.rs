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
    /// Removes an event from which nothing results.
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

impl BusAnswer {
    /// Keeps the events for which there was room.
    pub(crate) fn retain_with_room(&self, events: &mut Vec<NewEvent>) {
        let Self::Accepted(publications) = self else { return };
        let mut publications = publications.iter();
        events.retain(|_| !matches!(publications.next(), Some(Publication::NoRoom(_))));
    }
}

impl BusChange {
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
