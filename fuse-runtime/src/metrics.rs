//! Metrics, in Prometheus's text format.

mod labels;
mod sharing;

use std::collections::BTreeMap;
use std::time::Duration;

use fuse_rules::Outcome;
use jiff::Timestamp;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::generation::Generation;
use crate::ledger::{DecisionRecord, SharingStats};
use labels::{
    Acted, ClauseWord, ClosedFor, Decided, EventName, FuseValue, HeldBack, Missing, PortNumber,
    Received, RulesHash, SourceKind, SourceName, Task, TriggerKind,
};
use sharing::SharingMetrics;

/// The first words of the clauses that may let decisions wait.
const WAITING: [&str; 7] =
    ["requires", "during", "quiet", "still", "limit", "approval", "concurrency"];

/// Counters, gauges and histograms of one runtime.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    received: Family<Received, Counter>,
    decisions: Family<Decided, Counter>,
    held_back: Family<HeldBack, Counter>,
    missing: Family<Missing, Counter>,
    decided: Family<EventName, Counter>,
    mismatched: Family<EventName, Counter>,
    unrouted: Family<SourceName, Counter>,
    actions: Family<Acted, Counter>,
    held: Family<TriggerKind, Gauge>,
    fuses: Family<FuseValue, Gauge>,
    rules: Family<RulesHash, Gauge>,
    rules_loaded: Gauge,
    reload_failures: Counter,
    panics: Family<Task, Counter>,
    source_up: Family<SourceKind, Gauge>,
    source_restarts: Family<SourceKind, Counter>,
    waiting: Gauge,
    damaged: Gauge,
    log_lines_dropped: Gauge,
    backlog: Gauge,
    unsettled: Gauge,
    dead_letters: Gauge,
    waiting_decisions: Family<ClauseWord, Gauge>,
    deciding: Histogram,
    settling: Histogram,
    connections: Family<PortNumber, Gauge>,
    connections_closed: Family<ClosedFor, Counter>,
    buffered: Gauge,
    sharing: SharingMetrics,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("fuse");
        let received = Family::default();
        let decisions = Family::default();
        let missing = Family::default();
        let decided = Family::default();
        let mismatched = Family::default();
        let unrouted = Family::default();
        let actions = Family::default();
        let held = Family::default();
        let fuses = Family::default();
        let rules = Family::default();
        let rules_loaded = Gauge::default();
        let reload_failures = Counter::default();
        let panics = Family::default();
        let source_up = Family::default();
        let source_restarts = Family::default();
        let (waiting, damaged, log_lines_dropped) =
            (Gauge::default(), Gauge::default(), Gauge::default());
        let (backlog, unsettled, dead_letters) =
            (Gauge::default(), Gauge::default(), Gauge::default());
        // From 10 microseconds to about 10 seconds, and from a millisecond to about 17 minutes.
        let deciding = Histogram::new(exponential_buckets(1e-5, 4.0, 11));
        let settling = Histogram::new(exponential_buckets(1e-3, 4.0, 11));
        registry.register("events_received", "Requests to sources, by result", received.clone());
        registry.register("events_decided", "Events that were decided", decided.clone());
        registry.register(
            "decisions",
            "Decisions that have consequences, by rule and outcome",
            decisions.clone(),
        );
        let held_back = Family::<HeldBack, Counter>::default();
        registry.register(
            "held_back",
            "Decisions that a clause of flow control holds back or lets wait, by rule, clause and outcome",
            held_back.clone(),
        );
        registry.register(
            "unknown_paths",
            "Events that lack a path without which a rule cannot fire",
            missing.clone(),
        );
        registry.register(
            "events_mismatched",
            "Events that are not of their declared type",
            mismatched.clone(),
        );
        registry.register(
            "events_unrouted",
            "Requests that match the conditions of no event",
            unrouted.clone(),
        );
        registry.register("actions", "Actions, by trigger and result", actions.clone());
        registry.register(
            "held_actions",
            "Actions that are held until something missing exists",
            held.clone(),
        );
        registry.register("rules_info", "The hash of the rules in use", rules.clone());
        registry.register(
            "rules_loaded_timestamp",
            "When the rules were last loaded without a problem, in seconds since 1970",
            rules_loaded.clone(),
        );
        registry.register(
            "rules_reload_failures",
            "Reloads that kept the rules in use because of a problem",
            reload_failures.clone(),
        );
        registry.register(
            "fuse_on",
            "Whether a fuse is on, and where its value comes from",
            fuses.clone(),
        );
        registry.register(
            "panics",
            "Faults inside fuse that were caught, by the task that they interrupted",
            panics.clone(),
        );
        registry.register("source_up", "Whether the sources of a kind serve", source_up.clone());
        registry.register(
            "source_restarts",
            "Restarts of sources that failed, by kind",
            source_restarts.clone(),
        );
        registry.register("waiting_actions", "Actions that are retried later", waiting.clone());
        registry.register(
            "damaged_records",
            "Records of the state that cannot be read",
            damaged.clone(),
        );
        registry.register(
            "log_lines_dropped",
            "Log lines dropped since the start",
            log_lines_dropped.clone(),
        );
        registry.register(
            "backlog_events",
            "Events that are accepted and not settled",
            backlog.clone(),
        );
        registry.register(
            "unsettled_actions",
            "Actions that are decided and not settled",
            unsettled.clone(),
        );
        registry.register(
            "dead_letters",
            "Actions, decisions and events that were given up",
            dead_letters.clone(),
        );
        let waiting_decisions = Family::<ClauseWord, Gauge>::default();
        registry.register(
            "waiting_decisions",
            "Decisions that wait at a clause of flow control",
            waiting_decisions.clone(),
        );
        registry.register_with_unit(
            "decide",
            "From taking an event off the bus to its decisions being durable",
            Unit::Seconds,
            deciding.clone(),
        );
        registry.register_with_unit(
            "settle",
            "From receiving an event to all its actions being settled",
            Unit::Seconds,
            settling.clone(),
        );
        let connections = Family::default();
        let connections_closed = Family::default();
        let buffered = Gauge::default();
        registry.register("connections", "Open connections, by port", connections.clone());
        registry.register(
            "connections_closed",
            "Connections that fuse closed, by reason",
            connections_closed.clone(),
        );
        registry.register_with_unit(
            "buffered",
            "Bytes of requests that are in memory",
            Unit::Bytes,
            buffered.clone(),
        );
        let sharing = SharingMetrics::default();
        sharing.register(&mut registry);
        Self {
            registry,
            sharing,
            received,
            decisions,
            held_back,
            missing,
            decided,
            mismatched,
            unrouted,
            actions,
            held,
            fuses,
            rules,
            rules_loaded,
            reload_failures,
            panics,
            source_up,
            source_restarts,
            waiting,
            damaged,
            log_lines_dropped,
            backlog,
            unsettled,
            dead_letters,
            waiting_decisions,
            deciding,
            settling,
            connections,
            connections_closed,
            buffered,
        }
    }

    pub(crate) fn received(&self, source: &str, event: &str, result: &'static str) {
        let labels = Received { source: source.into(), event: event.into(), result };
        self.received.get_or_create(&labels).inc();
    }

    pub(crate) fn unrouted(&self, source: &str) {
        self.unrouted.get_or_create(&SourceName { source: source.into() }).inc();
    }

    /// Counts a decision by its outcome, and by the clause that holds it back.
    pub(crate) fn decided(&self, decision: &DecisionRecord) {
        self.ended(&decision.rule, decision.outcome, decision.clause.as_deref());
    }

    /// The same for the wait of a rule at a clause.
    pub(crate) fn ended(&self, rule: &str, outcome: Outcome, clause: Option<&str>) {
        let (rule, outcome) = (rule.to_owned(), outcome.as_str());
        if let Some(clause) = clause {
            let labels = HeldBack { rule: rule.clone(), clause: clause.into(), outcome };
            self.held_back.get_or_create(&labels).inc();
        }
        self.decisions.get_or_create(&Decided { rule, outcome }).inc();
    }

    /// How many decisions of a rule had an outcome.
    pub(crate) fn decisions_of(&self, rule: &str, outcome: &'static str) -> u64 {
        let labels = Decided { rule: rule.into(), outcome };
        self.decisions.get(&labels).map_or(0, |count| count.get())
    }

    pub(crate) fn events_decided(&self, source: &str, event: &str) {
        let labels = EventName { source: source.into(), event: event.into() };
        self.decided.get_or_create(&labels).inc();
    }

    pub(crate) fn missing(&self, source: &str, event: &str, path: &str) {
        let labels = Missing { source: source.into(), event: event.into(), path: path.into() };
        self.missing.get_or_create(&labels).inc();
    }

    pub(crate) fn mismatched(&self, source: &str, event: &str) {
        let labels = EventName { source: source.into(), event: event.into() };
        self.mismatched.get_or_create(&labels).inc();
    }

    pub(crate) fn acted(&self, trigger: &str, result: &str) {
        self.actions.get_or_create(&Acted { trigger: trigger.into(), result: result.into() }).inc();
    }

    pub(crate) fn held(&self, trigger: &str, count: usize) {
        let gauge = self.held.get_or_create(&TriggerKind { trigger: trigger.into() });
        gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// The rules and fuses that are in use from now on.
    pub(crate) fn rules_loaded(&self, generation: &Generation, at: Timestamp) {
        self.rules.clear();
        self.rules.get_or_create(&RulesHash { hash: generation.plan_hash.clone() }).set(1);
        self.rules_loaded.set(at.as_second());
        self.fuse_values(generation);
    }

    /// The values of the fuses in use.
    pub(crate) fn fuse_values(&self, generation: &Generation) {
        self.fuses.clear();
        for (fuse, state) in &generation.states {
            let labels = FuseValue { fuse: fuse.clone(), origin: state.origin.as_str() };
            self.fuses.get_or_create(&labels).set(i64::from(state.on));
        }
    }

    pub(crate) fn reload_failed(&self) {
        self.reload_failures.inc();
    }

    /// No source of the kind is left.
    pub(crate) fn source_gone(&self, kind: &str) {
        self.source_up.remove(&SourceKind { kind: kind.into() });
    }

    pub(crate) fn deciding(&self, took: Duration) {
        self.deciding.observe(took.as_secs_f64());
    }

    pub(crate) fn settling(&self, took: Duration) {
        self.settling.observe(took.as_secs_f64());
    }

    pub(crate) fn panicked(&self, task: &'static str) {
        self.panics.get_or_create(&Task { task }).inc();
    }

    pub(crate) fn source_up(&self, kind: &str, up: bool) {
        self.source_up.get_or_create(&SourceKind { kind: kind.into() }).set(i64::from(up));
    }

    pub(crate) fn source_restarted(&self, kind: &str) {
        self.source_restarts.get_or_create(&SourceKind { kind: kind.into() }).inc();
    }

    /// How often the sources of a kind were restarted.
    pub(crate) fn restarts(&self, kind: &str) -> u64 {
        self.source_restarts.get_or_create(&SourceKind { kind: kind.into() }).get()
    }

    pub(crate) fn connections(&self, port: u16, change: i64) {
        self.connections.get_or_create(&PortNumber { port }).inc_by(change);
    }

    pub(crate) fn connection_closed(&self, reason: &'static str) {
        self.connections_closed.get_or_create(&ClosedFor { reason }).inc();
    }

    pub(crate) fn buffered(&self, bytes: usize) {
        self.buffered.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Sets the values that are counted elsewhere, and returns all metrics in the text format.
    pub(crate) fn render(&self, counted: &Counted) -> String {
        let gauge = |gauge: &Gauge, value: u64| {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        gauge(&self.backlog, counted.backlog);
        gauge(&self.unsettled, counted.unsettled);
        gauge(&self.dead_letters, counted.dead_letters);
        for clause in WAITING {
            let waiting = self.waiting_decisions.get_or_create(&ClauseWord { clause });
            gauge(&waiting, counted.waiting_decisions.get(clause).copied().unwrap_or_default());
        }
        gauge(&self.waiting, counted.waiting);
        gauge(&self.damaged, counted.damaged);
        gauge(&self.log_lines_dropped, counted.log_lines_dropped);
        self.sharing.set(counted.sharing);
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _infallible = encode(&mut text, &self.registry);
        text
    }
}

/// Values that are counted elsewhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counted {
    pub(crate) backlog: u64,
    pub(crate) unsettled: u64,
    pub(crate) dead_letters: u64,
    pub(crate) waiting_decisions: BTreeMap<String, u64>,
    pub(crate) waiting: u64,
    pub(crate) damaged: u64,
    pub(crate) log_lines_dropped: u64,
    /// Whether this replica is the keeper, and numbers about the shared ledger.
    pub(crate) sharing: Option<(bool, SharingStats)>,
}
