//! Compares two versions of rules: what decides differently, shown by events.

mod events;

use std::sync::Arc;

use serde::Serialize;

use crate::analysis::{Analysis, Answer, Events, Placed};
use crate::inventory::PrintedRule;
use crate::lint::shown;
use crate::ruleset::Ruleset;
use crate::typed::{EventDecl, Rules, Sensor};

pub use events::ReconfiguredEvent;

/// How many changed rules the analysis compares; further ones are only named.
const MAX_ANALYZED: usize = 200;

/// What differs between two versions of rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RuleComparison {
    /// Rules that only the new version has, by their full names.
    pub added: Vec<String>,
    /// Rules that only the old version has.
    pub removed: Vec<String>,
    /// Rules that decide or act differently, or may.
    pub changed: Vec<ChangedRule>,
    /// Rules that are written differently, and provably decide and act alike.
    pub rewritten: Vec<String>,
}

/// A rule of both versions that is not the same in them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangedRule {
    /// Its full name.
    pub rule: String,
    /// An event that the rule matches now, and did not before.
    pub matches_now: Option<String>,
    /// An event that the rule no longer matches.
    pub no_longer_matches: Option<String>,
    /// Whether the fuses, flow control or the triggers differ.
    pub acts_differently: bool,
    /// Whether the conditions or the events differ, and the analysis neither found an event nor a proof that the rule
    /// matches the same events.
    pub is_unknown: bool,
}

impl Ruleset {
    /// Compares these rules with an older version of them.
    ///
    /// ```
    /// use fuse_rules::{Registry, Ruleset};
    /// use fuse_rules::schema::{Schema, SourceSchema};
    ///
    /// let registry = Registry::new()
    ///     .source(SourceSchema::new(Schema::new("queue", "A queue."), Schema::new("event", "")))
    ///     .trigger(Schema::new("page", "Calls a human."));
    /// let version = |when: &str| {
    ///     let text = format!(
    ///         "source q queue {{ event e }}
    ///          sensor s on q.e {{ rule r {{ when {when}  trigger page {{}} }} }}"
    ///     );
    ///     Ruleset::parse("a.rules", &text, &registry)
    /// };
    /// let old = version("body.severity > 4")?;
    /// let compared = version("body.severity >= 4")?.compared_with(&old);
    /// let event = compared.changed[0].matches_now.as_deref();
    /// assert_eq!(event, Some(r#"q.e {"severity":4}"#));
    /// assert_eq!(compared.changed[0].no_longer_matches, None);
    ///
    /// let compared = version("not (body.severity <= 4)")?.compared_with(&old);
    /// assert_eq!(compared.rewritten, ["s/r"]);
    /// # Ok::<(), fuse_rules::Diagnostics>(())
    /// ```
    pub fn compared_with(&self, old: &Self) -> RuleComparison {
        let (was, is) = (old.printed_rules(), self.printed_rules());
        let mut found = RuleComparison {
            added: is.keys().filter(|name| !was.contains_key(*name)).map(owned).collect(),
            removed: was.keys().filter(|name| !is.contains_key(*name)).map(owned).collect(),
            ..RuleComparison::default()
        };
        // Both versions of a rule see the events that are declared now.
        let mut analysis = Analysis::new(self.typed());
        let mut left = MAX_ANALYZED;
        for (name, new) in &is {
            let Some(former) = was.get(name).filter(|former| *former != new) else { continue };
            let is_analyzed = left > 0;
            left = left.saturating_sub(1);
            let changed = match (placed(old.typed(), name), placed(self.typed(), name)) {
                (Some(a), Some(b)) if is_analyzed => {
                    changed(&mut analysis, self.typed(), (former, a), (new, b))
                }
                _ => ChangedRule::unknown(former, new),
            };
            match changed {
                Some(changed) => found.changed.push(ChangedRule { rule: owned(name), ..changed }),
                None => found.rewritten.push(owned(name)),
            }
        }
        found
    }
}

fn owned(name: &&str) -> String {
    (*name).to_owned()
}

fn placed<'r>(rules: &'r Rules, name: &str) -> Option<Placed<'r>> {
    let of = |sensor: &'r Arc<Sensor>| {
        let rule = sensor.rules.iter().find(|rule| rule.name == name)?;
        Some(Placed { sensor, rule })
    };
    rules.sensors.iter().find_map(of)
}

impl ChangedRule {
    /// A rule about which only its texts are known.
    fn unknown(former: &PrintedRule, new: &PrintedRule) -> Option<Self> {
        Some(Self {
            rule: String::new(),
            matches_now: None,
            no_longer_matches: None,
            acts_differently: former.action != new.action,
            is_unknown: (&former.events, &former.conditions) != (&new.events, &new.conditions),
        })
    }
}

/// How a rule changed; `None` if it provably decides and acts alike.
fn changed<'r>(
    analysis: &mut Analysis<'r>,
    rules: &Rules,
    (former, old): (&PrintedRule, Placed<'r>),
    (printed, new): (&PrintedRule, Placed<'r>),
) -> Option<ChangedRule> {
    if former.events != printed.events {
        return ChangedRule::unknown(former, printed);
    }
    let acts_differently = former.action != printed.action;
    let mut changed = ChangedRule {
        rule: String::new(),
        matches_now: None,
        no_longer_matches: None,
        acts_differently,
        is_unknown: false,
    };
    if former.conditions != printed.conditions {
        let mut declared = rules.sources.iter().flat_map(|source| {
            let listens = |event: &&EventDecl| new.sensor.listens_to(&source.name, &event.name);
            source.events.iter().filter(listens)
        });
        let rejects = declared.all(EventDecl::rejects);
        for (a, b, event) in
            [(new, old, &mut changed.matches_now), (old, new, &mut changed.no_longer_matches)]
        {
            match analysis.separating(a, b) {
                Answer::Found(witness) => *event = Some(shown(&witness)),
                Answer::Never(Events::Any) => {}
                // Rules also evaluate events that do not have the declared type, unless the source rejects them.
                Answer::Never(Events::Typed) => changed.is_unknown |= !rejects,
                Answer::Unknown => changed.is_unknown = true,
            }
        }
    }
    let is_alike = !acts_differently
        && !changed.is_unknown
        && changed.matches_now.is_none()
        && changed.no_longer_matches.is_none();
    (!is_alike).then_some(changed)
}
