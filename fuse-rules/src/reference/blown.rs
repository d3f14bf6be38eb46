//! Evaluates the reactions of fuses. They read no event, so they need no plan.

use jiff::Timestamp;

use super::world::{WorkBudget, World};
use super::{Env, MAX_CONSTANT_WORK};
use crate::decision::Decision;
use crate::reaction::BlownCause;
use crate::semantics::{Verdict, decision};
use crate::typed::Reaction;

/// The decisions of the reaction of a fuse that blew at this time: one per trigger.
pub(crate) fn blown(reaction: &Reaction, cause: &BlownCause, now: Timestamp) -> Vec<Decision> {
    let budget = WorkBudget::new(MAX_CONSTANT_WORK);
    let world = World::of_fuse(cause.fields(), now, &budget);
    let env = Env { world: &world, elements: Vec::new() };
    let decided = (0..).zip(&reaction.triggers).map(|(ordinal, trigger)| {
        let verdict = match env.fields(&trigger.fields) {
            Ok(fields) => Verdict::Fired {
                trigger: trigger.kind.clone(),
                ordinal,
                fields,
                attempts: trigger.attempts,
                flow: Vec::new(),
                is_shadow: false,
            },
            Err(why) => Verdict::Rejected(why),
        };
        decision(&reaction.name, None, verdict)
    });
    decided.collect()
}
