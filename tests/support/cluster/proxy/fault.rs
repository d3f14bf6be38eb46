//! What can fail, and plans of what does.

use std::collections::VecDeque;
use std::time::Duration;

use hyper::{Method, Uri};

/// What fails about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Forwarded and answered, but so much later.
    Delay(Duration),
    /// Answered with 429 and this `Retry-After` in seconds, without forwarding.
    Busy(u32),
    /// Answered with this status, without forwarding.
    Status(u16),
    /// The connection is cut, without forwarding.
    CutBefore,
    /// Forwarded; when the API server has answered, the connection is cut instead of answering.
    CutAfter,
    /// Forwarded; the connection is cut in the middle of the answer.
    CutWithin,
}

impl Fault {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Delay(_) => "delay",
            Self::Busy(_) => "busy",
            Self::Status(_) => "status",
            Self::CutBefore => "cut before",
            Self::CutAfter => "cut after",
            Self::CutWithin => "cut within",
        }
    }
}

/// A request, as a plan sees it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// As RBAC has it: `create`, `get`, `list`, `watch`, `update`, `patch`, `delete`.
    pub(crate) verb: &'static str,
    /// In the plural, with the subresource after a slash. Empty where the request is for none,
    /// such as one for what there is.
    pub(crate) resource: String,
    /// How many requests there were before of this verb for this resource.
    pub(crate) number: usize,
}

impl Seen {
    pub(super) fn new(method: &Method, uri: &Uri) -> Self {
        let mut segments: VecDeque<&str> = uri.path().trim_matches('/').split('/').collect();
        let before = match segments.front() {
            Some(&"api") => 2,
            Some(&"apis") => 3,
            _ => segments.len(),
        };
        segments.drain(..before.min(segments.len()));
        // A namespace's own resources are about what stands after it.
        if segments.len() > 2 && segments[0] == "namespaces" {
            segments.drain(..2);
        }
        let named = segments.len() > 1;
        let resource = match (segments.front(), segments.get(2)) {
            (Some(resource), Some(sub)) => format!("{resource}/{sub}"),
            (Some(resource), None) => (*resource).to_owned(),
            (None, _) => String::new(),
        };
        let watches = uri
            .query()
            .unwrap_or_default()
            .split('&')
            .any(|pair| matches!(pair, "watch" | "watch=true" | "watch=1"));
        let verb = match *method {
            Method::POST => "create",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE => "delete",
            _ if watches => "watch",
            _ if named || resource.is_empty() => "get",
            _ => "list",
        };
        Self { verb, resource, number: 0 }
    }

    /// Of this verb, for this resource.
    pub(crate) fn is(&self, verb: &str, resource: &str) -> bool {
        self.verb == verb && self.resource == resource
    }
}

/// Decides about each request, in the order in which they arrive.
pub(crate) type Plan = Box<dyn FnMut(&Seen) -> Option<Fault> + Send>;

/// Nothing fails.
pub(crate) fn calm() -> Plan {
    Box::new(|_| None)
}

/// The next requests of this verb for this resource fail, each in its way.
pub(crate) fn in_turn(
    verb: &'static str,
    resource: &'static str,
    faults: impl IntoIterator<Item = Fault>,
) -> Plan {
    let mut faults: VecDeque<Fault> = faults.into_iter().collect();
    Box::new(move |seen| seen.is(verb, resource).then(|| faults.pop_front()).flatten())
}

/// Each fault hits so many per cent of all requests; the same ones for the same seed, where the
/// requests arrive in the same order.
pub(crate) fn at_random(seed: u64, rates: impl IntoIterator<Item = (u64, Fault)>) -> Plan {
    let rates: Vec<(u64, Fault)> = rates.into_iter().collect();
    assert!(rates.iter().map(|(rate, _)| rate).sum::<u64>() <= 100, "{rates:?}");
    let mut state = seed;
    Box::new(move |_| {
        let mut left = random(&mut state) % 100;
        for (rate, fault) in &rates {
            match left.checked_sub(*rate) {
                Some(rest) => left = rest,
                None => return Some(*fault),
            }
        }
        None
    })
}

/// The next number of a sequence that its first state, the seed, tells (SplitMix64).
pub(crate) fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
