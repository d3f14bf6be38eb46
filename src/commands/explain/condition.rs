//! Conditions as text: one line per part, with its truth before it and its values after it.

use std::fmt::Write as _;

use fuse_rules::explain::{Form, Found, Part};

/// How many parts of conditions are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// The parts that decided, and the number of the others.
    Deciding,
    /// Every part, with a mark before those that decided.
    All,
    /// Every part, without marks: all conditions are true, and each of them was needed.
    Unmarked,
}

/// The indentation of a part relative to the whole.
const STEP: usize = 2;

/// Writes a condition with its position.
pub(super) fn condition(out: &mut String, part: &Part, indent: usize, shown: Shown) {
    write(out, part, indent, shown, true);
}

/// Whether a condition fits on one line.
pub(super) fn is_plain(part: &Part) -> bool {
    match part.form {
        Form::Not => part.parts.iter().all(|inner| inner.form == Form::Test),
        form => form == Form::Test,
    }
}

fn write(out: &mut String, part: &Part, indent: usize, shown: Shown, placed: bool) {
    let mark = match shown {
        Shown::All if part.deciding => "> ",
        Shown::All => "  ",
        _ => "",
    };
    let truth = part.truth.map_or("unknown", |truth| if truth { "true" } else { "false" });
    let element = part.element.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
    let says = match part.form {
        _ if is_plain(part) || part.parts.is_empty() => &part.text,
        Form::And => "all of:",
        Form::Or => "one of:",
        Form::Not => "not:",
        _ => &part.text,
    };
    let line = format!("{mark}{truth:<7}  {element}{says}{}", beside(part));
    let place = if placed { format!("    at {}", part.place) } else { String::new() };
    line_at(out, indent, &format!("{line}{place}"));
    if is_plain(part) {
        return;
    }
    let told = |inner: &&Part| shown != Shown::Deciding || inner.deciding;
    for inner in part.parts.iter().filter(told) {
        // The body of a call is in another place of the source.
        write(out, inner, indent + STEP, shown, part.form == Form::Call);
    }
    let untold: Vec<&Part> = part.parts.iter().filter(|inner| !told(inner)).collect();
    if let Some(more) = more(part, &untold) {
        line_at(out, indent + STEP + if shown == Shown::All { 2 } else { 0 }, &format!("({more})"));
    }
}

pub(super) fn line_at(out: &mut String, indent: usize, line: &str) {
    // Writing to a string cannot fail.
    let _ok = writeln!(out, "{:indent$}{}", "", line.trim_end());
}

/// The values of a part, and the reason why it is unknown if the values do not show it.
fn beside(part: &Part) -> String {
    let found = match part.parts.as_slice() {
        [inner] if is_plain(part) => inner.found.as_slice(),
        // For a list, its elements are shown instead.
        [_, ..] => &[],
        [] => part.found.as_slice(),
    };
    // For a path used as a condition, its value is already shown before it.
    let says_itself = |found: &&Found| found.path == part.text && part.truth.is_some();
    let mut notes: Vec<String> =
        found.iter().filter(|found| !says_itself(found)).map(Found::to_string).collect();
    let reason = part.reason.iter().filter(|_| is_plain(part) || part.parts.is_empty());
    for reason in reason {
        if !notes.contains(reason) {
            notes.push(reason.clone());
        }
    }
    if notes.is_empty() { String::new() } else { format!("    # {}", notes.join(", ")) }
}

/// A text about the parts that are not shown.
fn more(part: &Part, untold: &[&Part]) -> Option<String> {
    let element = part.form.is_quantifier();
    let cut = part.left_out;
    if cut > 0 {
        let noun = if element { "element" } else { "part" };
        return Some(format!("and {}", counted(untold.len() + cut, &format!("more {noun}"))));
    }
    others(untold.iter().map(|part| part.truth), if element { "element" } else { "part" })
}

/// The number of the others, and their truths.
pub(super) fn others(
    truths: impl Iterator<Item = Option<bool>> + Clone,
    noun: &str,
) -> Option<String> {
    let of = |truth| truths.clone().filter(|one| *one == truth).count();
    let counts = [(of(Some(true)), "true"), (of(Some(false)), "false"), (of(None), "unknown")];
    let all: usize = counts.iter().map(|(count, _)| count).sum();
    if all == 0 {
        return None;
    }
    let counts: Vec<_> = counts.iter().filter(|(count, _)| *count > 0).collect();
    Some(match counts.as_slice() {
        [(1, truth)] => format!("1 other {noun} is {truth}"),
        [(count, truth)] => format!("{count} other {noun}s are {truth}"),
        counts => {
            let counts: Vec<_> =
                counts.iter().map(|(count, truth)| format!("{count} {truth}")).collect();
            format!("{}: {}", counted(all, &format!("other {noun}")), counts.join(", "))
        }
    })
}

fn counted(count: usize, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{s}")
}
