//! Proves that the conditions of events at one address exclude each other.

use crate::analysis::{Analysis, Answer, Witness};
use crate::diagnostic::{Code, Diagnostic};
use crate::typed::{EventDecl, Rules, Source};
use crate::value::cut_at;

/// The length at which a body is cut in messages, in characters.
const MAX_BODY_CHARS: usize = 400;

/// The problems of events that match the same requests. Only an event whose conditions are proven to exclude those
/// of the others is certain to get its requests.
pub(super) fn problems(rules: &Rules) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    let mut analysis = Analysis::new(rules);
    for source in &rules.sources {
        let with_conditions: Vec<&EventDecl> =
            source.events.iter().filter(|event| !event.when.is_empty()).collect();
        for (at, second) in with_conditions.iter().enumerate() {
            let others = with_conditions.iter().take(at);
            for first in
                others.filter(|first| first.address.is_some() && first.address == second.address)
            {
                match analysis.taken_by_both(&source.name, first, second) {
                    Answer::Never(_) => {}
                    Answer::Found(witness) => {
                        problems.push(taken_twice(source, first, second, &witness));
                    }
                    Answer::Unknown => problems.push(unproven(first, second)),
                }
            }
        }
    }
    problems
}

fn taken_twice(
    source: &Source,
    first: &EventDecl,
    second: &EventDecl,
    witness: &Witness,
) -> Diagnostic {
    let (one, other) = (&first.name, &second.name);
    let message = format!("`{one}` and `{other}` of `{}` match the same request", source.name);
    Diagnostic::error(Code::E0412, second.span, message)
        .label(format!("matches {}", request(witness)))
        .related(first.span, "so does this event")
        .help("add conditions, so that each request matches at most one event")
}

fn unproven(first: &EventDecl, second: &EventDecl) -> Diagnostic {
    let (one, other) = (&first.name, &second.name);
    let message =
        format!("fuse cannot prove that `{one}` and `{other}` never match the same request");
    Diagnostic::error(Code::E0412, second.span, message)
        .label("its conditions are too complex for a proof")
        .related(first.span, "the other event")
        .help(
            "compare the same value with different constants in both events, \
             as in `when headers.x-event == \"push\"`",
        )
}

/// A request in words.
fn request(witness: &Witness) -> String {
    let header = |(name, value): (&String, &String)| format!("the header `{name}: {value}`");
    let parameter = |(name, value): (&String, &String)| format!("the parameter `{name}={value}`");
    let segment =
        |(name, value): (&String, &String)| format!("`{value}` as `{{{name}}}` of its path");
    let mut parts: Vec<String> = witness.headers.iter().map(header).collect();
    parts.extend(witness.query.iter().map(parameter));
    parts.extend(witness.path.iter().map(segment));
    let body = witness.text().unwrap_or_default();
    if !matches!(body.as_str(), "{}" | "null") || parts.is_empty() {
        parts.push(format!("the body `{}`", cut_at(&body, MAX_BODY_CHARS)));
    }
    format!("a request with {}", parts.join(" and "))
}
