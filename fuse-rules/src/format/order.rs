//! The canonical order of parts that can be in any order.

use pest::iterators::Pair;

use crate::syntax::Rule;

/// The rank of a part of a file, source, sensor, rule or record type among its siblings. Parts of
/// the same rank keep the author's order.
pub(super) fn rank(pair: &Pair<'_, Rule>) -> u8 {
    match pair.as_rule() {
        Rule::use_decl => {
            let std = pair.clone().into_inner().any(|part| part.as_rule() == Rule::kw_std);
            if std { 0 } else { 1 }
        }
        Rule::requires_clause => 0,
        Rule::each_clause => 1,
        Rule::when_clause => 2,
        Rule::once_clause => 3,
        // Events and `...` come after the fields of a source or type.
        Rule::trigger_clause | Rule::rule_decl | Rule::event_decl | Rule::type_rest => 4,
        // After the conditions of an event.
        _ => 3,
    }
}
