//! Checks the reactions of fuses: `on blown { … }`.

use std::sync::{Arc, LazyLock};

use indexmap::IndexMap;

use super::Checker;
use super::scope::{Scope, ScopeKind};
use super::sensors::repeated_clause;
use crate::diagnostic::{Code, Diagnostic};
use crate::reaction::{BLOWN_FIELDS, ReactionKind, blown_reaction};
use crate::syntax::ast;
use crate::typed::Reaction;
use crate::types::{Record, RecordMember, Rest, Ty};

impl Checker<'_> {
    /// The reaction of a fuse, if it has one.
    pub(super) fn fuse_reaction(&mut self, fuse: &ast::Fuse) -> Option<Reaction> {
        let mut reactions = fuse.reactions.iter();
        let reaction = reactions.next()?;
        for second in reactions {
            let problem = repeated_clause("on", second.span, reaction.span);
            self.report(problem.help("put all triggers into one reaction"));
        }
        for kind in reaction.kinds.iter().filter(|kind| kind.text != "blown") {
            let message = format!("a fuse cannot react to `{}`", kind.text);
            let problem = Diagnostic::error(Code::E0525, kind.span, message);
            self.report(
                problem
                    .label("a fuse reacts when it blows")
                    .help("write `on blown`; `on gated` and `on failure` belong to rules"),
            );
        }
        for clause in &reaction.flow {
            let message = format!("the reaction of a fuse cannot have `{}`", clause.flow.word());
            let problem = Diagnostic::error(Code::E0525, clause.span, message);
            self.report(
                problem.label("it happens once each time the fuse blows").help("remove the clause"),
            );
        }
        if reaction.triggers.is_empty() && !reaction.incomplete {
            let message = "this reaction triggers nothing";
            let problem = Diagnostic::error(Code::E0502, reaction.span, message);
            self.report(problem.label("no `trigger` in it").help(
                "add `trigger KIND { … }`, for example `trigger slack { text = outcome.reason }`",
            ));
        }
        let is_incomplete = fuse.settings.as_ref().is_some_and(|block| block.incomplete);
        if fuse.blow.is_empty() && !is_incomplete {
            let message = format!("the fuse `{}` never blows", fuse.name.text);
            let problem = Diagnostic::error(Code::E0510, reaction.span, message);
            self.report(problem.label("this never happens").help(
                "add when it blows, as in `blow after 20 actions within 10m`, or remove the reaction",
            ));
        }
        let mut scope = Scope::without_event(ScopeKind::Fuse);
        scope.outcome = Some(outcome_type());
        let triggers = reaction.triggers.iter();
        let triggers = triggers.filter_map(|trigger| self.trigger(trigger, &mut scope)).collect();
        Some(Reaction {
            kind: ReactionKind::Blown,
            name: blown_reaction(&fuse.name.text),
            span: reaction.span,
            flow: Vec::new(),
            triggers,
        })
    }
}

/// The type of `outcome` in the reaction of a fuse.
fn outcome_type() -> Ty {
    static TYPE: LazyLock<Ty> = LazyLock::new(|| {
        let field =
            |name: &&str| (Arc::from(*name), RecordMember { ty: Ty::string(), optional: false });
        let fields: IndexMap<_, _> = BLOWN_FIELDS.iter().map(field).collect();
        Ty::record(Record { fields, rest: Rest::Nothing })
    });
    TYPE.clone()
}
