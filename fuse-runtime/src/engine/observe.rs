//! Observing the objects that actions created: whether an action helped is in the ledger and the
//! metrics.
//!
//! There is one watch for each kind and namespace in which the rules create objects, or an action in progress did. Objects of other
//! ledgers are ignored.

use std::collections::{BTreeMap, HashSet};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use super::reactions::{Reactions, is_invalid};
use crate::clock::Clock;
use crate::event::EventKey;
use crate::kubernetes::{Cluster, Followed, Scope, Seen};
use crate::ledger::{
    ActionRecord, ActionState, DeadLetterKind, EventAction, Ledger, LedgerError, Observed,
    ObservedResult, StartedObject,
};
use crate::metrics::Metrics;
use crate::shutdown::Shutdown;

/// How long to wait before a watch that failed is restarted.
const RESTART_DELAY: Duration = Duration::from_secs(2);
/// How many actions are read from the ledger at once.
const PAGE_SIZE: usize = 256;

/// Observes the objects of actions.
pub(crate) struct Follower {
    pub(crate) cluster: Cluster,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Clock,
    pub(crate) reactions: Reactions,
    /// Why a watch does not work, for each one that does not.
    pub(crate) problems: Arc<Mutex<BTreeMap<Watch, String>>>,
    /// Whether this process is the keeper.
    pub(crate) keeper: Arc<watch::Sender<bool>>,
}

/// Which objects are watched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Watch {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) scope: Scope,
}

/// Waits until a time has passed. Never returns if there is none.
async fn passed(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// An object as it was seen last, which is gone.
struct LastSeen {
    api_version: String,
    kind: String,
    followed: Followed,
}

/// The object of an action as it was seen last. `None` if it was never seen, and may have been created after this time.
fn last_seen(one: EventAction, listing: Timestamp) -> Option<LastSeen> {
    let EventAction { event, action: ActionRecord { id, state, observed, .. } } = one;
    let result = ObservedResult::Gone;
    if let Some(observed) = observed {
        let Observed { phase, message, api_version, kind, namespace, name, .. } = observed;
        let followed = Followed { event, action: id, namespace, name, result, phase, message };
        return Some(LastSeen { api_version, kind, followed });
    }
    let ActionState::Done { at, started: Some(object), .. } = state else { return None };
    let StartedObject { api_version, kind, namespace, name } = *object;
    let (phase, message) = (String::new(), None);
    let followed = Followed { event, action: id, namespace, name, result, phase, message };
    (at < listing).then_some(LastSeen { api_version, kind, followed })
}

impl Follower {
    /// Observes the objects of one watch until the shutdown is requested.
    pub(crate) async fn run(self: Arc<Self>, watch: Watch, stop: Shutdown) {
        // One of several replicas does it for all.
        let mut keeper = self.keeper.subscribe();
        loop {
            tokio::select! {
                () = stop.requested() => break,
                is_keeper = keeper.wait_for(|is_keeper| *is_keeper) => if is_keeper.is_err() { break },
            }
            tokio::select! {
                () = stop.requested() => break,
                _ = keeper.wait_for(|is_keeper| !*is_keeper) => self.problem(&watch, None),
                () = self.follow(&watch) => {}
            }
            tokio::select! {
                () = stop.requested() => break,
                () = tokio::time::sleep(RESTART_DELAY) => {}
            }
        }
        self.problem(&watch, None);
    }

    async fn follow(&self, watch: &Watch) {
        let Watch { api_version, kind, scope } = watch;
        let seen = match self.cluster.watch(api_version, kind, scope).await {
            Ok(seen) => seen,
            Err(failure) => return self.problem(watch, Some(failure.to_string())),
        };
        let mut seen = pin!(seen);
        let mut listed = HashSet::new();
        let mut listing = self.clock.now();
        // A list may be permitted while a watch is not: the watch works only if it lasts.
        let mut lasting = None;
        loop {
            let event = tokio::select! {
                event = seen.next() => event,
                () = passed(lasting) => {
                    self.problem(watch, None);
                    lasting = None;
                    continue;
                }
            };
            let Some(event) = event else { return };
            let event = match event {
                Ok(event) => event,
                // The next watch starts with a list, because only a list shows that every object is
                // seen again: a watch that continues reports nothing, or that it is too old.
                Err(why) => return self.problem(watch, Some(why)),
            };
            let recorded = match event {
                Seen::Listing => {
                    listed.clear();
                    listing = self.clock.now();
                    Ok(())
                }
                Seen::Present(action) => {
                    listed.insert(action);
                    Ok(())
                }
                Seen::Object(followed) => {
                    listed.insert(followed.action.clone());
                    self.observe(watch, followed).await
                }
                Seen::Deleted(mut followed) => {
                    if followed.result == ObservedResult::Running {
                        followed.result = ObservedResult::Gone;
                    }
                    self.deleted(watch, followed).await
                }
                Seen::Listed => {
                    lasting = Some(Instant::now() + RESTART_DELAY);
                    self.gone(watch, &std::mem::take(&mut listed), listing).await
                }
            };
            if let Err(error) = recorded {
                tracing::error!(kind, %error, "cannot record the state of objects; restarting the watch");
                return;
            }
        }
    }

    /// Records the objects that were running when they were last seen, and are not in the list, as gone. So are those that
    /// were never seen, if they were created before the list began.
    async fn gone(
        &self,
        watch: &Watch,
        listed: &HashSet<String>,
        listing: Timestamp,
    ) -> Result<(), LedgerError> {
        let mut last: Option<String> = None;
        loop {
            let page = self.ledger.running(last.as_deref(), PAGE_SIZE).await?;
            let Some(end) = page.last() else { return Ok(()) };
            last = Some(end.action.id.clone());
            for one in page {
                let Some(last) = last_seen(one, listing) else { continue };
                let LastSeen { api_version, kind, followed } = last;
                let here = watch.scope.namespace().is_none()
                    || watch.scope.namespace() == followed.namespace.as_deref();
                let same_kind = kind == watch.kind && api_version == watch.api_version;
                if !same_kind || !here || listed.contains(&followed.action) {
                    continue;
                }
                self.observe(watch, followed).await?;
            }
        }
    }

    /// Records that an object was deleted. One that never showed a phase matters only if its action is in progress.
    async fn deleted(&self, watch: &Watch, followed: Followed) -> Result<(), LedgerError> {
        if followed.phase.is_empty() {
            let action = self.ledger.action(&followed.event, &followed.action).await?;
            if !action.is_some_and(|one| one.action.in_progress) {
                return Ok(());
            }
        }
        self.observe(watch, followed).await
    }

    async fn observe(&self, watch: &Watch, followed: Followed) -> Result<(), LedgerError> {
        let Followed { event, action, namespace, name, result, phase, message } = followed;
        let (api_version, kind) = (watch.api_version.clone(), watch.kind.clone());
        let observed = Observed {
            result,
            phase,
            message,
            api_version,
            kind,
            namespace,
            name,
            at: self.clock.now(),
        };
        let is_over = result != ObservedResult::Running;
        match self.record(&event, &action, &observed).await {
            Ok(true) if is_over => {
                self.reactions.places_changed();
                self.over(&event, &action, &observed).await
            }
            Ok(_) => Ok(()),
            // It belongs to another fuse, or its event was pruned.
            Err(LedgerError::UnknownAction(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Records the state of an object, together with the reactions to its failure. Returns whether it changed.
    async fn record(
        &self,
        event: &EventKey,
        action: &str,
        observed: &Observed,
    ) -> Result<bool, LedgerError> {
        let Some(verdict) = self.reactions.to_observed(event, action, observed).await? else {
            return self.ledger.observe(event, action, observed.clone()).await;
        };
        let reacted = self.ledger.observe_and_react(event, action, observed.clone(), verdict).await;
        if is_invalid(&reacted, "") {
            return self.ledger.observe(event, action, observed.clone()).await;
        }
        let (changed, reacted) = reacted?;
        if changed {
            let has_blown = !reacted.blown.is_empty();
            self.reactions.start(reacted).await?;
            if has_blown {
                self.reactions.finish(event).await?;
            }
        }
        Ok(changed)
    }

    /// Counts and logs how the work that an action started has ended.
    async fn over(
        &self,
        event: &EventKey,
        id: &str,
        observed: &Observed,
    ) -> Result<(), LedgerError> {
        let Some(EventAction { event, action }) = self.ledger.action(event, id).await? else {
            return Ok(());
        };
        let (trigger, rule) = (&action.action.trigger, &action.action.rule);
        let Observed { kind, namespace, name, phase, result, .. } = observed;
        // What was asked to stop has not failed.
        let is_replaced = action.replaced.is_some() && *result != ObservedResult::Succeeded;
        let shown = match is_replaced {
            true => DeadLetterKind::Replaced.as_str(),
            false => result.as_str(),
        };
        self.metrics.acted(trigger, shown);
        let (source, event_name, event) = (event.source, event.name, event.id);
        let result = shown;
        // The level of a log line must be known at compile time.
        macro_rules! log {
            ($level:ident) => {
                tracing::$level!(
                    source,
                    name = event_name,
                    event,
                    action = id,
                    rule,
                    kind,
                    namespace,
                    object = name,
                    phase,
                    result,
                    "the work is over"
                )
            };
        }
        match observed.result {
            ObservedResult::Succeeded => log!(info),
            _ if is_replaced => log!(info),
            _ => log!(warn),
        }
        Ok(())
    }

    fn problem(&self, watch: &Watch, why: Option<String>) {
        let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        match why {
            Some(why) => {
                if problems.get(watch) != Some(&why) {
                    let place = watch.scope.to_string();
                    tracing::warn!(
                        kind = watch.kind,
                        place,
                        why,
                        "cannot observe objects; retrying"
                    );
                }
                problems.insert(watch.clone(), why);
            }
            None => {
                problems.remove(watch);
            }
        }
    }
}
