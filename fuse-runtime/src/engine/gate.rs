//! The gate: which fuses prevent an action from being performed. The engine checks the fuses again
//! before each attempt; the decision stays.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fuse_rules::{Fuses, PendingActions, ReactionKind, Ruleset};

/// The fuses of the rules, and their values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate {
    /// Whether each declared fuse is on.
    on: BTreeMap<String, bool>,
    /// What does not change when a fuse is switched.
    rules: Arc<GatedRules>,
}

#[derive(Debug, Default)]
struct GatedRules {
    /// The fuses that each rule requires, by its full name.
    requires: BTreeMap<String, Vec<String>>,
    /// Where each rule is, as `file:line:column`, by its full name.
    places: BTreeMap<String, String>,
    /// The fuses that drop pending actions while they are off.
    drops: BTreeSet<String>,
}

impl Gate {
    /// The gate of these rules and values of fuses.
    pub(crate) fn new(ruleset: &Ruleset, fuses: &Fuses) -> Self {
        let value = |name: &str, default| fuses.get(name).unwrap_or(default);
        let on =
            ruleset.fuses().map(|f| (f.name.to_owned(), value(f.name, f.default_on))).collect();
        let mut requires: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for rule in ruleset.rules().filter(|rule| !rule.requires.is_empty()) {
            let names = rule.requires.iter().map(|name| (*name).to_owned());
            // A reaction to a fuse that is off happens while it is off.
            for reaction in &rule.reactions {
                let ignores = |fuse: &str| match reaction.kind {
                    ReactionKind::Gated => true,
                    ReactionKind::Expired => rule.holds.iter().flatten().any(|held| *held == fuse),
                    _ => false,
                };
                let names = names.clone().filter(|name| !ignores(name));
                requires.entry(reaction.name.to_owned()).or_default().extend(names);
            }
            requires.entry(rule.name.to_owned()).or_default().extend(names);
        }
        let places = ruleset
            .rules()
            .flat_map(|rule| {
                let place = ruleset.files().locate(rule.span);
                let reactions = rule.reactions.iter().map(|reaction| reaction.name.to_owned());
                let names = std::iter::once(rule.name.to_owned()).chain(reactions);
                names.map(move |name| (name, place.clone())).collect::<Vec<_>>()
            })
            .collect();
        let drops = ruleset.fuses().filter(|fuse| fuse.pending == PendingActions::Drop);
        let drops = drops.map(|fuse| fuse.name.to_owned()).collect();
        Self { on, rules: Arc::new(GatedRules { requires, places, drops }) }
    }

    /// Where a rule is, as `file:line:column`; empty if it no longer exists.
    pub(super) fn place(&self, rule: &str) -> &str {
        self.rules.places.get(rule).map_or("", String::as_str)
    }

    /// The same with these values of fuses.
    pub(crate) fn with_fuses(&self, fuses: &Fuses) -> Self {
        let value = |(name, on): (&String, &bool)| (name.clone(), fuses.get(name).unwrap_or(*on));
        Self { on: self.on.iter().map(value).collect(), rules: Arc::clone(&self.rules) }
    }

    /// The fuses that a rule requires.
    pub(crate) fn required(&self, rule: &str) -> Option<&Vec<String>> {
        self.rules.requires.get(rule)
    }

    /// The fuses that are off, among those that the rule requires now and those that it required when
    /// the action was decided. A fuse that is no longer declared does not count, since it cannot be
    /// switched.
    pub(super) fn off(&self, rule: &str, recorded: &[String]) -> Vec<String> {
        let now = self.required(rule).into_iter().flatten();
        let names: BTreeSet<&String> = now.chain(recorded).collect();
        let off = names.into_iter().filter(|name| self.is_off(name));
        off.cloned().collect()
    }

    fn is_off(&self, fuse: &str) -> bool {
        self.on.get(fuse) == Some(&false)
    }

    /// Whether a fuse that drops pending actions is off.
    pub(super) fn is_dropping(&self) -> bool {
        self.rules.drops.iter().any(|fuse| self.is_off(fuse))
    }

    /// One of these fuses that is off and drops pending actions.
    pub(super) fn dropping<'f>(&self, fuses: &'f [String]) -> Option<&'f str> {
        let mut fuses = fuses.iter().map(String::as_str);
        fuses.find(|fuse| self.rules.drops.contains(*fuse) && self.is_off(fuse))
    }
}

/// Why an action is held by fuses that are off, as a sentence.
pub(super) fn held_by(fuses: &[String]) -> String {
    let (s, verb) = if fuses.len() == 1 { ("", "is") } else { ("s", "are") };
    format!("held by fuse: the fuse{s} `{}` {verb} off", fuses.join("`, `"))
}

#[cfg(test)]
mod tests {
    use fuse_rules::Registry;
    use fuse_rules::schema::{Schema, SourceSchema};

    use super::*;

    #[test]
    fn a_fuse_counts_if_it_is_required_now_or_was_when_the_action_was_decided() {
        let text = "fuse a default on\nfuse b default off\nfuse c default on\n\
            source q queue { event e }\n\
            sensor s on q.e { requires a  rule r { requires c  trigger page {} } rule free { trigger page {} }
              rule hold { requires c else hold 1h  trigger page {}
                on failure { trigger page {} } on expired { trigger page {} } } }";
        let kinds = Registry::new()
            .source(SourceSchema::new(Schema::new("queue", ""), Schema::new("event", "")))
            .trigger(Schema::new("page", ""));
        let ruleset = Ruleset::parse("x.rules", text, &kinds).unwrap();
        let gate = Gate::new(&ruleset, &Fuses::default().set("c", false));
        assert_eq!(gate.off("s/r", &[]), ["c"]);
        assert_eq!(gate.off("s/free", &[]), [""; 0]);
        // What reacts to a fuse that is off is not held by it.
        assert_eq!(gate.off("s/hold", &[]), ["c"]);
        assert_eq!(gate.off("s/hold on failure", &[]), ["c"]);
        assert_eq!(gate.off("s/hold on expired", &[]), [""; 0]);
        let other = Gate::new(&ruleset, &Fuses::default().set("a", false));
        assert_eq!(other.off("s/hold on expired", &[]), ["a"]);
        // The fuses that a rule required when it decided count, even if the rule is gone.
        assert_eq!(gate.off("s/gone", &["b".into()]), ["b"]);
        assert_eq!(gate.off("s/r", &["b".into(), "gone".into()]), ["b", "c"]);
        let all = Gate::new(&ruleset, &Fuses::default().set("b", true));
        assert_eq!(all.off("s/r", &["b".into()]), [""; 0]);
        assert_eq!(held_by(&["b".into(), "c".into()]), "held by fuse: the fuses `b`, `c` are off");
        assert!(!gate.is_dropping() && gate.dropping(&["b".into(), "c".into()]).is_none());
    }
}
