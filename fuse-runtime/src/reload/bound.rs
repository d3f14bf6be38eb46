//! The sources of a runtime: which events each kind serves, and how a reload changes them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::watch;

use super::ReloadError;
use crate::generation::Generation;
use crate::http::Server;
use crate::metrics::Metrics;
use crate::secrets::Secrets;
use crate::shutdown::Shutdown;
use crate::sources::{
    BoundSource, EventBinding, Intake, PreparedEvents, Rebind, SourceContext, SourceError,
    SourceHealth, Sources,
};
use crate::supervise::{Backoff, Supervisor};
use crate::tasks::TaskSet;

/// What the sources of a runtime need.
pub(crate) struct SourceHost {
    pub(crate) kinds: Sources,
    pub(crate) intake: Intake,
    pub(crate) stop: Shutdown,
    pub(crate) secrets: Secrets,
    pub(crate) server: Server,
    pub(crate) supervisor: Arc<Supervisor>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) tasks: TaskSet,
}

/// The kinds of sources that are bound.
#[derive(Default)]
pub(crate) struct BoundSources {
    by_kind: BTreeMap<String, BoundKind>,
}

struct BoundKind {
    events: Vec<EventBinding>,
    listening: Vec<String>,
    rebind: Option<Arc<dyn Rebind>>,
    context: SourceContext,
    /// Dropping it stops the source.
    _stopper: watch::Sender<bool>,
}

/// Why sources cannot be prepared.
#[derive(Debug)]
pub(crate) enum PrepareError {
    /// The kind of a source is not part of the runtime.
    UnknownKind(String),
    Source(SourceError),
}

impl From<SourceError> for PrepareError {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

impl From<PrepareError> for ReloadError {
    fn from(error: PrepareError) -> Self {
        match error {
            PrepareError::Source(error) => error.into(),
            PrepareError::UnknownKind(kind) => Self::UnknownKind { what: "source", kind },
        }
    }
}

/// Changes of all sources that are ready, and not yet made.
pub(crate) struct PreparedSources {
    changes: Vec<(String, PreparedKind)>,
}

enum PreparedKind {
    /// A source that is bound, and replaces the one of its kind, if there is one.
    New(Box<dyn BoundSource>, Box<BoundKind>),
    /// Other events, or other rules, of a source that goes on.
    Rebound(Vec<EventBinding>, Box<dyn PreparedEvents>),
    /// No event of the kind is left.
    Gone,
}

impl SourceHost {
    /// Prepares the sources for a generation that is not in use yet.
    ///
    /// # Errors
    /// A kind does not exist, or its events cannot be bound. Nothing has changed.
    pub(crate) async fn prepare(
        &self,
        bound: &BoundSources,
        next: &Generation,
    ) -> Result<PreparedSources, PrepareError> {
        let known: BTreeSet<&str> = self.kinds.iter().map(|(kind, _)| kind).collect();
        if let Some(event) = next.ruleset.events().find(|event| !known.contains(event.kind)) {
            return Err(PrepareError::UnknownKind(event.kind.to_owned()));
        }
        let mut changes = Vec::new();
        for (kind, source) in self.kinds.iter() {
            let events = Sources::bindings(&next.ruleset, kind);
            let change = match bound.by_kind.get(kind) {
                None if events.is_empty() => continue,
                Some(BoundKind { rebind: Some(rebind), context, .. }) => {
                    // Also if the events are the same: the new rules find their ids.
                    let context = SourceContext {
                        intake: self.intake.with_plan(next.plan.clone()),
                        plan: Some(next.plan.clone()),
                        ..context.clone()
                    };
                    PreparedKind::Rebound(events.clone(), rebind.prepare(events, &context).await?)
                }
                Some(former) if former.events == events => continue,
                Some(_) if events.is_empty() => PreparedKind::Gone,
                Some(_) | None => {
                    let (stopper, shutdown) = self.stop.part();
                    let context = SourceContext {
                        intake: self.intake.clone(),
                        shutdown,
                        health: SourceHealth::new(kind),
                        secrets: self.secrets.clone(),
                        server: self.server.clone(),
                        plan: None,
                    };
                    let binding =
                        SourceContext { plan: Some(next.plan.clone()), ..context.clone() };
                    let source = source.bind(events.clone(), &binding).await?;
                    let kind = BoundKind {
                        events,
                        listening: source.listening(),
                        rebind: source.rebind(),
                        context,
                        _stopper: stopper,
                    };
                    PreparedKind::New(source, Box::new(kind))
                }
            };
            changes.push((kind.to_owned(), change));
        }
        Ok(PreparedSources { changes })
    }

    /// Makes the changes. This cannot fail.
    pub(crate) fn commit(&self, bound: &mut BoundSources, prepared: PreparedSources) {
        for (name, change) in prepared.changes {
            match change {
                PreparedKind::New(source, kind) => {
                    let supervisor = Arc::clone(&self.supervisor);
                    let serving =
                        supervisor.serve(source, kind.context.clone(), Backoff::default());
                    self.tasks.spawn(serving);
                    bound.by_kind.insert(name, *kind);
                }
                PreparedKind::Rebound(events, prepared) => {
                    if let Some(kind) = bound.by_kind.get_mut(&name) {
                        kind.events = events;
                        kind.listening = prepared.listening();
                        prepared.commit();
                    }
                }
                PreparedKind::Gone => {
                    bound.by_kind.remove(&name);
                    self.metrics.source_gone(&name);
                }
            }
        }
    }
}

impl BoundSources {
    /// What is listened to, for people.
    pub(crate) fn listening(&self) -> Vec<String> {
        self.by_kind.values().flat_map(|kind| kind.listening.iter().cloned()).collect()
    }
}
