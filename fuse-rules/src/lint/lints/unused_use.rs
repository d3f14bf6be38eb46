//! `unused-use`

use rustc_hash::{FxHashMap, FxHashSet};

use crate::diagnostic::Fix;
use crate::lint::context::{Findings, LintContext};
use crate::lint::{Level, Lint, Pass};
use crate::span::{FileId, Span};

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "unused-use",
        title: "a `use` that is not needed",
        level: Level::Warn,
        page: include_str!("../../../lints/unused-use.md"),
    },
    check,
};

fn check(context: &LintContext<'_>, out: &mut Findings) {
    let loading = loading(context);
    for file in context.trees() {
        for used in &file.tree.uses {
            let needed = context.used(file, used).is_none_or(|other| {
                loading.contains(&other.id) || context.references().uses_file(file.id, other.id)
            });
            if needed {
                continue;
            }
            let text = &used.name.text;
            out.add(used.name.span, format!("nothing from `{text}` is used here"), |problem| {
                let line = line(used.name.span, context);
                problem
                    .label("not needed")
                    .help("remove the line")
                    .maybe_fix(line.map(|line| Fix::safe("remove the line", line, "")))
            });
        }
    }
}

/// The files that contain sensors, or use such a file directly or indirectly.
fn loading(context: &LintContext<'_>) -> FxHashSet<FileId> {
    let mut users: FxHashMap<FileId, Vec<FileId>> = FxHashMap::default();
    let mut waiting = Vec::new();
    for file in context.trees() {
        file.uses.iter().for_each(|used| users.entry(*used).or_default().push(file.id));
        if !file.tree.sensors.is_empty() {
            waiting.push(file.id);
        }
    }
    let mut loading = FxHashSet::default();
    while let Some(file) = waiting.pop() {
        if loading.insert(file) {
            waiting.extend(users.get(&file).into_iter().flatten());
        }
    }
    loading
}

/// The span of the whole line of a `use`, if the line contains nothing else.
fn line(name: Span, context: &LintContext<'_>) -> Option<Span> {
    let text = context.files.get(name.file)?.text();
    let range = name.range();
    let start = text.get(..range.start)?.rfind(['\n', '\r']).map_or(0, |end| end + 1);
    let words = text.get(start..range.start)?.split_whitespace();
    let after = text.get(range.end..)?;
    let line_end = after.find('\n').map_or(after.len(), |end| end + 1);
    let alone = matches!(words.collect::<Vec<_>>().as_slice(), ["use"] | ["use", "std"]);
    let alone = alone && after.get(..line_end)?.trim().is_empty();
    alone.then(|| Span::new(name.file, start..range.end + line_end))
}
