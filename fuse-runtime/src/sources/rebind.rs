//! Changing the events of a source while it serves.

use async_trait::async_trait;

use super::{EventBinding, SourceContext, SourceError};

/// Changes the events of a source while it serves. A reload prepares all sources first, and commits the changes only
/// if nothing failed.
#[async_trait]
pub trait Rebind: Send + Sync + 'static {
    /// Checks the new events and opens their ports. What is served does not change until
    /// [`PreparedEvents::commit`]. Without any event, the source has nothing to serve, but goes on.
    ///
    /// The intake of the context uses the new rules; a clone of it belongs to the new events.
    ///
    /// # Errors
    /// Why the events cannot be bound.
    async fn prepare(
        &self,
        events: Vec<EventBinding>,
        context: &SourceContext,
    ) -> Result<Box<dyn PreparedEvents>, SourceError>;
}

/// Events that are ready to be served. Dropping them closes what was opened for them.
pub trait PreparedEvents: Send {
    /// What is bound, for people, as [`BoundSource::listening`](super::BoundSource::listening) shows it.
    fn listening(&self) -> Vec<String>;

    /// Serves these events from now on, instead of the former ones.
    fn commit(self: Box<Self>);
}
