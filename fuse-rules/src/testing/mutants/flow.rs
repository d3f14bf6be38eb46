//! Mutations of flow control: clauses and keys are removed, and parameters are changed.

use crate::span::Span;
use crate::typed::{FlowClause, Rule};

/// The mutated rules, each with the change and its span.
pub(super) fn mutations(rule: &Rule, text: &dyn Fn(Span) -> String) -> Vec<(Rule, String, Span)> {
    let mut mutated = Vec::new();
    for (at, clause) in rule.flow.iter().enumerate() {
        let word = clause.flow.word();
        let mut without = rule.clone();
        without.flow.remove(at);
        mutated.push((without, format!("`{word}` is removed"), clause.span));
        let mut change = |clause: FlowClause, what: String, span: Span| {
            let mut changed = rule.clone();
            if let Some(place) = changed.flow.get_mut(at) {
                *place = clause;
            }
            mutated.push((changed, what, span));
        };
        for (i, key) in clause.keys.iter().enumerate().filter(|_| clause.keys.len() > 1) {
            let mut fewer = clause.clone();
            fewer.keys.remove(i);
            change(fewer, format!("the key `{}` is removed", text(key.span)), key.span);
        }
    }
    mutated
}
