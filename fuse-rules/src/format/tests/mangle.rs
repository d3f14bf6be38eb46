//! Changes the layout of a formatted file without changing its meaning: white space, line ends,
//! commas, and the order of sorted parts.

use pest::iterators::Pair;

use crate::format::gap::Gap;
use crate::format::layout::spelling;
use crate::format::order::ranks;
use crate::syntax::{self, Rule};

/// A mangled copy. `bytes` control the changes and are reused in a cycle.
pub(super) fn file(text: &str, bytes: &[u8]) -> String {
    let mut mangle = Mangle { text, at: 0, bytes: bytes.iter().cycle(), line_end: "\n" };
    if mangle.choose(4) == 1 {
        mangle.line_end = "\r\n";
    }
    let file = syntax::pieces(text).unwrap();
    let mut out = mangle.piece(file);
    if mangle.choose(3) == 1 {
        out.insert(0, '\u{feff}');
    }
    out
}

struct Mangle<'a, 'b> {
    text: &'a str,
    at: usize,
    bytes: std::iter::Cycle<std::slice::Iter<'b, u8>>,
    line_end: &'static str,
}

impl<'a> Mangle<'a, '_> {
    fn choose(&mut self, n: usize) -> usize {
        usize::from(self.bytes.next().copied().unwrap_or(0)) % n
    }

    fn white(&mut self) -> String {
        match self.choose(6) {
            0 => self.line_end.to_owned(),
            1 => format!("{0}  {0}", self.line_end),
            2 => "\t".to_owned(),
            3 => "     ".to_owned(),
            _ => " ".to_owned(),
        }
    }

    fn lines(&mut self) -> String {
        self.line_end.repeat(1 + self.choose(3))
    }

    fn piece(&mut self, pair: Pair<'a, Rule>) -> String {
        let rule = pair.as_rule();
        let parts: Vec<_> = pair.clone().into_inner().collect();
        if parts.is_empty()
            || matches!(
                rule,
                Rule::op_not_in | Rule::op_not_text | Rule::raw_string | Rule::text_block
            )
        {
            let piece = spelling(&pair);
            self.at = pair.as_span().start() + piece.len();
            return piece.to_owned();
        }
        // Chunks that can be reordered, by their rank.
        let mut chunks: Vec<(u8, String)> = Vec::new();
        let mut opened = rule == Rule::file;
        let mut items = 0;
        let has_lets = parts.iter().any(|part| part.as_rule() == Rule::let_clause);
        let ranks = ranks(&parts);
        for (i, (part, rank)) in parts.into_iter().zip(ranks).enumerate() {
            let of = part.as_rule();
            if of == Rule::comma && has_items(rule) {
                continue;
            }
            let start = part.as_span().start();
            let touches = self.text.get(self.at..start) == Some("");
            let gap = Gap::read(self.text, self.at, start);
            let is_item = opened && !matches!(of, Rule::close | Rule::EOI);
            items += usize::from(is_item);
            let sets_apart = is_item && has_items(rule) && (items > 1 || is_ordered(rule));
            let comma = sets_apart && !is_ordered(rule) && self.choose(2) == 0;

            let mut before = String::new();
            let mut behind = if comma { ",".to_owned() } else { String::new() };
            if let Some(comment) = gap.trailing {
                behind.push_str(&" ".repeat(self.choose(3)));
                behind.push_str(comment);
                behind.push_str(self.line_end);
            }
            if !gap.own.is_empty() && (self.at > 0 || self.choose(2) == 1) {
                before = self.lines();
            } else if gap.trailing.is_none() && i > 0 && (!touches || may_have_white(rule)) {
                let tight = touches || matches!(of, Rule::brace_open | Rule::close | Rule::assign);
                before = if tight && self.choose(2) == 0 { String::new() } else { self.white() };
            }
            if sets_apart && !comma {
                before.push_str(self.line_end);
            }
            for comment in &gap.own {
                before.push_str(&" ".repeat(self.choose(5)));
                before.push_str(comment.text);
                let documents = rule == Rule::file
                    || matches!(of, Rule::event_decl | Rule::rule_decl | Rule::type_field);
                let lines = match documents {
                    true => self.line_end.repeat(if comment.apart { 2 } else { 1 }),
                    false => self.lines(),
                };
                before.push_str(&lines);
            }
            if is_item && before.is_empty() {
                // Another chunk may be moved before it.
                before.push(' ');
            }
            match chunks.last_mut() {
                Some((_, last)) => last.push_str(&behind),
                None => before.insert_str(0, &behind),
            }
            let order = match of {
                Rule::close | Rule::EOI => u8::MAX,
                _ if is_item && is_ordered(rule) => 1 + rank,
                _ => 0,
            };
            opened |= of == Rule::brace_open;
            self.at = start;
            before.push_str(&self.piece(part));
            chunks.push((order, before));
        }
        if is_ordered(rule) {
            // Chunks of the same rank keep their order.
            let keys: Vec<_> = (0..16).map(|_| self.choose(100)).collect();
            chunks.sort_by_key(|(order, _)| match *order {
                0 => (0, 0, 0),
                u8::MAX => (2, 0, 0),
                // Among a `let`, an `each` and a condition, the order has a meaning.
                order @ 2..=4 if has_lets => (1, keys[2], order),
                order => (1, keys[usize::from(order)], order),
            });
        }
        chunks.into_iter().map(|(_, chunk)| chunk).collect()
    }
}

/// Whether line ends or commas separate its items.
fn has_items(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::block
            | Rule::event_block
            | Rule::fuse_block
            | Rule::record
            | Rule::from_pick
            | Rule::source_decl
            | Rule::type_record
    )
}

fn is_ordered(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::source_decl
            | Rule::event_block
            | Rule::fuse_block
            | Rule::sensor_decl
            | Rule::rule_decl
            | Rule::reaction_clause
            | Rule::type_record
    )
}

/// Whether white space is allowed between its parts.
fn may_have_white(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::paren
            | Rule::list
            | Rule::arguments
            | Rule::quantifier_body
            | Rule::index
            | Rule::lookup
            | Rule::interpolation
            | Rule::generic_body
            | Rule::type_paren
    )
}
