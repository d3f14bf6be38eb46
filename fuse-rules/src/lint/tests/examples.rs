//! The examples in the pages of the lints and in `cases/`.

use std::path::Path;

use crate::diagnostic::tests::kinds::whole;
use crate::lint::Lint;

/// The start of a line that quotes what the lint marks in the line above.
const MARK: &str = "#~ ";

/// A fenced block `rules fails` or `rules passes`.
pub(super) struct Example {
    /// Whether the lint reports it.
    pub(super) fails: bool,
    /// A whole file of rules, without marks.
    pub(super) rules: String,
    /// The line, from 0, and the text of each mark.
    pub(super) marks: Vec<(usize, String)>,
    /// The last `yaml` block up to the next example: the workflow templates.
    pub(super) templates: String,
}

/// The examples of a Markdown file.
pub(super) fn examples(markdown: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for block in markdown.split("\n```").skip(1).step_by(2) {
        let (info, text) = block.split_once('\n').unwrap();
        match info {
            "rules fails" | "rules passes" => {
                let text = file(text);
                examples.push(Example {
                    fails: info == "rules fails",
                    rules: unmarked(&text),
                    marks: marks(&text),
                    templates: examples.last().map_or(String::new(), |one| one.templates.clone()),
                });
            }
            "yaml" => {
                examples.last_mut().expect("templates follow an example").templates = text.into();
            }
            _ => panic!("unknown kind of block: {info}"),
        }
    }
    examples
}

/// The examples of the page of a lint.
pub(super) fn page(lint: &Lint) -> Vec<Example> {
    examples(lint.page())
}

/// The further examples of a lint, with marks.
pub(super) fn cases(lint: &Lint) -> Vec<Example> {
    let path = format!("src/lint/tests/cases/{lint}.md");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    examples(&std::fs::read_to_string(path).unwrap())
}

/// An example as a whole file of rules. An example that declares a source is a whole file already.
pub(crate) fn file(example: &str) -> String {
    let is_whole = ["source ", "use "].iter().any(|word| example.starts_with(word))
        || example.contains("\nsource ");
    if is_whole { example.to_owned() } else { whole(example) }
}

fn unmarked(text: &str) -> String {
    let lines = text.trim().lines().filter(|line| !line.trim_start().starts_with(MARK));
    lines.map(|line| format!("{line}\n")).collect()
}

/// The marks of an example. Lines are counted without the marks.
fn marks(text: &str) -> Vec<(usize, String)> {
    let (mut line, mut marks) = (0, Vec::new());
    for text in text.trim().lines() {
        match text.trim_start().strip_prefix(MARK) {
            Some(marked) => marks.push((line - 1, marked.trim_end().to_owned())),
            None => line += 1,
        }
    }
    marks.sort();
    marks
}
