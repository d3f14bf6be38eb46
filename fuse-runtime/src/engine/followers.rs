//! The watches of the objects that rules create. A reload adds and ends some.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use fuse_rules::Ruleset;
use tokio::sync::watch;

use super::observe::{Follower, Watch};
use crate::kubernetes::{Need, Scope, needs};
use crate::ledger::{ActionState, Ledger, LedgerError, StartedObject};
use crate::shutdown::Shutdown;
use crate::supervise::Supervisor;
use crate::tasks::TaskSet;
use crate::triggers::Triggers;

/// Follows the objects of the rules in use.
pub(crate) struct Followers {
    /// `None` if nothing is followed.
    pub(crate) follower: Option<Arc<Follower>>,
    pub(crate) supervisor: Arc<Supervisor>,
    pub(crate) tasks: TaskSet,
    pub(crate) stop: Shutdown,
    /// Dropping a sender ends the watch.
    pub(crate) running: Mutex<BTreeMap<Watch, watch::Sender<bool>>>,
}

impl Followers {
    /// Follows the objects of these watches, and those that keep places of `concurrency` although no rule creates them any
    /// more: others wait for their end.
    pub(crate) async fn follow(&self, mut wanted: BTreeSet<Watch>) {
        let Some(follower) = &self.follower else { return };
        let mut may_end = false;
        match in_progress(&*follower.ledger).await {
            Ok(in_progress) => {
                wanted = without_covered(&wanted | &in_progress.watches);
                may_end = !in_progress.may_grow;
            }
            Err(error) => tracing::warn!(%error, "all objects stay observed until the next reload"),
        }
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|watch, _| !may_end || wanted.contains(watch));
        for watch in wanted {
            if running.contains_key(&watch) {
                continue;
            }
            let (stopper, stop) = self.stop.part();
            running.insert(watch.clone(), stopper);
            let follower = Arc::clone(follower);
            let follow = move || Arc::clone(&follower).run(watch.clone(), stop.clone());
            self.tasks.spawn(Arc::clone(&self.supervisor).keep("observing objects", follow));
        }
    }
}

/// The kinds of objects that rules create, and where. Takes long if there are many rules.
pub(crate) fn watches(ruleset: &Ruleset, triggers: &Triggers) -> BTreeSet<Watch> {
    let needs = needs(ruleset, triggers);
    let watched = needs.into_iter().filter_map(|need| match need.need {
        Need::Follow { api_version, kind, scope } => Some(Watch { api_version, kind, scope }),
        _ => None,
    });
    without_covered(watched.collect())
}

/// How many actions are read at once.
const PAGE_SIZE: usize = 500;

/// The objects that keep places of `concurrency`.
struct InProgress {
    /// Where they are.
    watches: BTreeSet<Watch>,
    /// Whether actions of the former rules may still create some: they are not performed yet, or wait.
    may_grow: bool,
}

async fn in_progress(ledger: &dyn Ledger) -> Result<InProgress, LedgerError> {
    let counts = ledger.counts().await?;
    let may_grow = counts.unsettled > 0 || counts.waiting > 0;
    let (mut watches, mut after) = (BTreeSet::new(), None::<String>);
    loop {
        let page = ledger.running(after.as_deref(), PAGE_SIZE).await?;
        let Some(last) = page.last() else { return Ok(InProgress { watches, may_grow }) };
        after = Some(last.action.id.clone());
        for action in page.iter().map(|one| &one.action).filter(|action| action.in_progress) {
            let ActionState::Done { started: Some(object), .. } = &action.state else { continue };
            let StartedObject { api_version, kind, namespace, .. } = (**object).clone();
            let scope = namespace.map_or(Scope::Cluster, Scope::Namespace);
            watches.insert(Watch { api_version, kind, scope });
        }
    }
}

/// Without those of single namespaces whose kind is watched in all: these are included.
fn without_covered(mut watched: BTreeSet<Watch>) -> BTreeSet<Watch> {
    let everywhere: Vec<Watch> =
        watched.iter().filter(|watch| watch.scope == Scope::AllNamespaces).cloned().collect();
    watched.retain(|watch| {
        watch.scope.namespace().is_none()
            || !everywhere
                .iter()
                .any(|all| all.kind == watch.kind && all.api_version == watch.api_version)
    });
    watched
}
