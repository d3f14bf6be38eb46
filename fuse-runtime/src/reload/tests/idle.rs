//! A reloader for tests of other rooms.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use crate::admin::Approvers;
use crate::bus::Bus;
use crate::clock::Clock;
use crate::engine::Followers;
use crate::files::FileStamps;
use crate::generation::ActiveGeneration;
use crate::http::{Limits, Server};
use crate::metrics::Metrics;
use crate::reload::{BoundSources, Reload, ReloadState, Reloader, SourceHost};
use crate::secrets::Secrets;
use crate::shutdown::Shutdown;
use crate::sources::{Intake, IntakeRules, Sources};
use crate::supervise::Supervisor;
use crate::tasks::TaskSet;
use crate::triggers::Triggers;

impl Reloader {
    /// A reloader of a runtime that does not run.
    pub(crate) fn idle(active: &ActiveGeneration, bus: Arc<dyn Bus>) -> Self {
        let (metrics, stop) = (Arc::new(Metrics::new()), Shutdown::new().1);
        let supervisor = Supervisor::new(Arc::clone(&metrics), stop.clone());
        let rules = IntakeRules::Active(active.clone());
        let (tasks, clock) = (TaskSet::default(), Clock::system());
        let host = SourceHost {
            kinds: Sources::new(),
            intake: Intake::new(bus, rules, clock.clone(), Arc::clone(&metrics)),
            stop: stop.clone(),
            secrets: Secrets::local(),
            server: Server::new(Limits::default(), Vec::new(), Arc::clone(&metrics)),
            supervisor: Arc::clone(&supervisor),
            metrics: Arc::clone(&metrics),
            tasks: tasks.clone(),
        };
        let running = Mutex::default();
        let followers = Followers { follower: None, supervisor, tasks, stop, running };
        let reload = Reload {
            active: active.clone(),
            loader: None,
            host,
            triggers: Triggers::new(),
            approvers: Approvers::default(),
            followers,
            metrics,
            clock,
            state: ReloadState::new(BoundSources::default(), FileStamps::default()),
            begun: AtomicU64::new(0),
            warning: Mutex::default(),
        };
        Self { reload: Arc::new(reload) }
    }
}
