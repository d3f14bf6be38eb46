//! The watches of the objects that rules create. A reload adds and ends some.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use fuse_rules::Ruleset;
use tokio::sync::watch;

use super::observe::{Follower, Watch};
use crate::kubernetes::{Need, Scope, needs};
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
    /// Follows the objects of these watches, and no others.
    pub(crate) fn follow(&self, wanted: BTreeSet<Watch>) {
        let Some(follower) = &self.follower else { return };
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|watch, _| wanted.contains(watch));
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
    let mut watched: BTreeSet<Watch> = watched.collect();
    // A watch of all namespaces includes each of them.
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
