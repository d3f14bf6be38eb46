//! The addresses of events: which events share one, and which may.

use rustc_hash::FxHashMap;

use super::Checker;
use crate::diagnostic::{Code, Diagnostic};
use crate::span::Span;
use crate::typed::{self, Address, EventDecl};

/// An event with an address.
struct Placed<'s> {
    source: &'s typed::Source,
    event: &'s EventDecl,
    address: &'s Address,
}

impl Checker<'_> {
    /// Reports events whose addresses collide. Events of one source may share an address, if all but one have
    /// conditions and they read a request in the same way.
    pub(super) fn addresses(&mut self, sources: &[typed::Source]) {
        let events = sources.iter().flat_map(|source| {
            let placed = source.events.iter().map(move |event| (source, event));
            placed.filter_map(|(source, event)| {
                Some(Placed { source, event, address: event.address.as_ref()? })
            })
        });
        // By the kind and the fields other than the path. Only paths with parameters are compared with all others.
        let mut seen: FxHashMap<(&str, &str), Vec<Placed<'_>>> = FxHashMap::default();
        let mut same: FxHashMap<(&str, &str), usize> = FxHashMap::default();
        for placed in events {
            let kind = placed.source.kind.as_str();
            let known = seen.entry((kind, placed.address.rest.as_str())).or_default();
            let first = same.get(&(kind, placed.address.text.as_str()));
            match first.and_then(|first| known.get(*first)) {
                Some(first) => self.same_address(first, &placed, known),
                None => {
                    same.insert((kind, placed.address.text.as_str()), known.len());
                    let overlaps = |other: &&Placed<'_>| placed.overlaps(other);
                    if let Some(other) = known.iter().find(overlaps) {
                        self.report(overlapping(&placed, other));
                    }
                }
            }
            known.push(placed);
        }
    }

    /// Reports sources that must agree on fields and do not, such as those of one port on its certificate.
    pub(super) fn shared_fields(&mut self, sources: &[typed::Source]) {
        let mut problems = Vec::new();
        let mut seen: FxHashMap<(&str, &str, String), (&typed::Source, &EventDecl)> =
            FxHashMap::default();
        for source in sources {
            let Some(schema) = self.registry.find_source(&source.kind) else { continue };
            // All events of a source have its fields.
            let Some(event) = source.events.first() else { continue };
            for shared in &schema.shared {
                let Some(value) = event.fields.get(&shared.field) else { continue };
                let key = (schema.source.kind(), shared.field.as_str(), value.to_string());
                let (first, known) = *seen.entry(key).or_insert((source, event));
                let differs = |name: &&String| known.fields.get(*name) != event.fields.get(*name);
                if let Some(name) = shared.same.iter().find(differs) {
                    problems.push(disagreement(source, event, (first, known), &shared.field, name));
                }
            }
        }
        problems.into_iter().for_each(|problem| self.report(problem));
    }

    fn same_address(&mut self, first: &Placed<'_>, second: &Placed<'_>, known: &[Placed<'_>]) {
        if first.source.name != second.source.name {
            let problem = collision(second, first.event.span)
                .help("give one of them another path, or declare both in one source, with `when` conditions");
            return self.report(problem);
        }
        let mut here = known.iter().filter(|one| one.address.text == second.address.text);
        if second.event.when.is_empty()
            && let Some(other) = here.find(|one| one.event.when.is_empty())
        {
            let problem = collision(second, other.event.span).help(format!(
                "give one of them another path, or a condition that distinguishes them: \
                 `event {} {{ when headers.x-event == \"{}\" }}`",
                second.event.name, second.event.name
            ));
            return self.report(problem);
        }
        let schema = self.registry.find_source(&second.source.kind);
        let same = schema.map(|schema| schema.same_at_address.clone()).unwrap_or_default();
        for name in same {
            if first.event.fields.get(&name) != second.event.fields.get(&name) {
                let message = format!(
                    "events of one address must have the same `{name}`: {}",
                    second.address.text
                );
                self.report(
                    Diagnostic::error(Code::E0410, second.event.span, message)
                        .label(format!("this event has another `{name}`"))
                        .related(first.event.span, "than this one")
                        .help(format!("set `{name}` in the source")),
                );
            }
        }
    }
}

impl Placed<'_> {
    fn overlaps(&self, other: &Self) -> bool {
        let has_parameters = |placed: &Self| {
            placed.address.path.as_ref().is_some_and(|path| path.parameters().next().is_some())
        };
        // Two texts of one path differ only if a character is percent-encoded.
        let is_encoded = |placed: &Self| placed.address.text.contains('%');
        let is_text = !has_parameters(self) && !has_parameters(other);
        (!is_text || is_encoded(self) || is_encoded(other)) && self.address.overlaps(other.address)
    }
}

fn disagreement(
    source: &typed::Source,
    event: &EventDecl,
    (first, known): (&typed::Source, &EventDecl),
    field: &str,
    name: &str,
) -> Diagnostic {
    let message = format!(
        "sources with the same `{field}` must have the same `{name}`: `{}` and `{}` differ",
        first.name, source.name
    );
    Diagnostic::error(Code::E0410, event.span, message)
        .label(format!("the source of this event has another `{name}`"))
        .related(known.span, "than the source of this one")
        .help(format!(
            "set the same `{name}` in both sources, or give one of them another `{field}`"
        ))
}

fn collision(second: &Placed<'_>, first: Span) -> Diagnostic {
    let message = format!("two events have the same address: {}", second.address.text);
    Diagnostic::error(Code::E0407, second.event.span, message)
        .label("this event has the same address")
        .related(first, "as this one")
}

fn overlapping(second: &Placed<'_>, first: &Placed<'_>) -> Diagnostic {
    let message = format!(
        "the addresses of two events overlap: {} and {}",
        second.address.text, first.address.text
    );
    Diagnostic::error(Code::E0407, second.event.span, message)
        .label("some requests have both addresses")
        .related(first.event.span, "the other event")
        .help("give one of them another path; two events may share a path only if it is written the same")
}
