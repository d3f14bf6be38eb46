//! The events of one address, and the conditions that tell them apart.

use super::compile::Compiler;
use super::{Frames, Origin, Slot};
use crate::typed::{self, Expr, Rules, Source};

/// The events of one address.
pub(crate) struct RoutePlan {
    /// The values that the conditions read.
    pub(crate) frames: Frames,
    /// The names of the events with conditions, and their conditions.
    pub(crate) events: Vec<(String, Vec<Expr<Slot>>)>,
    /// The event without conditions, which takes the rest.
    pub(crate) rest: Option<String>,
    /// Whether the conditions read the body.
    pub(crate) reads_body: bool,
}

/// Compiles the routes of a source. Returns one for each of its events that needs one.
pub(super) fn routes_of(
    rules: &Rules,
    source: &Source,
    routes: &mut Vec<RoutePlan>,
) -> Vec<Option<usize>> {
    let same_address = |one: &typed::EventDecl, other: &typed::EventDecl| {
        std::ptr::eq(one, other)
            || one.address.as_ref().is_some_and(|address| {
                other.address.as_ref().is_some_and(|other| address.text == other.text)
            })
    };
    let mut found: Vec<Option<usize>> = Vec::new();
    for (at, event) in source.events.iter().enumerate() {
        let first = source.events.iter().position(|other| same_address(event, other));
        let route = match first.filter(|first| *first < at) {
            Some(first) => found.get(first).copied().flatten(),
            None => {
                let here: Vec<_> =
                    source.events.iter().filter(|other| same_address(event, other)).collect();
                here.iter().any(|event| !event.when.is_empty()).then(|| {
                    routes.push(route(rules, &here));
                    routes.len() - 1
                })
            }
        };
        found.push(route);
    }
    found
}

fn route(rules: &Rules, events: &[&typed::EventDecl]) -> RoutePlan {
    let mut compiler = Compiler::new(rules);
    let mut conditions = Vec::new();
    let mut rest = None;
    for event in events {
        match event.when.as_slice() {
            [] => rest = Some(event.name.clone()),
            when => conditions.push((event.name.clone(), compiler.exprs(when))),
        }
    }
    let frames = compiler.into_frames();
    let slots = frames.groups.iter().flat_map(|group| &group.slots);
    let reads_body = frames.groups.len() > 1
        || slots.map(|slot| &slot.origin).any(|origin| matches!(origin, Origin::Tree(_)));
    RoutePlan { frames, events: conditions, rest, reads_body }
}
