//! Sending a test's events: each is decided at its time, with its fuses, after those before it.

use jiff::Timestamp;

use super::{Tests, failed, wants_all};
use crate::decision::Outcome;
use crate::decision::{Decision, Evaluation};
use crate::diagnostic::Diagnostic;
use crate::event::Event;
use crate::fuses::Fuses;
use crate::once::{Admission, Claims};
use crate::typed::{Body, Send, Test, TestStep};

/// When events are received where a test does not say: 2026-01-01T00:00:00Z.
const START: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// An event that was sent, and what was decided.
pub(super) struct Played<'t> {
    pub(super) send: &'t Send,
    pub(super) event: Event<'t>,
    pub(super) fuses: Fuses,
    pub(super) evaluation: Evaluation,
}

impl<'r> Tests<'r> {
    /// Sends the events of a test.
    pub(super) fn play<'t>(&'t self, test: &'t Test) -> Result<Vec<Played<'t>>, Box<Diagnostic>> {
        self.played(test, wants_all(test))
    }

    /// The same, with every decision or with those that something comes of.
    pub(super) fn played<'t>(
        &'t self,
        test: &'t Test,
        every: bool,
    ) -> Result<Vec<Played<'t>>, Box<Diagnostic>> {
        let mut played = self.events(test)?;
        let mut claims = Claims::default();
        for (number, sent) in played.iter_mut().enumerate() {
            let Played { event, fuses, .. } = sent;
            let mut evaluation = match every {
                true => self.plan.evaluate_all(event, fuses),
                false => self.plan.evaluate(event, fuses),
            };
            self.settle(&mut evaluation, event);
            hold_back(&mut claims, number, event.received_at(), &mut evaluation);
            sent.evaluation = evaluation;
        }
        Ok(played)
    }

    /// The events of a test, not yet decided.
    pub(super) fn events<'t>(&'t self, test: &'t Test) -> Result<Vec<Played<'t>>, Box<Diagnostic>> {
        let mut fuses = Fuses::default();
        let mut now = START;
        let mut events = Vec::new();
        for step in &test.steps {
            match step {
                TestStep::With { fuse, on } => fuses = fuses.set(fuse, *on),
                TestStep::At(time) => now = *time,
                TestStep::Send(send) => {
                    let event = self.event(send, events.len())?.received(now);
                    let evaluation =
                        Evaluation { refused: None, mismatch: None, decisions: Vec::new() };
                    events.push(Played { send, event, fuses: fuses.clone(), evaluation });
                }
                TestStep::Expect(_) => {}
            }
        }
        Ok(events)
    }

    fn event<'t>(&'t self, send: &'t Send, number: usize) -> Result<Event<'t>, Box<Diagnostic>> {
        let (body, span) = match &send.body {
            Body::Json(text) => (text.as_str(), send.span),
            Body::File { name, span } => match self.files.get(name) {
                Some(Ok(text)) => (text.as_str(), *span),
                Some(Err(why)) => {
                    let message = format!("`{name}` cannot be read: {why}");
                    return Err(Box::new(
                        failed(*span, message)
                            .label("sent here")
                            .help("the file is looked for beside the one that the test is in"),
                    ));
                }
                None => ("null", *span),
            },
        };
        let event = Event::new(send.source.as_str(), send.event.as_str(), body.as_bytes());
        let mut event = event.map_err(|fault| {
            Box::new(failed(span, format!("this is no event: {fault}")).label("sent here"))
        })?;
        for (name, value) in &send.headers {
            event = event.header(name, value);
        }
        for (name, value) in &send.query {
            event = event.query(name, value);
        }
        let id = self.plan.source_field(&event, "id").ok().flatten().filter(|id| !id.is_empty());
        Ok(event.id(id.unwrap_or_else(|| format!("test-{}", number + 1))))
    }

    /// Has the backends look at what fired.
    pub(super) fn settle(&self, evaluation: &mut Evaluation, event: &Event<'_>) {
        if let Some(backends) = self.backends {
            for decision in &mut evaluation.decisions {
                backends(decision, event);
            }
        }
    }
}

/// Holds back what fired with a key that an earlier event or element holds.
pub(super) fn hold_back(
    claims: &mut Claims,
    event: usize,
    now: Timestamp,
    evaluation: &mut Evaluation,
) {
    let fired = |decision: &&mut Decision| decision.outcome == Outcome::Fired;
    for decision in evaluation.decisions.iter_mut().filter(fired) {
        let Some(once) = decision.once.as_ref() else { continue };
        let owner = match &decision.element {
            Some(path) => format!("element {path:?} of event {}", event + 1),
            None => format!("event {}", event + 1),
        };
        let admission = claims.admit(&decision.rule, once, &owner, now);
        if let Admission::Held { by, until, .. } = admission {
            decision.outcome = Outcome::Suppressed;
            decision.reason =
                format!("`once per` fired already for {by}, and holds back until {until}");
            decision.action = None;
        }
    }
}
