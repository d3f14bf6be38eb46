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
    let without = |all: &Configuration<'_>, others: &Configuration<'_>| -> Vec<String> {
        let only = all.keys().filter(|part| !others.contains_key(*part));
        only.map(|part| part.name().to_owned()).collect()
    };
    let differs =
        |(part, text): &(&Part<'_>, &String)| was.get(*part).is_some_and(|was| was != *text);
    let changed = ReconfiguredEvent {
        event,
        added: without(&is, &was),
        removed: without(&was, &is),
        changed: is.iter().filter(differs).map(|(part, _)| part.name().to_owned()).collect(),
    };
    let is_alike =
        changed.added.is_empty() && changed.removed.is_empty() && changed.changed.is_empty();
    (!is_alike).then_some(changed)
}

/// A part of the configuration of an event. A field may have the name of a clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part<'e> {
    Field(&'e str),
    Clause(&'static str),
}

impl<'e> Part<'e> {
    fn name(self) -> &'e str {
        match self {
            Self::Field(name) | Self::Clause(name) => name,
        }
    }
}

/// What a source does with an event, as texts for comparisons.
type Configuration<'e> = BTreeMap<Part<'e>, String>;

fn configuration(event: &EventDecl) -> Configuration<'_> {
    let fields = event.fields.iter();
    let mut texts: Configuration<'_> =
        fields.map(|(name, value)| (Part::Field(name), value.to_string())).collect();
    for (name, value) in &event.expressions {
        texts.insert(Part::Field(name), Shown(value).to_string());
    }
    let mut clause = |name, text: String| texts.insert(Part::Clause(name), text);
    if let Some(decode) = &event.decode {
        clause("decode", Shown(decode).to_string());
    }
    if !event.when.is_empty() {
        let all: Vec<String> = event.when.iter().map(|when| Shown(when).to_string()).collect();
        clause("when", all.join("\n"));
    }
    clause("type", event.arrives.to_string());
    texts
}

#[cfg(test)]
mod tests {
    use crate::schema::{BodyShape, Field, FieldType, Schema, SourceSchema};
    use crate::{Registry, Ruleset};

    fn version(source: &str, event: &str) -> Ruleset {
        let text = |name| Field::optional(name, FieldType::String, "");
        let source_schema = Schema::new("queue", "").field(text("type")).field(text("format"));
        let schema = SourceSchema::new(source_schema, Schema::new("event", ""));
        let registry = Registry::new()
            .source(schema.body("format", "text", BodyShape::Text))
            .trigger(Schema::new("page", ""));
        let text = format!(
            "source q queue {{ {source}\n event e {event} }}
             sensor s on q.e {{ rule r {{ when true  trigger page {{}} }} }}"
        );
        Ruleset::parse("a.rules", &text, &registry).unwrap()
    }

    fn changes(old: &Ruleset, new: &Ruleset) -> Vec<String> {
        new.changed_events(old).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_field_may_have_the_name_of_a_clause() {
        let (one, two) = (version("type = \"a\"", ""), version("type = \"b\"", ""));
        assert_eq!(changes(&one, &two), ["q.e: type changed"]);
        assert_eq!(changes(&one, &version("", "")), ["q.e: type removed"]);
        assert_eq!(changes(&one, &one), [""; 0]);
    }

    #[test]
    fn another_format_is_another_event_for_the_rules() {
        let (json, text) = (version("", ""), version("format = \"text\"", ""));
        let (was, is) = (json.printed_rules(), text.printed_rules());
        assert_ne!(was["s/r"].events, is["s/r"].events);
        assert!(text.compared_with(&json).changed[0].is_unknown);
    }
}
