//! Checked clauses of flow control.

use std::sync::Arc;

use super::{Each, EventName, Expr, Let, Path, Reference, Rule, Rules, Sensor};
use crate::flow::{Flow, Hours, approval, requires};
use crate::span::Span;

/// A clause of flow control.
#[derive(Clone, Debug)]
pub(crate) struct FlowClause<P: Reference = Path> {
    pub(crate) flow: Flow,
    /// The name of the limiter that has its parameters and its state, if it uses one.
    pub(crate) limiter: Option<String>,
    pub(crate) keys: Vec<Expr<P>>,
    /// Whether its keys are sensitive for another event with which it shares its state.
    pub(crate) hides_keys: bool,
    /// Identifies the clause among those of its rule; see [`FlowRequest::clause`](crate::flow::FlowRequest).
    pub(crate) identity: String,
    /// The hours of `during`.
    pub(crate) hours: Option<Arc<Hours>>,
    /// The events that end the wait of `still`.
    pub(crate) unless: Option<Arc<Unless>>,
    /// The fuses of `requires … else hold`: indices into `Rules::fuses`, and names.
    pub(crate) fuses: Vec<(usize, String)>,
    /// The groups after `by` in `approval`.
    pub(crate) approvers: Vec<String>,
    pub(crate) span: Span,
}

/// The `unless` of a `still` clause.
#[derive(Clone, Debug)]
pub(crate) struct Unless {
    pub(crate) event: EventName,
    /// The lists that it iterates over, outermost first: at most two.
    pub(crate) each: Vec<Each>,
    /// For tools, as those of a rule.
    pub(crate) lets: Vec<Let>,
    pub(crate) when: Expr,
    /// The keys of the clause, as expressions over this event.
    pub(crate) keys: Vec<Expr>,
    pub(crate) span: Span,
}

impl Unless {
    /// Its text as in rules, on one line. `show` prints expressions.
    pub(crate) fn text(&self, show: &dyn Fn(&Expr) -> String) -> String {
        let each = |each: &Each| format!(" each {} in {}", each.name, show(&each.list));
        let each: String = self.each.iter().map(each).collect();
        let named = |own: &Let| format!(" let {} = {}", own.name, show(&own.value));
        let lets: String = self.lets.iter().map(named).collect();
        format!("unless {}{each}{lets} when {}", self.event, show(&self.when))
    }
}

/// `during`, as in rules.
pub(crate) fn during_text(hours: &Hours, waits: bool) -> String {
    format!("during {hours}{}", if waits { " else wait" } else { "" })
}

impl<P: Reference> FlowClause<P> {
    /// The clause as in rules, with these keys.
    pub(crate) fn text(&self, keys: &[String]) -> String {
        match &self.hours {
            Some(hours) => during_text(hours, self.flow.waits()),
            None if self.flow.is_approval() => approval::text(self.flow, &self.approvers),
            None if self.flow.is_requires() => {
                requires::text(self.flow, self.fuses.iter().map(|(_, name)| name))
            }
            None => self.flow.text_with(self.limiter.as_deref(), keys),
        }
    }

    /// Whether its key contains a sensitive value.
    pub(crate) fn is_sensitive(&self) -> bool {
        self.hides_keys || self.keys.iter().any(Expr::is_sensitive)
    }
}

/// Whether one of these clauses may count a match without acting.
pub(crate) fn may_be_counted<P: Reference>(clauses: &[FlowClause<P>]) -> bool {
    clauses.iter().any(|clause| clause.flow.counts_matches())
}

/// Whether one of these clauses may suppress a match.
pub(crate) fn may_be_suppressed<P: Reference>(clauses: &[FlowClause<P>]) -> bool {
    clauses.iter().any(|clause| clause.flow.suppresses())
}

impl Rule {
    /// The keys of all clauses of flow control.
    pub(crate) fn flow_keys(&self) -> impl Iterator<Item = &Expr> {
        self.flow.iter().flat_map(|clause| &clause.keys)
    }

    /// The fuses of each clause at which its matches wait for fuses.
    pub(crate) fn holds(&self) -> impl Iterator<Item = impl Iterator<Item = &str>> {
        let clauses = self.flow.iter().filter(|clause| clause.flow.is_requires());
        clauses.map(|clause| clause.fuses.iter().map(|(_, name)| name.as_str()))
    }

    /// Its clauses with an `unless`.
    pub(crate) fn cancellable(&self) -> impl Iterator<Item = (&FlowClause, &Unless)> {
        self.flow.iter().filter_map(|clause| Some((clause, clause.unless.as_deref()?)))
    }

    /// An `unless` as a sensor, so that everything that evaluates rules can evaluate it. It has one rule with the name of
    /// this one and without triggers: if it matches, it cancels what waits at the clause.
    pub(crate) fn canceller(&self, clause: &FlowClause, unless: &Unless) -> Sensor {
        let rule = Self {
            name: self.name.clone(),
            span: unless.span,
            doc: None,
            requires: Vec::new(),
            gates: Vec::new(),
            each: unless.each.get(1).cloned(),
            lets: Vec::new(),
            when: vec![unless.when.clone()],
            flow: vec![FlowClause {
                keys: unless.keys.clone(),
                hides_keys: clause.is_sensitive(),
                unless: None,
                ..clause.clone()
            }],
            is_shadow: self.is_shadow,
            triggers: Vec::new(),
            reactions: Vec::new(),
            response: None,
            cancels: true,
        };
        Sensor {
            name: self.name.clone(),
            span: unless.span,
            doc: None,
            events: vec![unless.event.clone()],
            each: unless.each.first().cloned(),
            lets: Vec::new(),
            when: Vec::new(),
            flow: Vec::new(),
            rules: vec![rule],
        }
    }

    /// Whether a clause may let a match wait.
    pub(crate) fn may_wait(&self) -> bool {
        self.flow.iter().any(|clause| clause.flow.waits())
    }

    /// Whether a person decides about its actions.
    pub(crate) fn needs_approval(&self) -> bool {
        self.approvers().is_some()
    }

    /// The groups of which one may approve its actions, if a person decides about them. Nobody is asked in shadow.
    pub(crate) fn approvers(&self) -> Option<&[String]> {
        let clause = self.flow.iter().find(|clause| clause.flow.is_approval());
        clause.filter(|_| !self.is_shadow).map(|clause| clause.approvers.as_slice())
    }

    /// Whether what waits may expire.
    pub(crate) fn may_expire(&self) -> bool {
        self.flow.iter().any(|clause| match clause.flow.is_approval() {
            true => !self.is_shadow,
            false => clause.flow.expires(),
        })
    }

    /// Whether an event may cancel what waits.
    pub(crate) fn may_be_cancelled(&self) -> bool {
        self.cancellable().next().is_some()
    }

    /// Whether a newer match may take the place of one that waits.
    pub(crate) fn may_be_superseded(&self) -> bool {
        let is_one = |flow: Flow| matches!(flow, Flow::Quiet { .. }) || flow.replaces();
        self.flow.iter().any(|clause| is_one(clause.flow))
    }

    /// Whether a clause may count a match without acting.
    pub(crate) fn may_be_counted(&self) -> bool {
        may_be_counted(&self.flow)
    }

    /// Whether a clause may suppress a match.
    pub(crate) fn may_be_suppressed(&self) -> bool {
        may_be_suppressed(&self.flow)
    }
}

impl Rules {
    /// All `unless` conditions as sensors, in the order of their rules; see [`Rule::canceller`].
    pub(crate) fn cancellers(&self) -> impl Iterator<Item = Sensor> {
        let rules = self.sensors.iter().flat_map(|sensor| &sensor.rules);
        rules.flat_map(|rule| {
            rule.cancellable().map(|(clause, unless)| rule.canceller(clause, unless))
        })
    }
}

impl Sensor {
    /// Whether a clause of one of its rules is written in the sensor, so that all of its rules have it.
    pub(crate) fn shares(&self, clause: &FlowClause) -> bool {
        self.flow.iter().any(|own| own.span == clause.span)
    }
}
