//! The right to change the record of one action.

use tokio::time::Instant;

use super::EventAction;
use crate::event::EventKey;

/// The right to change the record of one action, from the state in which it was read or written last.
///
/// [`EventAction::permit`] gives the permit of a record that was read, and each change gives the
/// permit of the next one. A backend that several processes share refuses a permit whose record
/// changed meanwhile with [`LedgerError::Fenced`](super::LedgerError::Fenced). The embedded backend
/// belongs to one process, so that its permits never expire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    event: EventKey,
    action: String,
    revision: u64,
    fire_before: Option<Instant>,
}

impl Permit {
    /// The permit of `action` of `event`, whose record has the revision `revision`.
    pub fn new(event: EventKey, action: String, revision: u64) -> Self {
        Self { event, action, revision, fire_before: None }
    }

    /// The same permit, with which the action must be fired before `deadline`.
    #[must_use]
    pub fn with_deadline(self, deadline: Instant) -> Self {
        Self { fire_before: Some(deadline), ..self }
    }

    /// The event of the action.
    pub fn event(&self) -> &EventKey {
        &self.event
    }

    /// The id of the action.
    pub fn action(&self) -> &str {
        &self.action
    }

    /// The revision of the record that may be changed.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether the action may still be fired. Another process may take the action over later.
    pub fn may_fire(&self) -> bool {
        self.fire_before.is_none_or(|deadline| Instant::now() < deadline)
    }
}

impl EventAction {
    /// The permit to change the record from this state.
    pub fn permit(&self) -> Permit {
        Permit::new(self.event.clone(), self.action.id.clone(), self.action.revision)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_permit_with_a_deadline_permits_to_fire_until_then() {
        let event = EventKey { source: "github".into(), name: "push".into(), id: "1".into() };
        let permit = Permit::new(event, "act".into(), 7);
        assert!(permit.may_fire());
        let permit = permit.with_deadline(Instant::now() + Duration::from_secs(5));
        assert!(permit.may_fire());
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(!permit.may_fire());
        assert_eq!(permit.revision(), 7);
    }
}
