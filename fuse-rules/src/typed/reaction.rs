//! Checked reactions of rules.

use super::{Expr, FlowClause, Path, Reference, Rule, Trigger};
use crate::reaction::ReactionKind;
use crate::span::Span;

/// What a rule does about one kind of outcome. It can read what its rule can read, and `outcome`.
#[derive(Clone, Debug)]
pub(crate) struct Reaction<P: Reference = Path> {
    pub(crate) kind: ReactionKind,
    /// `sensor/rule on gated`.
    pub(crate) name: String,
    /// The span of its kind.
    pub(crate) span: Span,
    pub(crate) flow: Vec<FlowClause<P>>,
    pub(crate) triggers: Vec<Trigger<P>>,
}

impl Rule {
    /// The reaction to this kind of outcome.
    pub(crate) fn reaction(&self, kind: ReactionKind) -> Option<&Reaction> {
        self.reactions.iter().find(|reaction| reaction.kind == kind)
    }

    /// Its triggers, and those of its reactions.
    pub(crate) fn all_triggers(&self) -> impl Iterator<Item = &Trigger> {
        self.triggers.iter().chain(self.reactions.iter().flat_map(|reaction| &reaction.triggers))
    }

    /// The keys of flow control of the rule and of its reactions.
    pub(crate) fn all_flow_keys(&self) -> impl Iterator<Item = &Expr> {
        let of_reactions = self.reactions.iter().flat_map(|reaction| &reaction.flow);
        self.flow_keys().chain(of_reactions.flat_map(|clause| &clause.keys))
    }
}
