//! The metrics of replicas that share one state.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::ledger::SharingStats;

/// The metrics of replicas that share the state. A process that is alone is one replica, and its own keeper.
#[derive(Debug, Default)]
pub(super) struct SharingMetrics {
    replicas: Gauge,
    keeper: Gauge,
    position: Gauge,
    batches: Counter,
    changes: Counter,
    retries: Counter,
    expirations: Counter,
}

impl SharingMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let Self { replicas, keeper, position, batches, changes, retries, expirations } = self;
        registry.register("replicas", "Replicas that share the state", replicas.clone());
        registry.register("keeper", "1 if this replica is the keeper, else 0", keeper.clone());
        registry.register(
            "log_position",
            "Position of the last message of the shared log that this replica applied",
            position.clone(),
        );
        registry.register(
            "log_batches",
            "Batches of changes that this replica sent",
            batches.clone(),
        );
        registry.register("log_changes", "Changes in these batches", changes.clone());
        registry.register("log_retries", "Attempts to send a batch that failed", retries.clone());
        registry.register(
            "log_expirations",
            "How many times the other replicas declared this one dead",
            expirations.clone(),
        );
    }

    pub(super) fn set(&self, sharing: Option<(bool, SharingStats)>) {
        let alone = (true, SharingStats { replicas: 1, ..SharingStats::default() });
        let (is_keeper, stats) = sharing.unwrap_or(alone);
        let gauge = |gauge: &Gauge, value: u64| {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        let counter = |counter: &Counter, value: u64| {
            counter.inc_by(value.saturating_sub(counter.get()));
        };
        gauge(&self.replicas, stats.replicas);
        gauge(&self.keeper, u64::from(is_keeper));
        gauge(&self.position, stats.position);
        counter(&self.batches, stats.batches);
        counter(&self.changes, stats.changes);
        counter(&self.retries, stats.retries);
        counter(&self.expirations, stats.expirations);
    }
}
