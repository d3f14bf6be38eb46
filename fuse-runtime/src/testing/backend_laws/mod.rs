//! The laws of a storage backend, as a test suite for any [`Backend`].
//!
//! A backend that keeps all of them can run the engine. Write a [`Fixture`] that opens the backend on
//! an empty state, and call [`check`]. Each law is a function of its own as well, in [`bus`], [`acks`],
//! [`decisions`], [`flow`], [`waits`], [`queues`], [`approval`], [`concurrency`], [`holds`], [`replaced`], [`actions`],
//! [`reactions`], [`threads`], [`history`], [`fuses`], [`blow`], [`states`] and [`retention`].
//!
//! ```
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//!
//! use async_trait::async_trait;
//! use fuse_runtime::backend::{Backend, BackendError};
//! use fuse_runtime::testing::MemoryBackend;
//! use fuse_runtime::testing::backend_laws::{self, Fixture};
//!
//! struct InMemory(MemoryBackend);
//!
//! #[async_trait]
//! impl Fixture for InMemory {
//!     async fn open(&self) -> Result<Arc<dyn Backend>, BackendError> {
//!         Ok(Arc::new(self.0.restarted()))
//!     }
//! }
//!
//! backend_laws::check(|| InMemory(MemoryBackend::new())).await?;
//! # Ok(())
//! # }
//! # tokio::runtime::Runtime::new().unwrap().block_on(run()).unwrap();
//! ```

#[macro_use]
pub(crate) mod support;

pub mod acks;
pub mod actions;
pub mod approval;
pub mod blow;
pub mod bus;
pub mod concurrency;
pub mod decisions;
pub mod flow;
pub mod fuses;
pub mod history;
pub mod holds;
pub mod queues;
pub mod reactions;
pub mod replaced;
pub mod retention;
pub mod states;
pub mod threads;
pub mod waits;

#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _};

use crate::backend::{Backend, BackendError};

pub use support::Violation;

/// A durable state, and how to open the backend on it.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// Opens the backend. The first call finds an empty state; each later call finds what was written
    /// before. The laws drop the earlier backend without closing it, as a crash does.
    ///
    /// # Errors
    ///
    /// The backend cannot be opened.
    async fn open(&self) -> Result<Arc<dyn Backend>, BackendError>;

    /// Opens the backend so that its bus refuses new events while `max_backlog` events wait. `None` if
    /// the backend has no such limit, which skips the laws about it.
    ///
    /// # Errors
    ///
    /// The backend cannot be opened.
    async fn open_with_max_backlog(
        &self,
        max_backlog: u64,
    ) -> Result<Option<Arc<dyn Backend>>, BackendError> {
        let _ = max_backlog;
        Ok(None)
    }
}

/// One law: its name, and the function that checks it on a new [`Fixture`].
#[derive(Clone, Copy)]
pub struct Law {
    name: &'static str,
    check: for<'a> fn(&'a dyn Fixture) -> Checked<'a>,
}

type Checked<'a> = Pin<Box<dyn Future<Output = Result<(), Violation>> + Send + 'a>>;

impl std::fmt::Debug for Law {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Law").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Law {
    /// The name of the law, as in `bus::a_nacked_event_is_delivered_again`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Checks the law. The fixture must be new: each law starts with an empty state.
    ///
    /// # Errors
    ///
    /// The backend breaks the law.
    pub async fn check(&self, fixture: &dyn Fixture) -> Result<(), LawError> {
        let Self { name: law, check } = *self;
        check(fixture).await.map_err(|violation| LawError { law, violation })
    }
}

/// A backend breaks a law.
#[derive(Debug, thiserror::Error)]
#[error("the backend breaks the law `{law}`: {violation}")]
pub struct LawError {
    /// The name of the law.
    pub law: &'static str,
    /// How the backend breaks it.
    #[source]
    pub violation: Violation,
}

/// How many laws are checked concurrently.
const CONCURRENT_LAWS: usize = 8;

/// Checks every law, each on a fixture of its own, some of them concurrently.
///
/// # Errors
///
/// The first law in the order of [`laws`] that the backend breaks.
pub async fn check<F: Fixture>(new_fixture: impl Fn() -> F) -> Result<(), LawError> {
    let checks = laws().iter().map(|law| {
        let fixture = new_fixture();
        async move { law.check(&fixture).await }
    });
    futures_util::stream::iter(checks).buffered(CONCURRENT_LAWS).try_collect().await
}

macro_rules! laws {
    ($($module:ident: [$($law:ident),* $(,)?]),* $(,)?) => {
        /// All laws.
        pub fn laws() -> &'static [Law] {
            &[$($(Law {
                name: concat!(stringify!($module), "::", stringify!($law)),
                check: |fixture| Box::pin($module::$law(fixture)),
            },)*)*]
        }
    };
}

laws! {
    acks: [
        an_acknowledged_event_stays_known,
        an_event_that_no_rule_matches_is_recorded_when_it_is_acknowledged,
        a_late_acknowledgement_does_not_remove_a_later_event,
    ],
    bus: [
        events_are_delivered_in_the_order_of_acceptance_and_once,
        an_event_is_delivered_as_it_was_published,
        a_waiting_consumer_wakes_for_a_new_event,
        dropping_next_loses_nothing,
        consumers_share_the_events,
        a_nacked_event_is_delivered_again,
        a_nacked_event_is_not_delivered_before_its_time,
        an_extended_delivery_is_still_the_same,
        a_repeat_is_known_and_another_body_is_a_conflict,
        a_batch_is_answered_event_by_event,
        a_full_queue_refuses_only_new_events,
        what_is_not_acknowledged_is_delivered_again_after_a_crash,
        a_closed_backend_reports_that,
    ],
    decisions: [
        an_event_is_decided_once,
        a_decision_survives_a_crash,
        an_event_that_was_not_accepted_is_not_decided,
        a_verdict_that_contradicts_itself_records_nothing,
        a_refused_event_is_one_dead_letter,
        rejected_decisions_are_dead_letters_that_survive_a_crash,
        one_id_of_two_event_names_is_two_events,
        events_are_found_by_id,
    ],
    flow: [
        a_held_key_suppresses_until_its_window_ends,
        a_key_is_held_after_a_crash,
        a_limit_lets_no_more_through_than_its_number,
        rules_share_the_places_of_a_limiter,
        matches_are_counted_across_crashes,
        an_action_in_shadow_is_recorded_and_never_performed,
        the_owner_of_a_key_is_granted_it_again,
        the_first_of_two_elements_with_one_key_is_granted_it,
        a_decision_that_did_not_fire_claims_no_key,
    ],
    queues: [a_queue_is_served_in_order, a_queue_obeys_the_current_rules],
    waits: [
        a_wait_is_released_once_when_it_is_due,
        waits_are_due_in_order,
        hours_begin_by_the_time_of_day,
        a_cancelled_wait_is_never_due,
        a_newer_occurrence_supersedes_the_one_that_waits,
        a_wait_that_is_over_asks_the_other_clauses,
        what_is_released_can_blow_a_fuse,
        what_waits_is_not_pruned,
    ],
    replaced: [the_newest_match_replaces_the_oldest],
    holds: [what_waits_for_a_fuse_goes_on_when_it_is_on],
    concurrency: [
        the_first_one_that_waits_gets_a_free_place,
        an_action_with_an_object_ends_with_it,
        an_end_with_reactions_frees_the_place,
        an_occurrence_keeps_its_place_until_its_last_action_ended,
        no_more_are_in_progress_than_the_number,
        a_raised_number_applies_to_what_waits,
        what_a_fuse_gates_takes_no_place,
        what_is_in_progress_is_not_pruned,
        one_that_waits_for_a_place_asks_again,
    ],
    actions: [
        an_action_becomes_pending_then_intended_then_done,
        an_intent_survives_a_crash,
        a_settled_action_does_not_change,
        unknown_actions_and_wrong_states_are_refused,
        an_action_is_identified_by_its_event_and_its_id,
        dead_letters_are_listed_newest_first_and_can_be_replayed,
        unsettled_actions_are_listed_in_pages,
        a_held_action_is_listed_until_it_is_settled,
        held_actions_survive_a_crash_and_are_listed_in_pages,
        an_observation_is_news_once_and_a_terminal_one_is_final,
        running_objects_are_listed_in_pages,
    ],
    reactions: [
        a_reaction_is_recorded_once,
        reactions_pass_flow_control_and_can_be_rejected,
        an_end_and_its_reactions_are_one_commit,
        an_observation_and_its_reactions_are_one_commit,
    ],
    threads: [
        a_thread_is_recorded_with_the_end_of_its_action,
        the_last_message_of_a_thread_replaces_the_one_on_record,
        a_thread_that_is_over_is_pruned,
    ],
    history: [
        events_are_listed_newest_first_and_filtered,
        an_operation_resolves_its_dead_letter_once,
        a_replay_is_an_event_that_is_accepted_once,
        a_preview_records_nothing,
    ],
    fuses: [
        the_last_switch_of_a_fuse_survives_a_crash,
        a_switch_is_recorded_once_and_old_ones_are_forgotten,
        switches_are_not_pruned,
    ],
    approval: [
        what_is_approved_is_due_at_once,
        what_is_declined_ends_at_once,
        what_nobody_answers_expires,
        what_waits_is_listed,
    ],
    blow: [
        the_action_that_is_one_too_many_blows_its_fuse,
        a_switch_closes_a_blown_fuse,
        no_more_actions_pass_than_the_fuse_lets_through,
        clauses_come_before_the_fuse,
        a_preview_blows_nothing,
        failures_blow_a_fuse,
        an_event_names_the_fuses_that_it_blew,
        the_failures_of_reactions_do_not_count,
    ],
    states: [
        states_are_listed_in_words,
        states_are_listed_in_pages,
        what_is_in_progress_is_listed_with_its_object,
        sensitive_values_are_not_recorded,
        an_event_cancels_by_a_sensitive_value,
    ],
    retention: [
        only_old_acknowledged_settled_events_are_pruned,
        dead_letters_are_pruned_with_their_event,
        pruning_skips_the_events_that_stay,
        a_pruned_event_is_accepted_as_a_new_one,
    ],
}
