//! `unused-use`

use rustc_hash::{FxHashMap, FxHashSet};

use crate::diagnostic::Fix;
use crate::lint::context::{Context, Findings};
use crate::lint::references::Uses;
use crate::lint::{Level, Lint};
use crate::span::{FileId, Span};

pub(super) static LINT: Lint = Lint {
    name: "unused-use",
    title: "a `use` that nothing needs",
    level: Level::Warn,
    finds: "\
A file uses another one and names nothing of what that declares: no type, constant, \
condition, fuse or source. Nothing is said where the other file, or one that it uses, has \
sensors, which are loaded by it.",
    instead: "Remove the line, which is what the fix does.",
    flags: &[
        "\
use std \"github\"
#~ \"github\"

source gh webhook {
  port = 12000
  path = \"/gh\"
  event push
}

sensor example on gh.push {
  rule one {
    trigger log { message = \"x\" }
  }
}
",
    ],
    passes: &[
        "\
use std \"github\"

source gh webhook {
  port = 12000
  path = \"/gh\"
  event push : github.push
}

sensor example on gh.push {
  rule one {
    trigger log { message = \"x\" }
  }
}
",
    ],
    look,
};

fn look(context: &Context<'_>, out: &mut Findings) {
    let loading = loading(context);
    for file in context.trees() {
        let names = Uses::of(std::iter::once(file));
        for used in &file.tree.uses {
            let needed = match (used.std, context.used(file, used)) {
                (true, _) => names.names_module(&used.name.text),
                (false, Some(other)) => loading.contains(&other.id) || names.any_of(&other.tree),
                (false, None) => true,
            };
            if needed {
                continue;
            }
            let text = &used.name.text;
            out.add(used.name.span, format!("nothing of `{text}` is used here"), |problem| {
                let line = line(used.name.span, context);
                problem
                    .label("not needed")
                    .help("remove the line")
                    .maybe_fix(line.map(|line| Fix::safe("remove the line", line, "")))
            });
        }
    }
}

/// The files that have sensors, or use, by way of others or not, a file that has.
fn loading(context: &Context<'_>) -> FxHashSet<FileId> {
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

/// The line of a `use` with its end, where nothing else stands in it.
fn line(name: Span, context: &Context<'_>) -> Option<Span> {
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
