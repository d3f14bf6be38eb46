//! The page of a lint, made of what its file says.

use super::{Level, Lint};

/// What begins the line below one that is marked in an example, before the text that is marked.
const MARK: &str = "#~ ";

pub(super) fn page(lint: &Lint) -> String {
    let level = match lint.level {
        Level::Allow => "`allow`: it only runs where it is asked for",
        Level::Warn => "`warn`",
        Level::Deny => "`deny`",
    };
    let (name, title) = (lint.name, lint.title);
    let mut page = format!("# {name}: {title}\n\nLevel: {level}.\n\n{}", filled(lint.finds));
    if let Some(example) = lint.flags.first() {
        page.push_str("\n## Example\n\n");
        page.push_str(&fenced(example));
    }
    page.push_str(&format!("\n## Instead\n\n{}", filled(lint.instead)));
    if let Some(example) = lint.passes.first() {
        page.push('\n');
        page.push_str(&fenced(example));
    }
    page
}

/// Prose in lines of a hundred characters; each line of it is a paragraph or an element of a list.
fn filled(prose: &str) -> String {
    let mut filled = String::new();
    for paragraph in prose.trim().lines() {
        let indent = if paragraph.starts_with("- ") { "  " } else { "" };
        let mut width = 0;
        for word in paragraph.split_whitespace() {
            let len = word.chars().count();
            if width > 0 && width + 1 + len > 100 {
                filled.push('\n');
                filled.push_str(indent);
                width = indent.len();
            } else if width > 0 {
                filled.push(' ');
                width += 1;
            }
            filled.push_str(word);
            width += len;
        }
        filled.push('\n');
    }
    filled
}

/// An example as a block of Markdown; what else belongs to it, as a block of its own.
fn fenced(example: &str) -> String {
    let shown = unmarked(example);
    let fence = |language: &str, text: &str| format!("```{language}\n{}\n```\n", text.trim());
    match shown.split_once(FILE) {
        Some((rules, yaml)) => format!("{}\n{}", fence("rules", rules), fence("yaml", yaml)),
        None => fence("rules", &shown),
    }
}

/// What stands in an example between the rules and the workflow templates that belong to them.
pub(super) const FILE: &str = "\n--- templates.yaml\n";

/// An example without what says which of its texts are marked.
pub(super) fn unmarked(example: &str) -> String {
    let lines = example.trim().lines().filter(|line| !line.trim_start().starts_with(MARK));
    lines.map(|line| format!("{line}\n")).collect()
}

/// What an example says is marked: the number of a line as it is without marks, from 0, and the text.
#[cfg(test)]
pub(super) fn marks(example: &str) -> Vec<(usize, String)> {
    let (mut line, mut marks) = (0, Vec::new());
    for text in example.trim().lines() {
        match text.trim_start().strip_prefix(MARK) {
            Some(marked) => marks.push((line - 1, marked.trim_end().to_owned())),
            None => line += 1,
        }
    }
    marks
}
