//! Executes a test: evaluates its events in order, each with its time and the state of the fuses.

use jiff::Timestamp;
use rustc_hash::FxHashMap;

use super::{Tests, failed, wants_all};
use crate::decision::Outcome;
use crate::decision::{Decision, Evaluation};
use crate::diagnostic::Diagnostic;
use crate::eval::SeenParts;
use crate::event::Event;
use crate::fuses::Fuses;
use crate::once::{Admission, Claims};
use crate::span::Span;
use crate::typed::{Body, Send, Test, TestStep};

/// The time of receipt unless a test sets it: 2026-01-01T00:00:00Z.
const DEFAULT_TIME: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// An event of a test, with its evaluation.
pub(super) struct SentEvent<'t> {
    pub(super) send: &'t Send,
    pub(super) event: Event<'t>,
    pub(super) fuses: Fuses,
    pub(super) evaluation: Evaluation,
}

impl<'r> Tests<'r> {
    /// Evaluates the events of a test.
    pub(super) fn execute<'t>(
        &'t self,
        test: &'t Test,
    ) -> Result<Vec<SentEvent<'t>>, Box<Diagnostic>> {
        self.execute_with(test, wants_all(test))
    }

    /// Evaluates the events of a test, with all decisions or only those that have consequences.
    pub(super) fn execute_with<'t>(
        &'t self,
        test: &'t Test,
        all_decisions: bool,
    ) -> Result<Vec<SentEvent<'t>>, Box<Diagnostic>> {
        let mut events = self.events(test)?;
        let mut claims = Claims::default();
        for (number, sent) in events.iter_mut().enumerate() {
            let SentEvent { event, fuses, .. } = sent;
            let mut evaluation = match all_decisions {
                true => self.plan.evaluate_all(event, fuses),
                false => self.plan.evaluate(event, fuses),
            };
            self.apply_backends(&mut evaluation, event);
            suppress_repeats(&mut claims, number, event.received_at(), &mut evaluation);
            sent.evaluation = evaluation;
        }
        Ok(events)
    }

    /// The events of a test, not yet evaluated.
    pub(super) fn events<'t>(
        &'t self,
        test: &'t Test,
    ) -> Result<Vec<SentEvent<'t>>, Box<Diagnostic>> {
        let mut fuses = Fuses::default();
        let mut now = DEFAULT_TIME;
        let mut events = Vec::new();
        for step in &test.steps {
            match step {
                TestStep::With { fuse, on } => fuses = fuses.set(fuse, *on),
                TestStep::At(time) => now = *time,
                TestStep::Send(send) => {
                    let event = self.event(send, events.len())?.received(now);
                    let evaluation =
                        Evaluation { refused: None, mismatch: None, decisions: Vec::new() };
                    events.push(SentEvent { send, event, fuses: fuses.clone(), evaluation });
                }
                TestStep::Expect(_) => {}
            }
        }
        Ok(events)
    }

    fn event<'t>(&'t self, send: &'t Send, number: usize) -> Result<Event<'t>, Box<Diagnostic>> {
        let (event, span) = self.arriving(send)?;
        self.check_route(send, &event)?;
        let id = self.plan.source_field(&event, "id").ok().flatten().filter(|id| !id.is_empty());
        let event = event.id(id.unwrap_or_else(|| format!("test-{}", number + 1)));
        match self.seen.get(&send.span) {
            Some(seen) => Ok(event.with_parts(&seen.body, &seen.headers).decoded()),
            None => match self.plan.seen(&event, |seen| seen.err().map(|why| why.to_string())) {
                Some(why) => Err(not_an_event(span, &why)),
                None => Ok(event.decoded()),
            },
        }
    }

    /// The body that a test sends, and where it is named.
    fn body<'t>(&'t self, send: &'t Send) -> Result<(&'t str, Span), Box<Diagnostic>> {
        match &send.body {
            Body::Json(text) => Ok((text.as_str(), send.span)),
            Body::File { name, span } => match self.files.get(name) {
                Some(Ok(text)) => Ok((text.as_str(), *span)),
                Some(Err(why)) => {
                    let message = format!("`{name}` cannot be read: {why}");
                    Err(Box::new(
                        failed(*span, message)
                            .label("sent here")
                            .help("the path is relative to the file that contains the test"),
                    ))
                }
                None => Ok(("null", *span)),
            },
        }
    }

    /// The event that a test sends, as it arrives.
    fn arriving<'t>(&'t self, send: &'t Send) -> Result<(Event<'t>, Span), Box<Diagnostic>> {
        let (body, span) = self.body(send)?;
        let event = Event::new(send.source.as_str(), send.event.as_str(), body.as_bytes());
        let mut event = event.map_err(|error| not_an_event(span, &error.to_string()))?;
        for (name, value) in &send.headers {
            event = event.header(name, value);
        }
        for (name, value) in &send.query {
            event = event.query(name, value);
        }
        for (name, value) in &send.path {
            event = event.path_parameter(name, value);
        }
        Ok((event, span))
    }

    /// The events of all tests that their sources change before rules see them.
    pub(super) fn seen_parts(&self) -> FxHashMap<Span, SeenParts> {
        let steps = self.all().iter().flat_map(|test| &test.steps);
        let mut seen = FxHashMap::default();
        for step in steps {
            if let TestStep::Send(send) = step
                && let Ok((event, _)) = self.arriving(send)
                && let Some(Ok(parts)) = self.plan.seen_parts(&event)
            {
                seen.insert(send.span, parts);
            }
        }
        seen
    }

    /// Reports a request that is not the event that the test sends.
    fn check_route(&self, send: &Send, event: &Event<'_>) -> Result<(), Box<Diagnostic>> {
        let routed =
            self.plan.route(event).map_err(|why| not_an_event(send.span, &why.to_string()))?;
        if routed == Some(send.event.as_str()) {
            return Ok(());
        }
        let Send { source, event, .. } = send;
        let help = match routed {
            Some(other) => format!("it is `{source}.{other}`; send that, or change the request"),
            None => "no event takes it: fuse answers it with 202 and does nothing".to_owned(),
        };
        let message =
            format!("this request is not `{source}.{event}`: its conditions are not true for it");
        Err(Box::new(failed(send.span, message).label("sent here").help(help)))
    }

    /// Passes the decisions to the backend.
    pub(super) fn apply_backends(&self, evaluation: &mut Evaluation, event: &Event<'_>) {
        if let Some(backends) = self.backends {
            for decision in &mut evaluation.decisions {
                backends(decision, event);
            }
        }
    }
}

fn not_an_event(span: Span, why: &str) -> Box<Diagnostic> {
    Box::new(failed(span, format!("this is not an event: {why}")).label("sent here"))
}

/// Suppresses fired decisions whose `once` key an earlier event or element has claimed.
pub(super) fn suppress_repeats(
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
