//! Executes a test: evaluates its events in order, each with its time and the state of the fuses.

use rustc_hash::FxHashMap;

use super::timeline::Ended;
use super::{Admitted, Tests, failed, wants_all};
use crate::decision::Outcome;
use crate::decision::{Decision, Evaluation};
use crate::diagnostic::Diagnostic;
use crate::event::{DEFAULT_RECEIVED, Event};
use crate::flow::BlownFuse;
use crate::fuses::Fuses;
use crate::span::Span;
use crate::typed::{Body, Expect, Expected, Send, Test, TestStep};

/// An event of a test, with its evaluation.
pub(super) struct SentEvent<'t> {
    /// Its index among the events of the test.
    pub(super) number: usize,
    pub(super) event: Event<'t>,
    /// The fuses as the test sets them, with those off that are blown when the event arrives.
    pub(super) fuses: Fuses,
    pub(super) evaluation: Evaluation,
    /// The reactions that follow if its actions fail, or succeed.
    pub(super) assumed: Vec<Decision>,
    /// What became of the decisions that waited.
    pub(super) ended: Vec<Ended>,
    /// The fuses that it blows.
    pub(super) blows: Vec<(String, BlownFuse)>,
    /// The fuses that are blown after it.
    pub(super) blown: Vec<String>,
    /// The steps after it, by index, that answer what nobody asked.
    pub(super) unanswered: Vec<usize>,
}

impl<'t> SentEvent<'t> {
    /// An event that is not decided yet.
    pub(super) fn new(
        number: usize,
        event: Event<'t>,
        fuses: Fuses,
        evaluation: Evaluation,
    ) -> Self {
        Self {
            number,
            event,
            fuses,
            evaluation,
            assumed: Vec::new(),
            ended: Vec::new(),
            blows: Vec::new(),
            blown: Vec::new(),
            unanswered: Vec::new(),
        }
    }

    /// The decisions about it, including those about what had to wait.
    pub(super) fn settled(&self) -> impl Iterator<Item = &Decision> {
        let ended = self.ended.iter().filter(|ended| !ended.is_assumed);
        self.evaluation.decisions.iter().chain(ended.map(|ended| &ended.decision))
    }
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
        self.play(test, &mut events, (&[], &[]), &mut |sent| {
            let mut evaluation = match all_decisions {
                true => self.plan.evaluate_all(&sent.event, &sent.fuses),
                false => self.plan.evaluate(&sent.event, &sent.fuses),
            };
            self.apply_backends(&mut evaluation.decisions, &sent.event);
            evaluation
        });
        let quoted = quoted_rules(test);
        events.iter_mut().for_each(|sent| self.explain(&quoted, sent));
        Ok(events)
    }

    /// Replaces the reasons of these rules' decisions with those of `fuse explain`. The evaluators give no reason
    /// why a rule matches or does not.
    pub(super) fn explain(&self, rules: &[&str], sent: &mut SentEvent<'_>) {
        if rules.is_empty() {
            return;
        }
        let explained = self.plan.explain_rules(&sent.event, &sent.fuses, rules).decisions;
        let mut reasons: FxHashMap<DecisionKey<'_>, &str> = FxHashMap::default();
        for explained in &explained {
            reasons.insert(place(&explained.decision), explained.decision.reason.as_str());
        }
        for decision in &mut sent.evaluation.decisions {
            if let Some(reason) = reasons.get(&place(decision)) {
                keep_reason(decision, reason);
            }
        }
    }

    /// The events of a test, not yet evaluated.
    pub(super) fn events<'t>(
        &'t self,
        test: &'t Test,
    ) -> Result<Vec<SentEvent<'t>>, Box<Diagnostic>> {
        let mut fuses = Fuses::default();
        let mut now = DEFAULT_RECEIVED;
        let mut events = Vec::new();
        for step in &test.steps {
            match step {
                TestStep::With { fuse, on } => fuses = fuses.set(fuse, *on),
                TestStep::At(time) => now = *time,
                TestStep::Send(send) => {
                    let event = self.event(send, events.len())?.received(now);
                    let evaluation = Evaluation::new(Vec::new());
                    events.push(SentEvent::new(events.len(), event, fuses.clone(), evaluation));
                }
                TestStep::Response { .. }
                | TestStep::Limiter { .. }
                | TestStep::Answer { .. }
                | TestStep::Finish(_)
                | TestStep::Expect(_) => {}
            }
        }
        Ok(events)
    }

    fn event<'t>(&'t self, send: &'t Send, number: usize) -> Result<Event<'t>, Box<Diagnostic>> {
        let (body, span) = self.body(send)?;
        let event = Event::new(send.source.as_str(), send.event.as_str(), body.as_bytes());
        let mut event = event.map_err(|error| {
            Box::new(failed(span, format!("this is not an event: {error}")).label("sent here"))
        })?;
        for (name, value) in &send.query {
            event = event.query(name, value);
        }
        for (name, value) in &send.path {
            event = event.path_parameter(name, value);
        }
        let refused = |why: &str| {
            let message = format!("fuse would refuse this event: {why}");
            Box::new(failed(span, message).label("no rule would see it"))
        };
        let admitted =
            self.admitted(event, &send.headers, number).map_err(|why| refused(&why.to_string()))?;
        let routed = admitted.as_ref().map(|arrived| arrived.event().name().to_owned());
        match admitted.filter(|arrived| arrived.event().name() == send.event) {
            Some(arrived) => arrived.seen().map_err(|why| refused(&why.to_string())),
            None => Err(not_this_event(send, routed.as_deref())),
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

    /// Passes an event of a test, given by number, to its source. `None` if the request matches no event.
    pub(super) fn admitted<'t>(
        &'t self,
        event: Event<'t>,
        headers: &[(String, String)],
        number: usize,
    ) -> Admitted<'t> {
        let admitted = match self.admission {
            Some(admission) => admission.admit(&self.plan, event, headers)?,
            None => {
                let headers = headers.iter();
                let event = headers.fold(event, |event, (name, value)| event.header(name, value));
                let Some(mut arrived) = self.plan.arrive(event)? else { return Ok(None) };
                let id = arrived.source_field("id")?.unwrap_or_default();
                Some(arrived.with_id(id))
            }
        };
        Ok(admitted.map(|arrived| match arrived.event().event_id() {
            "" => arrived.with_id(format!("test-{}", number + 1)),
            _ => arrived,
        }))
    }

    /// Passes the decisions to the backend.
    pub(super) fn apply_backends(&self, decisions: &mut [Decision], event: &Event<'_>) {
        if let Some(backends) = self.backends {
            for decision in decisions {
                backends(decision, event);
            }
        }
    }
}

/// Reports a request that is not the event that the test sends, but another one or none.
fn not_this_event(send: &Send, routed: Option<&str>) -> Box<Diagnostic> {
    let Send { source, event, .. } = send;
    let help = match routed {
        Some(other) => format!("it is `{source}.{other}`; send that, or change the request"),
        None => "it matches no event: fuse answers 202 and does nothing".to_owned(),
    };
    let message =
        format!("this request is not `{source}.{event}`: its conditions are not true for it");
    Box::new(failed(send.span, message).label("sent here").help(help))
}

/// The rule, the element and the outcome of a decision.
pub(super) type DecisionKey<'d> = (&'d str, Option<&'d [u32]>, Outcome);

pub(super) fn place(decision: &Decision) -> DecisionKey<'_> {
    (&decision.rule, decision.element.as_deref(), decision.outcome)
}

/// Gives a decision a reason that says the same, and possibly more.
pub(super) fn keep_reason(decision: &mut Decision, reason: &str) {
    if reason.contains(&decision.reason) {
        reason.clone_into(&mut decision.reason);
    }
}

/// The rules of which a test quotes a reason.
pub(super) fn quoted_rules(test: &Test) -> Vec<&str> {
    let quoted = test.steps.iter().filter_map(|step| match step {
        TestStep::Expect(Expect { what: Expected::Rule(rule), .. }) => {
            rule.because.as_ref().map(|_| rule.rule.as_str())
        }
        _ => None,
    });
    quoted.collect()
}

/// The name of an event for people, by its index.
pub(super) fn name_of(event: usize) -> String {
    format!("event {}", event + 1)
}
