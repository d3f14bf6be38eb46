//! `overlapping-rules`

use rustc_hash::FxHashMap;

use crate::lint::context::{Findings, LintContext};
use crate::lint::facts::shown;
use crate::lint::{Level, Lint, Pass};
use crate::typed::Shown;
use crate::typed::{EventName, Mapped, MappedValue, Trigger};

pub(super) static PASS: Pass = Pass {
    lint: Lint {
        name: "overlapping-rules",
        title: "two rules that change the same object for the same event",
        level: Level::Warn,
        page: include_str!("../../../lints/overlapping-rules.md"),
    },
    check,
};

/// The most rules that are compared with each other for one object.
const MAX_RULES_PER_OBJECT: usize = 40;

fn check(context: &LintContext<'_>, out: &mut Findings) {
    let mut facts = context.facts();
    // The rules that change an object, by event and object.
    let mut acting: FxHashMap<(&EventName, String), Vec<usize>> = FxHashMap::default();
    let all = facts.rules.iter().enumerate();
    for (number, rule) in all.filter(|(_, rule)| !rule.placed.rule.is_shadow) {
        let sensor = rule.placed.sensor;
        for object in rule.placed.rule.triggers.iter().filter_map(object) {
            for event in &sensor.events {
                let numbers = acting.entry((event, object.clone())).or_default();
                if numbers.last() != Some(&number) {
                    numbers.push(number);
                }
            }
        }
    }
    let mut pairs: Vec<(usize, usize)> = acting
        .values()
        .flat_map(|numbers| {
            let all = numbers.iter().take(MAX_RULES_PER_OBJECT).enumerate();
            all.flat_map(|(i, a)| {
                numbers.iter().take(MAX_RULES_PER_OBJECT).skip(i + 1).map(|b| (*a, *b))
            })
        })
        .collect();
    pairs.sort_unstable();
    pairs.dedup();
    for (first, second) in pairs {
        let Some(witness) = facts.common_event(first, second) else { continue };
        let (Some(a), Some(b)) = (facts.rules.get(first), facts.rules.get(second)) else {
            continue;
        };
        let message = format!(
            "rules `{}` and `{}` change the same object for the same event",
            a.name(),
            b.name()
        );
        let event = shown(&witness);
        out.add(b.span(), message, |problem| {
            problem
                .label("changes the same object")
                .related(a.span(), "as this rule")
                .help(format!("make their conditions mutually exclusive; both match {event}"))
        });
    }
}

/// The identity of the object that a trigger changes; `None` if its name is generated.
fn object(trigger: &Trigger) -> Option<String> {
    let field = |name: &str| {
        let field = trigger.fields.iter().find(|field: &&Mapped| field.key == name)?;
        match &field.value {
            MappedValue::Expr(expr, _) => Some(Shown(expr).to_string()),
            MappedValue::Block(_) => None,
        }
    };
    let name = field("name").filter(|name| name != "null")?;
    let kind = field("kind")?;
    // All versions of an API group have the same objects.
    let api = field("api-version").unwrap_or_default();
    let group = api.rsplit_once('/').map_or("", |(group, _)| group);
    let namespace = field("namespace").unwrap_or_default();
    Some(format!("{} {group} {kind} {namespace} {name}", trigger.kind))
}
