//! Prints plans as text.

use std::fmt::Write as _;

use rustc_hash::FxHashMap;

use super::atom::{AtomTest, Constant, SlotRef};
use super::index::{self, Access};
use super::program::{NodeKind, PartRef, Programs};
use super::{Compiled, EachPlan, EventPlan, Frames, LetPlan, RuleAt};
use crate::typed::{Mapped, MappedValue, Reference, Shown};

/// The complete plan.
pub(crate) fn listing(plan: &Compiled) -> String {
    let mut events: Vec<_> = plan.events.iter().collect();
    events.sort_by_key(|(names, _)| *names);
    let mut out = String::new();
    // Writing to a string cannot fail.
    for ((source, name), event) in events {
        let _ok = writeln!(out, "event {source}.{name}");
        for (field, expr) in &event.expressions {
            let _ok = writeln!(out, "  {field} = {}", Shown(expr));
        }
        frames(&mut out, &event.frames);
        for own in &event.lets {
            let LetPlan { name, level, value } = own;
            let _ok = writeln!(out, "  let {name} = {value}, once per f{level}");
        }
        programs(&mut out, &event.programs);
        let found = Found::new(event);
        for (number, sensor) in (0..).zip(event.sensors_and_cancellers()) {
            let cancels = sensor.rules.iter().any(|rule| rule.cancels);
            let what = if cancels { "unless of" } else { "sensor" };
            let _ok = writeln!(out, "  {what} {}", sensor.name);
            each(&mut out, "    ", sensor.each.as_ref());
            let _ok = writeln!(out, "    when {}", part(sensor.condition));
            for (index, rule) in (0..).zip(&sensor.rules) {
                let _ok = writeln!(out, "    rule {}", rule.name);
                let by = found.by(RuleAt { sensor: number, rule: index });
                let _ok = writeln!(out, "      found by {by}");
                let fuses = rule.gates.iter().filter_map(|index| plan.fuses.get(*index));
                for fuse in fuses {
                    let _ok = writeln!(out, "      requires {}", fuse.name);
                }
                each(&mut out, "      ", rule.each.as_deref());
                let _ok = writeln!(out, "      when {}", part(rule.condition));
                for clause in &rule.flow {
                    let keys: Vec<_> =
                        clause.keys.iter().map(|key| Shown(key).to_string()).collect();
                    let _ok = writeln!(out, "      {}", clause.text(&keys));
                }
                if rule.is_shadow {
                    out.push_str("      shadow\n");
                }
                for trigger in &rule.triggers {
                    let _ok = writeln!(out, "      trigger {}", trigger.kind);
                    fields(&mut out, &trigger.fields);
                }
            }
        }
    }
    out
}

/// The values that are extracted from the body: `frame 1, of the elements of frame 0 slot 2`.
fn frames(out: &mut String, frames: &Frames) {
    for (i, group) in frames.groups.iter().enumerate() {
        let of = match group.list {
            Some((group, slot)) => format!(", the elements of f{group}.s{slot}"),
            None if i == 0 => ", the event".into(),
            None => ", the elements of a computed list".into(),
        };
        let _ok = writeln!(out, "  frame {i}{of}");
        for (i, slot) in group.slots.iter().enumerate() {
            let _ok = writeln!(out, "    slot {i}: {}", slot.text);
        }
    }
}

/// The parts of all conditions without duplicates. Parts that are evaluated once per frame are
/// marked.
fn programs(out: &mut String, programs: &Programs) {
    for (i, node) in programs.nodes().iter().enumerate() {
        let list =
            |parts: &[PartRef]| parts.iter().map(|p| part(*p)).collect::<Vec<_>>().join(", ");
        let what = match &node.kind {
            NodeKind::All(parts) if parts.is_empty() => "always".into(),
            NodeKind::All(parts) => format!("all({})", list(parts)),
            NodeKind::Any(parts) => format!("any({})", list(parts)),
            NodeKind::Choice(choice) => format!(
                "if {} then {} else {}",
                part(choice.condition),
                part(choice.chosen),
                part(choice.otherwise)
            ),
            NodeKind::Test(test) => shown_test(test),
            NodeKind::Among(among) => format!(
                "any element of {}, as f{}, has {}",
                shown_at(among.list),
                among.level,
                part(among.part)
            ),
        };
        let once = if node.memo.is_some() { ", once per frame" } else { "" };
        let _ok = writeln!(out, "  part {i}: {what}{once}");
    }
}

fn part(part: PartRef) -> String {
    format!("{}p{}", if part.negated { "not " } else { "" }, part.node)
}

fn shown_at(at: SlotRef) -> String {
    format!("f{}.s{}", at.level, at.slot)
}

fn shown_const(value: &Constant) -> String {
    match value {
        Constant::Null => "null".into(),
        Constant::Bool(value) => value.to_string(),
        Constant::Number(number) => number.to_string(),
        Constant::Text(text) => format!("{text:?}"),
    }
}

/// Paths are shown as level and slot.
fn shown_test(test: &AtomTest) -> String {
    let of = |at: &SlotRef, rest: String| format!("{} {rest}", shown_at(*at));
    match test {
        AtomTest::Equal(at, value) => of(at, format!("== {}", shown_const(value))),
        AtomTest::Less(at, than) => of(at, format!("< {than}")),
        AtomTest::Greater(at, than) => of(at, format!("> {than}")),
        AtomTest::OneOf(at, list) => {
            let list: Vec<_> = list.iter().map(shown_const).collect();
            of(at, format!("in [{}]", list.join(", ")))
        }
        AtomTest::Text(at, op, text) => of(at, format!("{} {text:?}", op.as_str())),
        AtomTest::Pattern(at, pattern) => {
            of(at, format!("{} {:?}", pattern.op.as_str(), pattern.source))
        }
        AtomTest::Is(at, test) => of(at, format!("is {}", test.as_str())),
        AtomTest::Expr(_, expr) => Shown(expr).to_string(),
    }
}

/// The values of events that find each rule.
struct Found<'p> {
    event: &'p EventPlan,
    rules: Vec<(RuleAt, Option<Vec<Access>>)>,
    /// The constants, by their hashes.
    constants: FxHashMap<u64, String>,
}

impl<'p> Found<'p> {
    fn new(event: &'p EventPlan) -> Self {
        let mut constants = FxHashMap::default();
        for node in event.programs.nodes() {
            let values = match &node.kind {
                NodeKind::Test(AtomTest::Equal(_, value)) => std::slice::from_ref(value),
                NodeKind::Test(AtomTest::OneOf(_, list)) => list,
                _ => &[],
            };
            constants.extend(values.iter().map(|value| (value.hash(), shown_const(value))));
        }
        Self { event, rules: index::chosen(event), constants }
    }

    fn by(&self, rule: RuleAt) -> String {
        if self.event.walked.contains(&rule) {
            return "nothing: its list is computed, so it is always decided".into();
        }
        let at = self.rules.binary_search_by_key(&rule, |(at, _)| *at);
        match at.ok().and_then(|at| self.rules.get(at)) {
            Some((_, Some(accesses))) if accesses.is_empty() => "nothing: it cannot fire".into(),
            Some((_, Some(accesses))) => {
                accesses.iter().map(|one| self.access(one)).collect::<Vec<_>>().join(", or ")
            }
            _ => "nothing: it is always decided".into(),
        }
    }

    fn access(&self, access: &Access) -> String {
        match access {
            Access::Equal(at, hash) => self.equal(*at, *hash),
            Access::Together(all, _) => {
                let all: Vec<_> = all.iter().map(|(at, hash)| self.equal(*at, *hash)).collect();
                all.join(" together with ")
            }
            Access::Within(at, interval) => interval.show().replacen('_', &shown_at(*at), 1),
            Access::Among(at, _, inner) => {
                format!("an element of {} with {}", shown_at(*at), self.access(inner))
            }
            Access::Prefix(at, text) => format!("the start {text:?} of {}", shown_at(*at)),
            Access::Suffix(at, text) => format!("the end {text:?} of {}", shown_at(*at)),
            Access::Contains(at, text) => format!("the part {text:?} of {}", shown_at(*at)),
            Access::Is(at, state) => format!("{} being {}", shown_at(*at), state.show()),
        }
    }

    fn equal(&self, at: SlotRef, hash: u64) -> String {
        // Constants of patterns do not occur in a comparison.
        let value = self.constants.get(&hash).map_or("a text of its pattern", String::as_str);
        format!("{} == {value}", shown_at(at))
    }
}

fn each(out: &mut String, indent: &str, each: Option<&EachPlan>) {
    if let Some(each) = each {
        let (list, group) = (Shown(&each.list), each.group);
        let _ok =
            writeln!(out, "{indent}each {} in {list} max {}, frame {group}", each.name, each.max);
    }
}

fn fields<P: Reference>(out: &mut String, fields_of: &[Mapped<P>]) {
    for field in fields_of {
        match &field.value {
            MappedValue::Block(inner) => fields(out, inner),
            MappedValue::Expr(expr, _) => {
                let mark = if field.optional { "?" } else { "" };
                let _ok = writeln!(out, "        {}{mark} = {}", field.name, Shown(expr));
            }
        }
    }
}
