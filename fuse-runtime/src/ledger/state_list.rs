//! Pages of the states of flow control, in words. Like `transition.rs`, this module does no I/O.

use data_encoding::BASE64URL_NOPAD;
use fuse_rules::flow::{
    FlowState, FlowTime, Owner, StateHolder, StateSubject, StateText, WaitName,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::history::wrong_cursor;
use super::{ActionState, EventAction, LedgerError};
use crate::event::EventKey;

/// How many occurrences in progress are listed per state.
pub(crate) const MAX_IN_PROGRESS: usize = 10;

/// Which states a page has. A field that is `None` excludes none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateQuery {
    /// The full name of a rule. The states of limiters belong to no rule.
    pub rule: Option<String>,
    /// The name of a limiter.
    pub limiter: Option<String>,
    /// The name of a fuse that blows.
    pub fuse: Option<String>,
    /// The first word of the clause, one of [`StateSubject::WORDS`].
    pub clause: Option<String>,
    /// One of the values of the key, as a text or as JSON. Values that must not be shown are not found.
    pub key: Option<String>,
    /// The [`StatePage::next`] of the page before.
    pub after: Option<String>,
    /// How many states a page has at most.
    pub limit: usize,
}

impl StateQuery {
    /// The key after which a page begins.
    pub(crate) fn cursor(after: &str) -> Result<String, LedgerError> {
        let bytes = BASE64URL_NOPAD.decode(after.as_bytes()).ok();
        bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(wrong_cursor)
    }

    /// The cursor of a page that ends with this key.
    pub(crate) fn next(key: &str) -> String {
        BASE64URL_NOPAD.encode(key.as_bytes())
    }

    /// What the keys of all its states begin with.
    pub(crate) fn prefix(&self) -> String {
        match (&self.rule, &self.limiter, &self.fuse) {
            (Some(rule), ..) => format!("{rule} "),
            (_, Some(limiter), _) => format!("limiter {limiter} "),
            (.., Some(fuse)) => format!("fuse {fuse} "),
            (None, None, None) => String::new(),
        }
    }

    /// Whether it asks for the states of this subject.
    pub(crate) fn matches(&self, subject: &StateSubject) -> bool {
        let (mut rule, mut limiter, mut fuse) = (None, None, None);
        match &subject.holder {
            StateHolder::Rule(name) => rule = Some(name),
            StateHolder::Limiter(name) => limiter = Some(name),
            StateHolder::Fuse(name) => fuse = Some(name),
        }
        let is = |asked: &Option<String>, name: Option<&String>| {
            asked.as_ref().is_none_or(|asked| name == Some(asked))
        };
        is(&self.rule, rule)
            && is(&self.limiter, limiter)
            && is(&self.fuse, fuse)
            && self.clause.as_deref().is_none_or(|word| word == subject.word())
            && self.key.as_deref().is_none_or(|text| subject.has_value(text))
    }
}

/// A page of states.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StatePage {
    /// The states, sorted by rule, limiter or fuse, then by clause.
    pub states: Vec<StateEntry>,
    /// The [`StateQuery::after`] of the next page. `None` after the last one.
    pub next: Option<String>,
    /// How many states could not be read.
    pub damaged: u64,
}

/// A state of flow control.
#[derive(Clone, Debug, PartialEq)]
pub struct StateEntry {
    /// What it belongs to.
    pub subject: StateSubject,
    /// What is in it.
    pub text: StateText,
    /// The actions of the first occurrences that are in progress.
    pub in_progress: Vec<StateAction>,
}

impl StateEntry {
    /// A state, and the first occurrences that are in progress in it. `None` if it has ended.
    pub(crate) fn new(
        subject: &StateSubject,
        state: &FlowState,
        time: FlowTime,
    ) -> Option<(Self, Vec<WaitName>)> {
        let text = state.describe(subject, time)?;
        let mut in_progress = state.in_progress();
        in_progress.truncate(MAX_IN_PROGRESS);
        Some((Self { subject: subject.clone(), text, in_progress: Vec::new() }, in_progress))
    }

    /// The state, for people and programs.
    pub fn summary(&self) -> StateSummary {
        let (mut rule, mut limiter, mut fuse) = (None, None, None);
        match &self.subject.holder {
            StateHolder::Rule(name) => rule = Some(name.clone()),
            StateHolder::Limiter(name) => limiter = Some(name.clone()),
            StateHolder::Fuse(name) => fuse = Some(name.clone()),
        }
        let StateText { holds, frees, until } = self.text.clone();
        StateSummary {
            rule,
            limiter,
            fuse,
            clause: self.subject.clause(),
            values: self.subject.values().map(<[String]>::to_vec),
            state: holds,
            frees,
            until,
            in_progress: self.in_progress.clone(),
        }
    }
}

/// A state of flow control, in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateSummary {
    /// The full name of the rule that it belongs to.
    pub rule: Option<String>,
    /// The limiter that it belongs to, whatever rule uses it.
    pub limiter: Option<String>,
    /// The fuse that it belongs to.
    pub fuse: Option<String>,
    /// The clause, as it was when it was asked last.
    pub clause: String,
    /// The values of its keys as JSON, each cut after 64 characters. `None` if they contain a sensitive header.
    pub values: Option<Vec<String>>,
    /// What is in it, such as `2 of 3 within 1h`.
    pub state: String,
    /// What frees it, such as `free again at 2026-08-01T14:00:00Z`.
    pub frees: String,
    /// When that is, in the time of day, if only time frees it.
    pub until: Option<Timestamp>,
    /// For `concurrency`, the actions that have to end, of up to 10 matches.
    pub in_progress: Vec<StateAction>,
}

/// An action that is in progress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateAction {
    /// Its id.
    pub id: String,
    /// The rule's full name.
    pub rule: String,
    /// The event's source.
    pub source: String,
    /// The event's name.
    pub name: String,
    /// The event's id.
    pub event: String,
    /// The object whose end is awaited, as in `Workflow cicd/build-x`. `None` if fuse has not performed the action yet.
    pub object: Option<String>,
}

impl StateAction {
    /// An action of the event of an occurrence, if it keeps the place of the occurrence.
    pub(crate) fn new(name: &WaitName, action: &EventAction) -> Option<Self> {
        let performed = &action.action.action;
        let owner = Owner::new(&action.event.encode(), "", performed.element.as_deref());
        let is_its = performed.rule == name.rule && owner.id == name.owner;
        if !action.action.in_progress || !is_its {
            return None;
        }
        let EventKey { source, name: event_name, id } = action.event.clone();
        let object = match &action.action.state {
            ActionState::Done { started: Some(started), .. } => {
                let namespace = started.namespace.as_ref().map(|namespace| format!("{namespace}/"));
                Some(format!("{} {}{}", started.kind, namespace.unwrap_or_default(), started.name))
            }
            _ => None,
        };
        let (id, rule, event) = (action.action.id.clone(), name.rule.clone(), id);
        Some(Self { id, rule, source, name: event_name, event, object })
    }
}
