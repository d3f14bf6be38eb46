//! The page that `fuse doc` generates.

use fuse_rules::{
    DefinitionInfo, DefinitionKind, EachInfo, EventInfo, FuseInfo, RuleInfo, Ruleset, SensorInfo,
    SourceInfo, Written,
};

use super::markdown::{block, code, prose};

/// Everything that the rules declare, as one page of Markdown, in the order of the files.
pub(super) fn page(ruleset: &Ruleset) -> String {
    let sources: Vec<_> = ruleset.sources().collect();
    let sensors: Vec<_> = ruleset.sensors().collect();
    let fuses: Vec<_> = ruleset.fuses().collect();
    let definitions: Vec<_> = ruleset.definitions().collect();
    let of = |kind| definitions.iter().filter(move |definition| definition.kind == kind);
    let files: Vec<_> = ruleset.files().iter().map(|file| code(file.name())).collect();

    let mut parts = vec![
        "# Rules\n".to_owned(),
        format!("Made by `fuse doc` from {}.\n", files.join(", ")),
        contents(&sources, &sensors, &fuses, &definitions),
    ];
    parts.extend(section(
        "Sources",
        sources.iter().map(|source| a_source(source, &sensors, &definitions)),
    ));
    parts.extend(section("Sensors", sensors.iter().map(a_sensor)));
    parts.extend(section("Fuses", fuses.iter().map(|fuse| a_fuse(fuse, &sensors))));
    for (kind, title) in KINDS {
        parts.extend(section(title, of(kind).map(a_definition)));
    }
    parts.join("\n")
}

const KINDS: [(DefinitionKind, &str); 3] = [
    (DefinitionKind::Type, "Types"),
    (DefinitionKind::Const, "Constants"),
    (DefinitionKind::Condition, "Conditions"),
];

/// The keyword of the declaration.
fn word(kind: DefinitionKind) -> &'static str {
    match kind {
        DefinitionKind::Type => "type",
        DefinitionKind::Const => "const",
        DefinitionKind::Condition => "condition",
    }
}

fn contents(
    sources: &[SourceInfo<'_>],
    sensors: &[SensorInfo<'_>],
    fuses: &[FuseInfo<'_>],
    definitions: &[DefinitionInfo<'_>],
) -> String {
    let mut out = String::new();
    let mut list = |what: &str, links: Vec<String>| {
        if !links.is_empty() {
            out.push_str(&format!("- {what}: {}\n", links.join(", ")));
        }
    };
    list("Sources", sources.iter().map(|source| link("source", source.name)).collect());
    list("Sensors", sensors.iter().map(|sensor| link("sensor", sensor.name)).collect());
    list("Rules", sensors.iter().flat_map(|sensor| &sensor.rules).map(rule_link).collect());
    list("Fuses", fuses.iter().map(|fuse| link("fuse", fuse.name)).collect());
    for (kind, title) in KINDS {
        let those = definitions.iter().filter(|definition| definition.kind == kind);
        list(title, those.map(|definition| link(word(kind), definition.name)).collect());
    }
    out
}

/// A section, unless it is empty.
fn section(title: &str, parts: impl Iterator<Item = String>) -> Option<String> {
    let parts: Vec<String> = parts.collect();
    (!parts.is_empty()).then(|| format!("## {title}\n\n{}", parts.join("\n")))
}

/// A heading with an anchor, and the comment below it.
fn heading(level: usize, kind: &str, name: &str, title: &str, doc: Option<&str>) -> Vec<String> {
    let marks = "#".repeat(level);
    let mut parts =
        vec![format!("<a id=\"{}\"></a>\n\n{marks} {}\n", anchor(kind, name), code(title))];
    parts.extend(doc.map(|doc| format!("{}\n", prose(doc))));
    parts
}

/// Names consist of letters, digits, `-` and `_`; a rule's name also contains `/`.
fn anchor(kind: &str, name: &str) -> String {
    format!("{kind}-{}", name.replace('/', "."))
}

fn link(kind: &str, name: &str) -> String {
    format!("[{}](#{})", code(name), anchor(kind, name))
}

fn rule_link(rule: &RuleInfo<'_>) -> String {
    link("rule", rule.name)
}

fn event_link(source: &str, event: &str) -> String {
    link("event", &format!("{source}.{event}"))
}

fn a_source(
    source: &SourceInfo<'_>,
    sensors: &[SensorInfo<'_>],
    definitions: &[DefinitionInfo<'_>],
) -> String {
    let mut parts = heading(3, "source", source.name, source.name, source.doc);
    parts.push(format!("Kind: {}\n", code(source.kind)));
    parts.extend(source.events.iter().map(|event| an_event(event, sensors, definitions)));
    parts.join("\n")
}

fn an_event(
    event: &EventInfo<'_>,
    sensors: &[SensorInfo<'_>],
    definitions: &[DefinitionInfo<'_>],
) -> String {
    let name = format!("{}.{}", event.source, event.name);
    let mut parts = heading(4, "event", &name, &name, event.doc);
    if let Some(ty) = event.ty {
        let named = |definition: &DefinitionInfo<'_>| {
            definition.kind == DefinitionKind::Type && definition.name == ty
        };
        parts.push(if definitions.iter().any(named) {
            format!("Type: {}\n", link("type", ty))
        } else if !ty.contains('\n') {
            format!("Type: {}\n", code(ty))
        } else {
            format!("Type:\n\n{}", block(&outdented(ty)))
        });
    }
    let fixed = event.fields.iter().map(|(key, value)| format!("{key} = {value}"));
    let lines: Vec<String> = fixed.chain(event.expressions.iter().map(written)).collect();
    if !lines.is_empty() {
        parts.push(block(&lines));
    }
    let bound: Vec<_> = sensors
        .iter()
        .filter(|sensor| sensor.source == event.source && sensor.event == event.name)
        .map(|sensor| link("sensor", sensor.name))
        .collect();
    parts.push(match bound.as_slice() {
        [] => "No sensor is bound to it.\n".to_owned(),
        bound => format!("Sensors: {}\n", bound.join(", ")),
    });
    parts.join("\n")
}

fn a_sensor(sensor: &SensorInfo<'_>) -> String {
    let mut parts = heading(3, "sensor", sensor.name, sensor.name, sensor.doc);
    parts.push(format!("On {}\n", event_link(sensor.source, sensor.event)));
    parts.extend(clauses(sensor.each.as_ref(), &sensor.when));
    parts.extend(sensor.rules.iter().map(a_rule));
    parts.join("\n")
}

fn a_rule(rule: &RuleInfo<'_>) -> String {
    let mut parts = heading(4, "rule", rule.name, rule.name, rule.doc);
    if !rule.requires.is_empty() {
        let fuses: Vec<_> = rule.requires.iter().map(|fuse| link("fuse", fuse)).collect();
        parts.push(format!("Requires: {}\n", fuses.join(", ")));
    }
    parts.extend(clauses(rule.each.as_ref(), &rule.when));
    if let Some(once) = &rule.once {
        let keys: Vec<_> = once.keys.iter().map(|key| code(key)).collect();
        parts.push(format!("Once per {} within {}\n", keys.join(", "), code(&once.within)));
    }
    for (trigger, fields) in rule.triggers.iter().zip(&rule.written) {
        parts.push(format!("Trigger: {}\n", code(&trigger.kind)));
        let lines: Vec<String> = fields.iter().map(written).collect();
        if !lines.is_empty() {
            parts.push(block(&lines));
        }
    }
    parts.join("\n")
}

fn clauses(each: Option<&EachInfo<'_>>, when: &[String]) -> Vec<String> {
    let mut parts = Vec::new();
    if let Some(each) = each {
        let (name, list) = (code(each.name), code(&each.list));
        parts.push(format!("Each {name} in {list}, at most {}\n", each.max));
    }
    if !when.is_empty() {
        parts.push(format!("When\n\n{}", block(when)));
    }
    parts
}

fn a_fuse(fuse: &FuseInfo<'_>, sensors: &[SensorInfo<'_>]) -> String {
    let mut parts = heading(3, "fuse", fuse.name, fuse.name, fuse.doc);
    parts.push(format!("Default: {}\n", if fuse.default_on { "on" } else { "off" }));
    let rules: Vec<_> = sensors
        .iter()
        .flat_map(|sensor| &sensor.rules)
        .filter(|rule| rule.requires.contains(&fuse.name))
        .map(rule_link)
        .collect();
    parts.push(match rules.as_slice() {
        [] => "No rule requires it.\n".to_owned(),
        rules => format!("Required by: {}\n", rules.join(", ")),
    });
    parts.join("\n")
}

fn a_definition(definition: &DefinitionInfo<'_>) -> String {
    let word = word(definition.kind);
    let mut parts = heading(3, word, definition.name, definition.name, definition.doc);
    parts.push(block(&outdented(&format!("{word} {}", definition.text))));
    parts.join("\n")
}

/// The lines of an indented text, moved left so that its last line starts at the margin.
fn outdented(text: &str) -> Vec<String> {
    let last = text.lines().last().unwrap_or_default();
    let indent = last.len() - last.trim_start().len();
    let line = |line: &str| line.strip_prefix(&" ".repeat(indent)).unwrap_or(line).to_owned();
    text.lines().map(line).collect()
}

fn written(field: &Written) -> String {
    format!("{}{} = {}", field.name, if field.optional { "?" } else { "" }, field.value)
}
