//! Following what actions made: "did it help?" has an answer in the ledger and the metrics.
//!
//! One watch for each kind and place that the rules make objects in. What it sees of objects that
//! other ledgers know is none of ours.

use std::collections::{BTreeMap, HashSet};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::kubernetes::{Cluster, Followed, Scope, Seen};
use crate::ledger::{EventAction, Ledger, LedgerError, Observed, ObservedResult};
use crate::metrics::Metrics;
use crate::shutdown::Shutdown;

/// How long to wait before watching anew what could not be watched.
const AGAIN: Duration = Duration::from_secs(2);
/// How many actions are read from the ledger at once.
const PAGE: usize = 256;

/// Follows the objects of actions.
pub(crate) struct Follower {
    pub(crate) cluster: Cluster,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Clock,
    /// What stands in the way of each watch, where something does.
    pub(crate) problems: Arc<Mutex<BTreeMap<Watch, String>>>,
}

/// Which objects are watched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Watch {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) scope: Scope,
}

/// Waits until a time has passed; for ever, where there is none.
async fn passed(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

impl Follower {
    /// Follows the objects of one watch until told to stop.
    pub(crate) async fn run(self: Arc<Self>, watch: Watch, stop: Shutdown) {
        loop {
            tokio::select! {
                () = stop.requested() => return,
                () = self.follow(&watch) => {}
            }
            tokio::select! {
                () = stop.requested() => return,
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    }

    async fn follow(&self, watch: &Watch) {
        let Watch { api_version, kind, scope } = watch;
        let seen = match self.cluster.watch(api_version, kind, scope).await {
            Ok(seen) => seen,
            Err(failure) => return self.problem(watch, Some(failure.to_string())),
        };
        let mut seen = pin!(seen);
        let mut listed = HashSet::new();
        // A list may be permitted where a watch is not: only one that lasts is in order.
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
                // Begun anew with a list, as only a list tells that all is seen again: a watch that
                // goes on from where it was says nothing, or is told for ever that it is too old.
                Err(why) => return self.problem(watch, Some(why)),
            };
            let recorded = match event {
                Seen::Listing => {
                    listed.clear();
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
                    self.observe(watch, followed).await
                }
                Seen::Listed => {
                    lasting = Some(Instant::now() + AGAIN);
                    self.gone(watch, &std::mem::take(&mut listed)).await
                }
            };
            if let Err(error) = recorded {
                tracing::error!(kind, %error, "cannot record what objects came to; watching anew");
                return;
            }
        }
    }

    /// What was running when it was last seen and is not among the listed is gone.
    async fn gone(&self, watch: &Watch, listed: &HashSet<String>) -> Result<(), LedgerError> {
        let mut last: Option<String> = None;
        loop {
            let page = self.ledger.running(last.as_deref(), PAGE).await?;
            let Some(end) = page.last() else { return Ok(()) };
            last = Some(end.action.id.clone());
            for one in page {
                let Some(observed) = one.action.observed else { continue };
                let here = watch.scope.namespace().is_none()
                    || watch.scope.namespace() == observed.namespace.as_deref();
                let same_kind =
                    observed.kind == watch.kind && observed.api_version == watch.api_version;
                if !same_kind || !here || listed.contains(&one.action.id) {
                    continue;
                }
                let followed = Followed {
                    action: one.action.id,
                    namespace: observed.namespace,
                    name: observed.name,
                    result: ObservedResult::Gone,
                    phase: observed.phase,
                    message: observed.message,
                };
                self.observe(watch, followed).await?;
            }
        }
    }

    async fn observe(&self, watch: &Watch, followed: Followed) -> Result<(), LedgerError> {
        let Followed { action, namespace, name, result, phase, message } = followed;
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
        match self.ledger.observe(&action, observed.clone()).await {
            Ok(true) if is_over => self.over(&action, &observed).await,
            Ok(_) => Ok(()),
            // Another fuse's, or one that was forgotten.
            Err(LedgerError::UnknownAction(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Counts and tells how the work that an action began came to its end.
    async fn over(&self, id: &str, observed: &Observed) -> Result<(), LedgerError> {
        let Some(EventAction { event, action }) = self.ledger.action(id).await? else {
            return Ok(());
        };
        let (trigger, rule) = (&action.action.trigger, &action.action.rule);
        let Observed { kind, namespace, name, phase, result, .. } = observed;
        self.metrics.acted(trigger, result.as_str());
        let (source, event_name, event) = (event.source, event.name, event.id);
        let result = result.as_str();
        // The level of a line must be known when it is compiled.
        macro_rules! tell {
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
            ObservedResult::Succeeded => tell!(info),
            _ => tell!(warn),
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
                        "cannot follow objects; trying again"
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
