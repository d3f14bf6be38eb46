//! Checked reactions of rules.

use super::{FlowClause, Path, Reference, Rule, Trigger};
use crate::reaction::ReactionKind;
use crate::span::Span;

/// What a rule does about one kind of outcome. It sees the names of its rule, and `outcome`.
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
}
