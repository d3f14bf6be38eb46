//! Text to tree. pest reads the grammar; everything here turns its pairs into the tree of
//! `ast`, and what did not parse into problems that name the fault.

mod aliens;
pub(crate) mod ast;
mod blocks;
mod calls;
mod clauses;
mod docs;
mod expressions;
mod hints;
mod lower;
mod nesting;
mod recover;
mod sensors;
mod suggest;
mod test_blocks;
#[cfg(test)]
pub(crate) mod tests;
mod texts;
#[cfg(test)]
mod tree;
mod types;

use std::ops::Range;

use pest::Parser;
use pest::iterators::Pair;

pub(crate) use docs::{BLANK, directive, doc, is_alone, is_one_line_end};
#[cfg(test)]
pub(crate) use tree::type_text;

use crate::diagnostic::Diagnostic;
use crate::span::{FileId, Span};

/// The derived parser, kept private so that pest's types stay out of the public face.
mod grammar {
    #![allow(missing_docs, reason = "the grammar's own comments document its rules")]

    #[derive(pest_derive::Parser)]
    #[grammar = "grammar/rules.pest"]
    pub(super) struct Grammar;
}

use grammar::Grammar;
pub(crate) use grammar::Rule;

/// How deeply brackets and operators may nest, together. More than anybody reads, and a third of
/// what a 2 MiB stack holds in a debug build, where a level costs up to 10 KiB.
pub(crate) const MAX_NESTING: usize = 64;

/// Reads a file of rules. Every problem is added to `problems`; what could be read is returned.
pub(crate) fn parse(file: FileId, text: &str, problems: &mut Vec<Diagnostic>) -> ast::File {
    let scan = nesting::scan(text);
    if let Some(at) = scan.too_deep {
        let span = Span::new(file, at..at + 1);
        problems.push(nesting::problem(span));
        return ast::File::default();
    }
    // What does not parse may hide brackets from the pass over the bytes, so the depth of what was
    // read counts, too. Recovery takes up whatever does not parse; pest gives up only where brackets
    // nest so deep that the stack runs out.
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

/// Whether a text is a name as the grammar has it: of a field, of what is declared.
pub(crate) fn is_name(text: &str) -> bool {
    let parsed = Grammar::parse(Rule::ident, text);
    parsed.is_ok_and(|mut pairs| pairs.next().is_some_and(|pair| pair.as_str() == text))
}

/// The pieces of a text that [`parse`] reads without a problem: everything but white space and
/// comments. `None` where there was one.
pub(crate) fn pieces(text: &str) -> Option<Pair<'_, Rule>> {
    Grammar::parse(Rule::file, text).ok()?.next()
}

/// The comments of such a text.
pub(crate) fn comments(text: &str) -> Vec<Range<usize>> {
    nesting::scan(text).comments
}
