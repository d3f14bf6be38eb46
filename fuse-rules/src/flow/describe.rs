//! Describes states for people: what each belongs to, what is in it, and what frees it.
//!
//! A state does not contain the parameters of its clause. [`FlowStates`] therefore keeps the [`StateSubject`] of each
//! state that it changes: the clause as it was when it was asked last. The file of each clause describes its own state, in
//! the words of the reasons that it gives.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::limit::Queue;
use super::request::shown_value;
use super::time::to_second;
use super::{
    BlowClause, Cancellation, Flow, FlowRequest, FlowState, FlowStates, FlowTime, Occurrence,
    Overflow, WaitName,
};

/// What a state of flow control belongs to: a clause and the values of its keys. It can be stored as JSON. It contains no
/// sensitive value, and only the beginning of a long one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateSubject {
    /// The rule, limiter or fuse.
    pub holder: StateHolder,
    clause: SubjectClause,
    /// The keys of the clause as in the rules. Empty if it has none, and for a limiter, whose rules have keys of their own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    keys: String,
    /// The values of the keys. `None` if they must not be shown.
    values: Option<Vec<String>>,
}

/// The rule, limiter or fuse that a state belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StateHolder {
    /// A rule, by its full name.
    Rule(String),
    /// A limiter, by its name.
    Limiter(String),
    /// A fuse that blows, by its name.
    Fuse(String),
}

/// A clause with its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SubjectClause {
    Flow(Flow),
    Blow(BlowClause),
}

impl StateSubject {
    /// The words of the clauses that have states.
    pub const WORDS: [&str; 7] =
        ["after", "once", "quiet", "still", "limit", "concurrency", "blow"];

    /// The state of a clause that a rule has to pass.
    pub(super) fn of_request(rule: &str, request: &FlowRequest) -> Self {
        let values = request.values.iter().map(|value| shown_value(value)).collect();
        let values = Some(values).filter(|_| !request.is_sensitive);
        let flow = request.flow;
        match &request.limiter {
            // The same whichever of its rules asked last.
            Some(name) => Self {
                holder: StateHolder::Limiter(name.clone()),
                clause: SubjectClause::Flow(match flow {
                    Flow::Concurrency { count, .. } => {
                        Flow::Concurrency { count, otherwise: Overflow::Queue }
                    }
                    other => other.with_waits(false),
                }),
                keys: String::new(),
                values,
            },
            None => {
                let keys = request.clause.strip_prefix(flow.word());
                let keys = keys.and_then(|rest| rest.strip_prefix(" per ")).unwrap_or_default();
                Self {
                    holder: StateHolder::Rule(rule.to_owned()),
                    clause: SubjectClause::Flow(flow),
                    keys: keys.to_owned(),
                    values,
                }
            }
        }
    }

    /// What is counted for a clause of a fuse.
    pub(super) fn of_fuse(fuse: &str, clause: BlowClause) -> Self {
        Self {
            holder: StateHolder::Fuse(fuse.to_owned()),
            clause: SubjectClause::Blow(clause),
            keys: String::new(),
            values: Some(Vec::new()),
        }
    }

    /// The clause as in the rules, such as `once per body.app within 4h`.
    pub fn clause(&self) -> String {
        match self.clause {
            SubjectClause::Flow(flow) if self.keys.is_empty() => flow.text(&[]),
            SubjectClause::Flow(flow) => flow.text(std::slice::from_ref(&self.keys)),
            SubjectClause::Blow(clause) => clause.to_string(),
        }
    }

    /// The first word of the clause, one of [`StateSubject::WORDS`].
    pub fn word(&self) -> &'static str {
        match self.clause {
            SubjectClause::Flow(flow) => flow.word(),
            SubjectClause::Blow(_) => "blow",
        }
    }

    /// The values of the keys as canonical JSON, each cut after 64 characters. `None` if they must not be shown, because one
    /// contains a sensitive header or query parameter.
    pub fn values(&self) -> Option<&[String]> {
        self.values.as_deref()
    }

    /// Whether one of the values of the keys is this text, or this JSON. Values that must not be shown are never found, so
    /// that nobody can guess them.
    pub fn has_value(&self, text: &str) -> bool {
        let as_json = shown_value(text);
        let as_text = shown_value(&serde_json::json!(text).to_string());
        let mut values = self.values.iter().flatten();
        values.any(|value| *value == as_json || *value == as_text)
    }
}

/// A state in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateText {
    /// What is in it, such as `2 of 3 within 1h`.
    pub holds: String,
    /// What frees it, such as `free again at 2026-08-01T14:00:00Z`.
    pub frees: String,
    /// When that is, in the time of day and to the second, if only time frees it.
    pub until: Option<Timestamp>,
}

impl StateText {
    pub(super) fn until(holds: String, frees: String, until: Timestamp, time: FlowTime) -> Self {
        let until = to_second(time.to_wall(until), until > time.steady);
        Self { holds, frees, until: Some(until) }
    }
}

/// When something may pass again.
pub(super) fn free_again(until: Timestamp, time: FlowTime) -> String {
    format!("free again at {}", time.shown(until))
}

/// When a count is zero.
pub(super) fn zero_at(until: Timestamp, more: &str, time: FlowTime) -> String {
    format!("back to 0 at {} unless {more}", time.shown(until))
}

/// How many wait, after the separator, and where. Empty if none do.
pub(super) fn waiting(separator: &str, number: usize, whereabouts: &str) -> String {
    match number {
        0 => String::new(),
        1 => format!("{separator}1 waits{whereabouts}"),
        _ => format!("{separator}{number} wait{whereabouts}"),
    }
}

impl FlowState {
    /// The state in words, with the clause of its subject. `None` if nothing is in it, or if it belongs to another kind of
    /// clause.
    ///
    /// ```
    /// use fuse_rules::flow::{Flow, FlowRequest, FlowStates, Occurrence, Owner};
    /// use jiff::{SignedDuration, Timestamp};
    ///
    /// let flow = Flow::Once { within: SignedDuration::from_hours(4) };
    /// let request = FlowRequest::new("once per body.app", flow, vec!["\"web\"".into()]);
    /// let occurrence = Occurrence {
    ///     rule: "sensor/rule".into(),
    ///     element: None,
    ///     owner: Owner::new("a", "event `a`", None),
    ///     received: Timestamp::UNIX_EPOCH,
    ///     is_shadow: false,
    ///     requests: vec![request],
    /// };
    /// let (mut states, now) = (FlowStates::default(), Timestamp::UNIX_EPOCH.into());
    /// states.admit(&occurrence, now);
    /// let (key, state) = states.iter().next().unwrap();
    /// let subject = states.subject(key).unwrap();
    /// assert_eq!(subject.clause(), "once per body.app within 4h");
    /// let text = state.describe(subject, now).unwrap();
    /// assert_eq!(text.holds, "fired at 1970-01-01T00:00:00Z for event `a`");
    /// assert_eq!(text.frees, "free again at 1970-01-01T04:00:00Z");
    /// ```
    pub fn describe(&self, subject: &StateSubject, time: FlowTime) -> Option<StateText> {
        match (self, subject.clause) {
            (Self::Blow(count), SubjectClause::Blow(clause)) => count.describe(clause, time),
            (Self::After(matches), SubjectClause::Flow(Flow::After { count, within })) => {
                matches.describe((count, within), time)
            }
            (Self::Once(claim), SubjectClause::Flow(Flow::Once { .. })) => claim.describe(time),
            (Self::Quiet(burst), SubjectClause::Flow(Flow::Quiet { max, .. })) => {
                burst.describe(max, time)
            }
            (Self::Still(delay), SubjectClause::Flow(Flow::Still { .. })) => delay.describe(time),
            (
                Self::Limit(_) | Self::Queue(_),
                SubjectClause::Flow(Flow::Limit { count, per, .. }),
            ) => Queue::from(self).describe((count, per), time),
            (Self::Concurrency(state), SubjectClause::Flow(Flow::Concurrency { .. })) => {
                state.describe(time)
            }
            _ => None,
        }
    }

    /// The occurrences that are in progress, for the state of [`Flow::Concurrency`].
    pub fn in_progress(&self) -> Vec<WaitName> {
        match self {
            Self::Concurrency(state) => state.members().collect(),
            _ => Vec::new(),
        }
    }
}

impl FlowStates {
    /// The state of a clause of this rule, in words. `None` if nothing is in it, or if the clause has no state.
    pub fn describe(&self, rule: &str, request: &FlowRequest, time: FlowTime) -> Option<StateText> {
        let state = self.get(&request.state_key(rule)).filter(|_| request.has_state())?;
        state.describe(&StateSubject::of_request(rule, request), time)
    }

    /// What the state with this key belongs to. `None` if it was not changed here.
    pub fn subject(&self, key: &str) -> Option<&StateSubject> {
        self.subjects.get(key)
    }

    /// Names the states that decide about an occurrence.
    pub(super) fn name_states(&mut self, occurrence: &Occurrence) {
        for request in occurrence.requests.iter().filter(|request| request.has_state()) {
            self.name_state(&occurrence.rule, request);
        }
    }

    /// Names the state that a cancellation changes.
    pub(super) fn name_cancelled(&mut self, cancellation: &Cancellation) {
        self.name_state(&cancellation.rule, &cancellation.request);
    }

    fn name_state(&mut self, rule: &str, request: &FlowRequest) {
        let key = request.state_key(rule);
        if self.get(&key).is_some() {
            self.subjects.insert(key, StateSubject::of_request(rule, request));
        }
    }
}
