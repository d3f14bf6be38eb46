//! The canonical order of parts that can be in any order.

use pest::iterators::Pair;

use crate::syntax::Rule;

/// The ranks of the parts of a file, source, sensor, rule or record type. Parts of the same rank keep
/// the author's order. So do a `let` and an `each`, because each can use the name of the other.
pub(super) fn ranks(siblings: &[Pair<'_, Rule>]) -> Vec<u8> {
    let each = siblings.iter().position(|pair| pair.as_rule() == Rule::each_clause);
    let is_outside = |at: usize| each.is_some_and(|each| at < each);
    let ranks = siblings.iter().enumerate().map(|(at, pair)| match pair.as_rule() {
        Rule::let_clause if is_outside(at) => OUTSIDE_EACH,
        _ => rank(pair),
    });
    ranks.collect()
}

const OUTSIDE_EACH: u8 = 1;

fn rank(pair: &Pair<'_, Rule>) -> u8 {
    match pair.as_rule() {
        Rule::use_decl => {
            let std = pair.clone().into_inner().any(|part| part.as_rule() == Rule::kw_std);
            if std { 0 } else { 1 }
        }
        Rule::requires_clause => 0,
        Rule::each_clause => 2,
        Rule::let_clause | Rule::when_clause => 3,
        // What a fuse counts, when it closes, and then its settings.
        Rule::blow_clause => 0,
        Rule::reset_clause => 1,
        // The order in which clauses of flow control are passed.
        Rule::during_clause => 4,
        Rule::after_clause => 5,
        Rule::once_clause => 6,
        Rule::quiet_clause => 7,
        Rule::still_clause => 8,
        Rule::limit_clause => 9,
        Rule::approval_clause => 10,
        Rule::shadow_clause => 11,
        // Events and `...` come after the fields of a source or type.
        Rule::trigger_clause | Rule::rule_decl | Rule::event_decl | Rule::type_rest => 12,
        // What follows if the rule does not act comes after what it does.
        Rule::reaction_clause => 13,
        // After the conditions of an event.
        _ => 4,
    }
}
