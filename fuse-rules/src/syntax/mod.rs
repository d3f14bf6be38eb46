//! Converts text to a tree. pest parses the text with the grammar. The modules here convert its
//! pairs to the tree in `ast`, and text that did not parse to problems that name the mistake.

mod aliens;
pub(crate) mod ast;
mod blocks;
mod calls;
mod clauses;
mod conditionals;
mod docs;
mod expressions;
mod fuses;
mod hints;
mod lower;
mod nesting;
mod recover;
mod sensors;
mod suggest;
mod test_blocks;
#[cfg(test)]
pub(crate) mod tests;
mod text_blocks;
mod texts;
#[cfg(test)]
mod tree;
mod triggers;
mod types;
pub(crate) mod visit;

use std::ops::Range;

use pest::Parser;
use pest::iterators::Pair;

pub(crate) use docs::{BLANK, directive, doc, is_alone, is_one_line_end};
pub(crate) use suggest::as_key;
pub(crate) use text_blocks::{closing_indent, indent_of, raw_lines};
#[cfg(test)]
pub(crate) use tree::type_text;

use crate::diagnostic::Diagnostic;
use crate::span::{FileId, Span};

/// The derived parser. It is private so that pest's types do not become part of the public API.
mod grammar {
    #![allow(missing_docs, reason = "the grammar's own comments document its rules")]

    #[derive(pest_derive::Parser)]
    #[grammar = "grammar/rules.pest"]
    pub(super) struct Grammar;
}

use grammar::Grammar;
pub(crate) use grammar::Rule;

/// The maximum nesting of brackets and operators together. It is more than anyone can read. In a
/// debug build, where a level needs up to 10 KiB, it needs a third of a 2 MiB stack.
pub(crate) const MAX_NESTING: usize = 64;

/// Parses a rules file. Adds all problems to `problems` and returns the parts that parsed.
pub(crate) fn parse(file: FileId, text: &str, problems: &mut Vec<Diagnostic>) -> ast::File {
    let scan = nesting::scan(text);
    if let Some(at) = scan.too_deep {
        let span = Span::new(file, at..at + 1);
        problems.push(nesting::problem(span));
        return ast::File::default();
    }
    // Text that does not parse can hide brackets from the pass over the bytes, so the depth of the
    // pairs is checked too. Recovery accepts any text. pest itself fails only if the brackets are
    // nested so deeply that the stack runs out.
    let too_deep = match Grammar::parse(Rule::file, text) {
        Ok(pairs) => match nesting::too_deep(&pairs) {
            None => return lower::Lower::new(file, text, &scan.comments, problems).file(pairs),
            Some(at) => at,
        },
        Err(error) => recover::position(&error),
    };
    problems.push(nesting::problem(Span::new(file, too_deep..too_deep)));
    ast::File::default()
}

/// Whether a text is a name in the grammar: of a field or of a declaration.
pub(crate) fn is_name(text: &str) -> bool {
    let parsed = Grammar::parse(Rule::ident, text);
    parsed.is_ok_and(|mut pairs| pairs.next().is_some_and(|pair| pair.as_str() == text))
}

/// The tokens of a text that [`parse`] parses without a problem: everything except white space and
/// comments. `None` if there was a problem.
pub(crate) fn pieces(text: &str) -> Option<Pair<'_, Rule>> {
    Grammar::parse(Rule::file, text).ok()?.next()
}

/// The comments of such a text.
pub(crate) fn comments(text: &str) -> Vec<Range<usize>> {
    nesting::scan(text).comments
}
