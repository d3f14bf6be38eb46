//! A page of Markdown taken apart: its fenced examples, and the tables that are marked to be tested.

/// A fenced block.
pub(crate) struct Example {
    /// The line of its fence, from 1.
    pub(crate) line: usize,
    /// What stands behind the fence, word by word.
    pub(super) words: Vec<String>,
    pub(crate) text: String,
}

/// A table under a comment `<!-- NAME table -->`.
pub(super) struct Table {
    /// The line of its comment, from 1.
    pub(super) line: usize,
    /// What it is a table of.
    pub(super) name: String,
    pub(super) header: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Example {
    pub(crate) fn is(&self, word: &str) -> bool {
        self.words.iter().any(|own| own == word)
    }

    /// The file that the example is, or that it builds on.
    pub(crate) fn file(&self) -> Option<&str> {
        self.words.iter().map(String::as_str).find(|word| word.contains('.'))
    }

    /// Whether it is a file as it stands, and no part of one.
    pub(super) fn is_whole(&self) -> bool {
        !["rule", "expr", "fails"].iter().any(|word| self.is(word))
    }

    /// The lints that find something in it.
    pub(super) fn finds(&self) -> Vec<&str> {
        let words = self.words.iter().map(String::as_str);
        words.skip_while(|word| *word != "finds").skip(1).collect()
    }

    /// The codes of the problems that it has.
    pub(super) fn codes(&self) -> Vec<&str> {
        let words = self.words.iter().map(String::as_str);
        words.skip_while(|word| *word != "fails").skip(1).take_while(|w| !w.contains('.')).collect()
    }
}

pub(crate) fn examples(page: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut inside = false;
    for (at, line) in page.lines().enumerate() {
        match line.strip_prefix("```") {
            Some(info) if !inside => {
                let words = info.split_whitespace().map(str::to_owned).collect();
                examples.push(Example { line: at + 1, words, text: String::new() });
                inside = true;
            }
            Some(_) => inside = false,
            None if inside => {
                let example = examples.last_mut().unwrap();
                example.text.push_str(line);
                example.text.push('\n');
            }
            None => {}
        }
    }
    examples
}

pub(super) fn tables(page: &str) -> Vec<Table> {
    let mut lines = page.lines().enumerate();
    let mut tables = Vec::new();
    while let Some((at, line)) = lines.next() {
        let comment = line.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" table -->"));
        let Some(name) = comment else { continue };
        let rows = lines.by_ref().map(|(_, line)| line).skip_while(|line| line.is_empty());
        let mut rows = rows.take_while(|line| line.starts_with('|')).map(cells);
        let header = rows.next().unwrap();
        let rows = rows.skip(1).collect();
        tables.push(Table { line: at + 1, name: name.to_owned(), header, rows });
    }
    tables
}

/// The cells of a row, without back-quotes.
fn cells(row: &str) -> Vec<String> {
    let cell = |text: &str| text.trim().trim_matches('`').to_owned();
    row.trim_matches('|').split('|').map(cell).collect()
}
