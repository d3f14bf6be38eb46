//! Compares how two versions of rules configure the same events.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::ruleset::Ruleset;
use crate::typed::{EventDecl, Shown};

/// An event of two versions of rules that is not configured alike in them: its own block or that of its source
/// differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReconfiguredEvent {
    /// The event as rules name it, as in `slo.alert`.
    pub event: String,
    /// The names of fields that only the new version has.
    pub added: Vec<String>,
    /// The names of fields that only the old version has. Without `auth`, anyone can send the event.
    pub removed: Vec<String>,
    /// The names of fields whose values differ; also `when`, `decode` and `type`.
    pub changed: Vec<String>,
}

impl fmt::Display for ReconfiguredEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = ": ";
        f.write_str(&self.event)?;
        for (what, names) in
            [("added", &self.added), ("removed", &self.removed), ("changed", &self.changed)]
        {
            if !names.is_empty() {
                write!(f, "{separator}{} {what}", names.join(", "))?;
                separator = "; ";
            }
        }
        Ok(())
    }
}

impl Ruleset {
    /// The events that these rules and an older version of them declare, and that are not configured alike. The
    /// result has names of fields, and no values.
    ///
    /// ```
    /// use fuse_rules::{Registry, Ruleset};
    /// use fuse_rules::schema::{Field, FieldType, Schema, SourceSchema};
    ///
    /// let source = Schema::new("queue", "A queue.")
    ///     .field(Field::optional("user", FieldType::String, "Who may send."));
    /// let registry = Registry::new().source(SourceSchema::new(source, Schema::new("event", "")));
    /// let version = |fields: &str| {
    ///     let text = format!("source q queue {{\n{fields}\nevent e\n}}");
    ///     Ruleset::parse("a.rules", &text, &registry)
    /// };
    /// let (open, named) = (version("")?, version("user = \"ci\"")?);
    /// assert_eq!(open.changed_events(&named)[0].to_string(), "q.e: user removed");
    /// assert_eq!(open.changed_events(&open), []);
    /// # Ok::<(), fuse_rules::Diagnostics>(())
    /// ```
    pub fn changed_events(&self, old: &Self) -> Vec<ReconfiguredEvent> {
        let mut former = BTreeMap::new();
        for source in &old.typed().sources {
            for event in &source.events {
                former.insert((&*source.name, &*event.name), event);
            }
        }
        let mut found = Vec::new();
        for source in &self.typed().sources {
            for event in &source.events {
                if let Some(old) = former.get(&(&*source.name, &*event.name)) {
                    found.extend(changed(format!("{}.{}", source.name, event.name), old, event));
                }
            }
        }
        found
    }
}

fn changed(event: String, old: &EventDecl, new: &EventDecl) -> Option<ReconfiguredEvent> {
    let (was, is) = (configuration(old), configuration(new));
    let without = |all: &BTreeMap<&str, String>, others: &BTreeMap<&str, String>| -> Vec<String> {
        let only = all.keys().filter(|name| !others.contains_key(*name));
        only.map(|name| (*name).to_owned()).collect()
    };
    let differs = |(name, text): &(&&str, &String)| was.get(*name).is_some_and(|was| was != *text);
    let changed = ReconfiguredEvent {
        event,
        added: without(&is, &was),
        removed: without(&was, &is),
        changed: is.iter().filter(differs).map(|(name, _)| (*name).to_owned()).collect(),
    };
    let is_alike =
        changed.added.is_empty() && changed.removed.is_empty() && changed.changed.is_empty();
    (!is_alike).then_some(changed)
}

/// What a source does with an event, by the names of the fields, as texts for comparisons.
fn configuration(event: &EventDecl) -> BTreeMap<&str, String> {
    let mut texts: BTreeMap<&str, String> =
        event.fields.iter().map(|(name, value)| (name.as_str(), value.to_string())).collect();
    texts.extend(event.expressions.iter().map(|(name, value)| (&**name, Shown(value).to_string())));
    texts.extend(event.decode.iter().map(|decode| ("decode", Shown(decode).to_string())));
    if !event.when.is_empty() {
        let all: Vec<String> = event.when.iter().map(|when| Shown(when).to_string()).collect();
        texts.insert("when", all.join("\n"));
    }
    texts.insert("type", event.arrives.to_string());
    texts
}
