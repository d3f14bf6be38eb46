//! What a source learns about an event that it handed in: the values of its `reply`, and its decisions.

use std::sync::Arc;
use std::time::Duration;

use fuse_rules::BlockValues;

use super::admission::admit;
use super::intake::{arriving, unreadable};
use super::{AcceptError, Accepted, Incoming, Intake};
use crate::decision_waiters::{DecisionWaiters, EventVerdict};
use crate::event::EventKey;

impl Intake {
    /// The same, whose sources can wait for the decisions about their events.
    pub(crate) fn with_decisions(mut self, decisions: Arc<DecisionWaiters>) -> Self {
        self.decisions = Some(decisions);
        self
    }

    /// The decisions about an accepted event, as soon as there are any, or `None` after this time.
    pub(super) async fn decisions(
        &self,
        source: &str,
        accepted: &Accepted,
        time: Duration,
    ) -> Option<EventVerdict> {
        let Accepted { id, name, .. } = accepted;
        let key = EventKey { source: source.to_owned(), name: name.clone(), id: id.clone() };
        self.decisions.as_ref()?.wait(&key, time).await
    }

    /// The values of the block `reply` of an accepted event, each with its name in the block; `None` if it has no such
    /// block. See [`ArrivedEvent::source_block`](fuse_rules::ArrivedEvent::source_block).
    ///
    /// # Errors
    /// Why the event cannot be read.
    pub(super) fn reply_values(
        &self,
        incoming: &Incoming,
        id: &str,
    ) -> Result<Option<BlockValues>, AcceptError> {
        let event = arriving(incoming, self.now())?;
        let plan = self.plan();
        match admit(&plan, event, Some(id.to_owned()))? {
            Some(arrived) => arrived.source_block("reply").map_err(unreadable),
            None => Ok(None),
        }
    }
}
