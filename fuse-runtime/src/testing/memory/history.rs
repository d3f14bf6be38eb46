//! Pages of events and dead letters, and the operations of people, in memory.

use std::collections::BTreeMap;

use super::State;
use crate::event::EventKey;
use crate::ledger::dead::letter_id;
use crate::ledger::history::wrong_cursor;
use crate::ledger::transition::{self, DeadEntry};
use crate::ledger::{
    ActionState, DeadLetter, DeadLetterKind, DeadLetterPage, DeadLetterQuery, EventOperation,
    EventOverview, EventPage, EventQuery, EventRecord, LedgerError, operation,
};

impl State {
    /// The dead letters that nobody replayed or discarded, by time, event and entry.
    pub(super) fn dead_letters(&self) -> BTreeMap<(String, String), DeadLetter> {
        let mut letters = BTreeMap::new();
        for (key, stored) in &self.events {
            let (Some(record), Some(decision)) = (self.record(key), &stored.decision) else {
                continue;
            };
            for (at, entry) in transition::dead_entries(&record) {
                let id = letter_id(&key.encode(), entry);
                if !decision.resolved.contains(&id) {
                    let at = sortable(at.as_nanosecond());
                    letters.insert((at, id.clone()), letter(&record, entry, id));
                }
            }
        }
        letters
    }

    pub(super) fn dead_page(&self, query: &DeadLetterQuery) -> Result<DeadLetterPage, LedgerError> {
        let after = query.after.as_deref().map(split).transpose()?;
        let mut page = DeadLetterPage::default();
        let mut last = None;
        for (place, letter) in self.dead_letters().into_iter().rev() {
            let is_asked = after.as_ref().is_none_or(|after| place < *after)
                && query.since.is_none_or(|since| letter.at >= since)
                && query.until.is_none_or(|until| letter.at < until)
                && query.is_named(&letter.id, &letter.event)
                && query.matches(&letter);
            if !is_asked {
                continue;
            }
            if page.letters.len() >= query.limit {
                page.next = last.map(|(at, id): (String, String)| format!("{at} {id}"));
                break;
            }
            page.letters.push(letter);
            last = Some(place);
        }
        Ok(page)
    }

    pub(super) fn event_page(&self, query: &EventQuery) -> Result<EventPage, LedgerError> {
        let after = query.after.as_deref().map(split).transpose()?;
        let mut newest: Vec<_> = self.events.iter().collect();
        newest.sort_by_key(|(_, stored)| std::cmp::Reverse((stored.kept_from, stored.seq)));
        let mut page = EventPage::default();
        let mut last = None;
        for (key, stored) in newest {
            let place = (sortable(stored.kept_from.as_nanosecond()), sortable(stored.seq.into()));
            let is_asked = after.as_ref().is_none_or(|after| place < *after)
                && query.since.is_none_or(|since| stored.kept_from >= since)
                && query.until.is_none_or(|until| stored.kept_from < until)
                && query.is_named(key);
            let record = self.record(key).filter(|record| is_asked && query.matches(record));
            let Some(record) = record else { continue };
            if page.events.len() >= query.limit {
                page.next = last.map(|(at, seq)| format!("{at} {seq}"));
                break;
            }
            page.events.push(EventOverview::new(&record));
            last = Some(place);
        }
        Ok(page)
    }

    pub(super) fn operate(
        &mut self,
        event: &EventKey,
        operation: EventOperation,
    ) -> Result<(), LedgerError> {
        let unknown = || LedgerError::UnknownEvent(event.clone());
        let record = self.record(event).ok_or_else(unknown)?;
        let stored = self.events.get_mut(event).ok_or_else(unknown)?;
        let decision = stored.decision.as_mut().ok_or_else(|| operation::undecided(event))?;
        if !operation::is_new(event, &decision.operations, &operation)? {
            return Ok(());
        }
        let (mut is_known, mut is_listed) = (false, false);
        for (_, entry) in transition::dead_entries(&record) {
            let id = letter_id(&event.encode(), entry);
            if operation.is_about(&id) {
                is_known = true;
                is_listed |= decision.resolved.insert(id);
            }
        }
        match &operation.letter {
            Some(id) if !(is_listed || is_known && operation.is_replay()) => {
                Err(LedgerError::UnknownDeadLetter(id.clone()))
            }
            _ => {
                decision.operations.push(operation);
                Ok(())
            }
        }
    }
}

fn letter(record: &EventRecord, entry: DeadEntry<'_>, id: String) -> DeadLetter {
    let mut letter = DeadLetter {
        id,
        event: record.event.key(),
        at: record.decided.unwrap_or_default(),
        kind: DeadLetterKind::Permanent,
        reason: record.rejected.clone().unwrap_or_default(),
        action: None,
        rule: None,
        element: None,
    };
    match entry {
        DeadEntry::Event => {}
        DeadEntry::Decision(index) => {
            if let Some(decision) = record.decisions.get(index).cloned() {
                letter.reason = decision.reason;
                letter.element = decision.element;
                letter.rule = Some(decision.rule);
            }
        }
        DeadEntry::Action(id) => {
            let action = record.actions.iter().find(|action| action.id == id).cloned();
            if let Some(action) = action {
                if let ActionState::DeadLettered { at, kind, reason, .. } = action.state.clone() {
                    (letter.at, letter.kind, letter.reason) = (at, kind, reason);
                }
                letter.rule = Some(action.action.rule.clone());
                letter.element = action.action.element.clone();
                letter.action = Some(action);
            }
        }
    }
    letter
}

/// A number as a text that sorts as the numbers do.
fn sortable(number: i128) -> String {
    format!("{number:030}")
}

fn split(after: &str) -> Result<(String, String), LedgerError> {
    let (at, id) = after.split_once(' ').ok_or_else(wrong_cursor)?;
    Ok((at.to_owned(), id.to_owned()))
}
