//! Prints a layout: decides which groups are broken, where lines end and how far they are indented.

use super::doc::Doc;

/// The maximum length of a line in characters, as far as it can be broken.
const MAX_LINE_CHARS: usize = 100;
const INDENT: usize = 2;

/// Prints a layout that starts at the start of a line, without a line end after it.
pub(super) fn print(docs: &[Doc<'_>]) -> String {
    let mut printer = Printer { out: String::new(), column: 0, line_indent: 0, line_end: None };
    let mut stack = Vec::new();
    push(&mut stack, 0, Mode::Broken, docs);
    while let Some(task) = stack.pop() {
        printer.step(task, &mut stack);
    }
    printer.out
}

/// How the lines of the enclosing group are printed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Broken,
    Flat,
    /// Flat, even if it is too wide.
    Tight,
}

#[derive(Clone, Copy)]
struct Task<'d, 'a> {
    indent: usize,
    mode: Mode,
    doc: &'d Doc<'a>,
}

fn push<'d, 'a>(stack: &mut Vec<Task<'d, 'a>>, indent: usize, mode: Mode, docs: &'d [Doc<'a>]) {
    stack.extend(docs.iter().rev().map(|doc| Task { indent, mode, doc }));
}

/// A pending line end before the next text. The last request sets its indentation.
struct LineEnd {
    indent: usize,
    blank: bool,
}

struct Printer {
    out: String,
    column: usize,
    /// The indentation of the current line.
    line_indent: usize,
    line_end: Option<LineEnd>,
}

impl Printer {
    fn step<'d, 'a>(&mut self, task: Task<'d, 'a>, stack: &mut Vec<Task<'d, 'a>>) {
        let Task { indent, mode, doc } = task;
        match (doc, mode) {
            (Doc::Text(text), _) | (Doc::Either { broken: text, .. }, Mode::Broken) => {
                self.text(text);
            }
            (Doc::Either { flat, .. }, _) => self.text(flat),
            (Doc::Line | Doc::Soft, Mode::Broken) | (Doc::Hard, _) => self.line(indent, false),
            (Doc::Space | Doc::Line, _) => self.space(),
            (Doc::Soft, _) => {}
            (Doc::Blank, _) => self.line(indent, true),
            (Doc::Nest(docs), _) => push(stack, indent + INDENT, mode, docs),
            (Doc::Tight(docs), _) => push(stack, indent, Mode::Tight, docs),
            (Doc::TextBlock(docs), _) => {
                let line = self.line_end.as_ref().map_or(self.line_indent, |end| end.indent);
                push(stack, line + INDENT, Mode::Tight, docs);
            }
            (Doc::BlockBreak(next), _) => self.block_break(indent, *next),
            (Doc::Group { docs, broken: true }, _) => push(stack, indent, Mode::Broken, docs),
            (Doc::Group { docs, .. }, Mode::Broken) if !self.fits(indent, docs, stack) => {
                push(stack, indent, Mode::Broken, docs);
            }
            (Doc::Group { docs, .. }, Mode::Broken) => push(stack, indent, Mode::Flat, docs),
            (Doc::Group { docs, .. }, _) => push(stack, indent, mode, docs),
            (Doc::Comment(comment), _) => {
                self.line(indent, false);
                self.text(comment);
                self.line(indent, false);
            }
            (Doc::Trailing(comment), _) => {
                self.trim();
                self.out.push_str("  ");
                self.out.push_str(comment);
                if self.line_end.is_none() {
                    self.line(indent, false);
                }
            }
        }
    }

    fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if let Some(line_end) = self.line_end.take() {
            self.trim();
            if !self.out.is_empty() {
                self.out.push_str(if line_end.blank { "\n\n" } else { "\n" });
            }
            self.start_line(line_end.indent);
        }
        self.out.push_str(text);
        self.column += width(text);
    }

    fn start_line(&mut self, indent: usize) {
        self.out.push_str(&" ".repeat(indent));
        self.column = indent;
        self.line_indent = indent;
    }

    fn block_break(&mut self, indent: usize, next: Option<&str>) {
        self.out.push('\n');
        if let Some(kept) = next {
            self.start_line(indent);
            self.text(kept);
        }
    }

    fn space(&mut self) {
        if self.line_end.is_none() {
            self.text(" ");
        }
    }

    fn line(&mut self, indent: usize, blank: bool) {
        let blank = blank || self.line_end.as_ref().is_some_and(|line_end| line_end.blank);
        self.line_end = Some(LineEnd { indent, blank });
    }

    fn trim(&mut self) {
        let end = self.out.trim_end_matches(' ').len();
        self.out.truncate(end);
    }

    /// Whether a group fits on the rest of the line, with the following text up to the next
    /// possible line break. Reads at most one line.
    fn fits<'d, 'a>(&self, indent: usize, docs: &'d [Doc<'a>], rest: &[Task<'d, 'a>]) -> bool {
        let column = self.line_end.as_ref().map_or(self.column, |line_end| line_end.indent);
        let mut left = MAX_LINE_CHARS.saturating_sub(column);
        let mut rest = rest.iter().rev();
        let mut stack = Vec::new();
        push(&mut stack, indent, Mode::Flat, docs);
        while let Some(Task { indent, mode, doc }) = stack.pop().or_else(|| rest.next().copied()) {
            let text: &str = match (doc, mode) {
                (Doc::Text(text), _) | (Doc::Either { broken: text, .. }, Mode::Broken) => text,
                (Doc::Either { flat, .. }, _) => flat,
                (Doc::Line | Doc::Soft, Mode::Broken)
                | (
                    Doc::Hard
                    | Doc::Blank
                    | Doc::Comment(_)
                    | Doc::Trailing(_)
                    | Doc::BlockBreak(_),
                    _,
                ) => return true,
                (Doc::Space | Doc::Line, _) => " ",
                (Doc::Soft, _) => "",
                (Doc::Nest(docs) | Doc::Group { docs, .. }, mode) => {
                    push(&mut stack, indent, mode, docs);
                    continue;
                }
                (Doc::Tight(docs) | Doc::TextBlock(docs), _) => {
                    push(&mut stack, indent, Mode::Tight, docs);
                    continue;
                }
            };
            match left.checked_sub(width(text)) {
                None => return false,
                Some(less) => left = less,
            }
        }
        true
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}
