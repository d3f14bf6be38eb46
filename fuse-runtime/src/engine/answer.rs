//! What people say about decisions that wait. The ledger records it; what follows is done as if the wait had ended by itself.

use fuse_rules::Outcome;
use fuse_rules::flow::Approval;

use super::Engine;
use crate::ledger::{LedgerError, WaitAnswer, WaitingDecision};

/// Tells whether a person is a member of one of these groups.
type IsMember<'p> = &'p (dyn Fn(&[String]) -> bool + Sync);

/// Why an answer is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnswerError {
    #[error("action `{id}` may be approved by members of {groups}, and `{by}` is not one of them")]
    NotAnApprover { id: String, groups: String, by: String },
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl Engine {
    /// Records what a person says about a decision that waits, which is given by its id. `is_in` tells whether the person is
    /// a member of one of these groups.
    pub(crate) async fn answer(
        &self,
        id: &str,
        answer: WaitAnswer,
        (by, is_in): (&str, IsMember<'_>),
        reason: &str,
    ) -> Result<WaitingDecision, AnswerError> {
        let unknown = || LedgerError::NotWaiting(id.to_owned());
        let waiting = self.ledger.find_waiting(id).await?.ok_or_else(unknown)?;
        let groups = waiting.record.wait.approvers();
        if answer != WaitAnswer::Discard && !groups.is_empty() && !is_in(groups) {
            let groups: Vec<_> = groups.iter().map(|group| format!("`{group}`")).collect();
            let (id, by) = (id.to_owned(), by.to_owned());
            return Err(AnswerError::NotAnApprover { id, groups: groups.join(" or "), by });
        }
        let reason = Some(reason.trim().to_owned()).filter(|reason| !reason.is_empty());
        let approval = Approval { by: by.to_owned(), at: self.clock.now(), reason };
        let is_new = self.ledger.answer(id, answer, &approval, self.time()).await?;
        self.waits_changed.notify_one();
        if is_new {
            let rule = &waiting.record.wait.occurrence.rule;
            let (source, name, event) =
                (&waiting.event.source, &waiting.event.name, &waiting.event.id);
            let outcome = match answer {
                WaitAnswer::Approve => None,
                WaitAnswer::Decline => Some(Outcome::Declined),
                WaitAnswer::Discard => Some(Outcome::Cancelled),
            };
            // A rule with several triggers has several decisions.
            for outcome in outcome.iter().cycle().take(waiting.record.actions.len()) {
                let clause = waiting.record.wait.clause_word();
                self.metrics.ended(rule, *outcome, Some(clause));
            }
            // The event is woken for that, too. But if it is being woken for another decision, this one may come too late for
            // that, and then nothing would wake it again.
            if outcome.is_some()
                && let Err(error) = self.reactions().finish(&waiting.event).await
            {
                // The event is marked, so this is tried again.
                tracing::warn!(%error, rule, "cannot react to an answer yet");
            }
            let answer = answer.as_str();
            let reason = approval.reason.as_deref();
            tracing::info!(source, name, event, rule, by, answer, reason, "a person answered");
        }
        Ok(waiting)
    }
}
