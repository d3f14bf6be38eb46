//! `rate { … }` of a source: how many requests per second it accepts.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use fuse_rules::schema::{Field, FieldType, Outline, Schema, TriggerInfo};
use serde::Deserialize;

/// The most peers of a source whose rates are known at the same time.
const MAX_PEERS: usize = 10_000;

/// The most requests per second, and at once.
const MAX_RATE: i64 = 1_000_000;

/// The field `rate` of a source.
pub(super) fn rate_field() -> Field {
    let per_second = || FieldType::Int(1, MAX_RATE);
    let rate = Schema::new("rate", "How many requests per second are accepted.")
        .field(Field::optional(
            "per-source",
            per_second(),
            "How many authenticated requests per second all senders may send together.",
        ))
        .field(Field::optional(
            "per-peer",
            per_second(),
            "How many requests per second each peer may send.",
        ))
        .field(Field::optional(
            "burst",
            per_second(),
            "How many requests may arrive at once; those of two seconds if not set.",
        ))
        .any_of(&["per-source", "per-peer"])
        .verify(check_rate)
        .whole();
    Field::optional(
        "rate",
        FieldType::Block(Box::new(rate)),
        "How many requests per second are accepted; fuse answers others with 429.",
    )
}

fn check_rate(block: &TriggerInfo) -> Result<(), String> {
    let number = |name: &str| match block.get(name) {
        Some(Outline::Constant(value)) => value.as_i64(),
        _ => None,
    };
    let Some(burst) = number("burst") else { return Ok(()) };
    match ["per-source", "per-peer"].into_iter().find(|name| number(name) > Some(burst)) {
        Some(name) => Err(format!(
            "has a `burst` below `{name}`: a sender that sends at this rate would be refused; set \
             `burst` to at least `{name}`"
        )),
        None => Ok(()),
    }
}

/// The `rate` block of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct RateConfig {
    per_source: Option<u32>,
    per_peer: Option<u32>,
    burst: Option<u32>,
}

/// Limits the requests to one source.
#[derive(Debug)]
pub(super) struct RateLimit {
    config: RateConfig,
    per_source: Option<Mutex<Bucket>>,
    per_peer: Option<Mutex<PeerBuckets>>,
}

/// How long a sender that is refused should wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limited {
    wait: Duration,
}

impl Limited {
    /// The wait in whole seconds, for `Retry-After`.
    pub(super) fn seconds(self) -> u64 {
        self.wait.as_secs().saturating_add(u64::from(self.wait.subsec_nanos() > 0)).max(1)
    }
}

impl RateLimit {
    pub(super) fn new(config: RateConfig, now: Instant) -> Self {
        let refill = |rate: u32| Refill::new(rate, config.burst);
        let per_source = config.per_source.map(|rate| Mutex::new(Bucket::full(refill(rate), now)));
        let per_peer = config.per_peer.map(|rate| Mutex::new(PeerBuckets::new(refill(rate), now)));
        Self { config, per_source, per_peer }
    }

    /// Whether this is what these limits need.
    pub(super) fn is_for(&self, config: RateConfig) -> bool {
        self.config == config
    }

    /// Counts a request of a peer, before it is authenticated.
    pub(super) fn peer(&self, peer: IpAddr, now: Instant) -> Result<(), Limited> {
        match &self.per_peer {
            None => Ok(()),
            Some(peers) => {
                peers.lock().unwrap_or_else(PoisonError::into_inner).take(group(peer), now)
            }
        }
    }

    /// Counts a request that is authenticated.
    pub(super) fn source(&self, now: Instant) -> Result<(), Limited> {
        match &self.per_source {
            None => Ok(()),
            Some(bucket) => bucket.lock().unwrap_or_else(PoisonError::into_inner).take(now),
        }
    }
}

/// How a bucket fills up.
#[derive(Clone, Copy, Debug)]
struct Refill {
    /// The time after which another request is permitted.
    every: Duration,
    burst: u32,
}

impl Refill {
    fn new(rate: u32, burst: Option<u32>) -> Self {
        let rate = rate.max(1);
        let burst = burst.unwrap_or(rate.saturating_mul(2)).max(1);
        Self { every: Duration::from_secs(1) / rate, burst }
    }

    fn capacity(self) -> Duration {
        self.every.saturating_mul(self.burst)
    }
}

/// A token bucket, kept as the time at which it is full again.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    refill: Refill,
    full_at: Instant,
}

impl Bucket {
    fn full(refill: Refill, now: Instant) -> Self {
        Self { refill, full_at: now }
    }

    fn take(&mut self, now: Instant) -> Result<(), Limited> {
        let full_at = self.full_at.max(now) + self.refill.every;
        let missing = full_at.saturating_duration_since(now);
        match missing.checked_sub(self.refill.capacity()).filter(|wait| !wait.is_zero()) {
            None => {
                self.full_at = full_at;
                Ok(())
            }
            Some(wait) => Err(Limited { wait }),
        }
    }
}

/// The buckets of peers. When there are too many, those that are full again are removed. If none is, further peers
/// share one.
#[derive(Debug)]
struct PeerBuckets {
    refill: Refill,
    buckets: HashMap<IpAddr, Bucket>,
    others: Bucket,
    /// When the full buckets were last removed.
    cleaned: Instant,
}

impl PeerBuckets {
    /// How long to wait before full buckets are looked for again.
    const CLEAN_EVERY: Duration = Duration::from_secs(1);

    fn new(refill: Refill, now: Instant) -> Self {
        Self { refill, buckets: HashMap::new(), others: Bucket::full(refill, now), cleaned: now }
    }

    fn take(&mut self, peer: IpAddr, now: Instant) -> Result<(), Limited> {
        if let Some(bucket) = self.buckets.get_mut(&peer) {
            return bucket.take(now);
        }
        let is_due = now.saturating_duration_since(self.cleaned) >= Self::CLEAN_EVERY;
        if self.buckets.len() >= MAX_PEERS && is_due {
            self.buckets.retain(|_, bucket| bucket.full_at > now);
            self.cleaned = now;
        }
        if self.buckets.len() >= MAX_PEERS {
            return self.others.take(now);
        }
        self.buckets.entry(peer).or_insert(Bucket::full(self.refill, now)).take(now)
    }
}

/// What counts as one peer: an IPv4 address, or a network of IPv6 that one host usually has.
fn group(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn limit(
        per_source: Option<u32>,
        per_peer: Option<u32>,
        burst: Option<u32>,
    ) -> (RateLimit, Instant) {
        let now = Instant::now();
        (RateLimit::new(RateConfig { per_source, per_peer, burst }, now), now)
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let (limit, start) = limit(Some(10), None, Some(20));
        for _ in 0..20 {
            assert_eq!(limit.source(start), Ok(()));
        }
        let refused = limit.source(start).unwrap_err();
        assert_eq!((refused.wait, refused.seconds()), (Duration::from_millis(100), 1));
        assert!(limit.source(start + Duration::from_millis(99)).is_err());
        assert!(limit.source(start + Duration::from_millis(100)).is_ok());
        assert!(limit.source(start + Duration::from_millis(150)).is_err());
        assert!(limit.peer(Ipv4Addr::LOCALHOST.into(), start).is_ok(), "peers have no limit");
    }

    #[test]
    fn peers_are_apart_and_bounded() {
        let (limit, start) = limit(None, Some(1), Some(1));
        let v6 = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(limit.peer(v6("2001:db8::1"), start).is_ok());
        assert!(limit.peer(v6("2001:db8::2"), start).is_err(), "the same network");
        assert!(limit.peer(v6("2001:db8:0:1::1"), start).is_ok());
        let v4 = |number: u32| IpAddr::from(Ipv4Addr::from(number));
        assert!(limit.peer(v6("::ffff:0.0.0.9"), start).is_ok());
        assert!(limit.peer(v4(9), start).is_err());
        for number in 0..3 * MAX_PEERS as u32 {
            let _counted = limit.peer(v4(number), start);
        }
        let known = || limit.per_peer.as_ref().unwrap().lock().unwrap().buckets.len();
        assert_eq!(known(), MAX_PEERS);
        assert!(limit.peer(v4(u32::MAX), start).is_err(), "the others share a bucket");
        assert!(limit.peer(v4(u32::MAX), start + Duration::from_secs(2)).is_ok());
        assert_eq!(known(), 1, "full buckets are forgotten");
    }

    proptest! {
        /// In any period, no more pass than the burst and the rate permit.
        #[test]
        fn the_rate_holds(
            rate in 1_u32..50,
            more in 0_u32..50,
            steps in prop::collection::vec(0_u64..400, 1..300),
        ) {
            let burst = rate + more;
            let (limit, start) = limit(Some(rate), None, Some(burst));
            let (mut now, mut passed) = (start, Vec::new());
            for millis in steps {
                now += Duration::from_millis(millis);
                if limit.source(now).is_ok() {
                    passed.push(now);
                }
            }
            for (at, first) in passed.iter().enumerate() {
                for (until, last) in passed.iter().enumerate().skip(at) {
                    let most = f64::from(burst) + last.duration_since(*first).as_secs_f64() * f64::from(rate);
                    prop_assert!((until - at) as f64 <= most + 0.01);
                }
            }
        }
    }
}
