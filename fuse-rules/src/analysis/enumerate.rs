//! Enumerates values for opaque expressions (those that the analysis does not model), and keeps
//! those for which evaluation confirms the result.

use jiff::{SignedDuration, Timestamp};

use super::domain::{Automata, Bits, Domain, NumberSet, Pick, TextSet};
use super::goal::{Constraint, SearchState};
use super::quantifiers;
use super::truths::Truths;
use super::variables::VariableId;
use super::witness::Witness;
use crate::number::Number;
use crate::reference::{self, WorkBudget};
use crate::typed::{Expr, ExprKind, Root};
use crate::value::Value;

/// How many values of one variable are tried.
const MAX_TRIED_VALUES: usize = 40;
/// How many elements of a list are tried as sources for the other values that an expression reads.
const MAX_TRIED_ELEMENTS: usize = 8;

/// Makes the event of a state, and the elements that the scope binds in it.
pub(super) type MakeEvent<'a> = &'a mut dyn FnMut(
    &SearchState<'_>,
    &[VariableId],
    &mut Automata,
) -> Option<(Box<Witness>, Vec<Value<'static>>)>;

pub(super) struct Enumerator<'a> {
    pub(super) automata: &'a mut Automata,
    pub(super) event_name: (&'a str, &'a str),
    pub(super) make_event: MakeEvent<'a>,
    /// How many more events may be made.
    pub(super) tries: usize,
    /// The remaining work, if it is bounded.
    pub(super) budget: Option<&'a WorkBudget>,
    /// The body that is being changed, whose values are also tried elsewhere.
    pub(super) body: Option<&'a Value<'static>>,
}

impl Enumerator<'_> {
    /// The state, with its variables narrowed until the opaque expressions have the wanted truths,
    /// as far as such values were found.
    pub(super) fn narrow_opaque<'r>(&mut self, state: &SearchState<'r>) -> SearchState<'r> {
        let mut state = state.clone();
        // An expression that reads one variable has fewer solutions than one that compares two.
        let mut opaque = state.opaque.clone();
        opaque.sort_by_cached_key(|constraint| read(&mut state, constraint).len());
        // A later choice may invalidate an earlier one.
        for _ in 0..2 {
            let mut all = true;
            for constraint in &opaque {
                if self.meets(&state, constraint) {
                    continue;
                }
                match self.narrowed(&state, constraint) {
                    Some(next) => state = next,
                    None => all = false,
                }
            }
            if all {
                break;
            }
        }
        state
    }

    fn narrowed<'r>(
        &mut self,
        state: &SearchState<'r>,
        constraint: &Constraint<'r>,
    ) -> Option<SearchState<'r>> {
        let mut state = state.clone();
        let ids = read(&mut state, constraint);
        for (id, value) in self.others(&state, &ids, &constraint.scope) {
            if let Some(next) = self.with(&state, &[(id, &Domain::from_value(&value))], constraint)
            {
                return Some(next);
            }
        }
        let values = candidates(constraint.expr);
        let choices: Vec<Vec<Domain>> =
            ids.iter().map(|id| self.choices(&state, *id, &values)).collect();
        // One variable at a time first, then two at once.
        for (id, choices) in ids.iter().zip(&choices) {
            for choice in choices {
                if let Some(next) = self.with(&state, &[(*id, choice)], constraint) {
                    return Some(next);
                }
            }
        }
        for (at, (one, of_one)) in ids.iter().zip(&choices).enumerate() {
            for (other, of_other) in ids.iter().zip(&choices).skip(at + 1) {
                for first in of_one.iter().take(12) {
                    for second in of_other.iter().take(12) {
                        let both = [(*one, first), (*other, second)];
                        if let Some(next) = self.with(&state, &both, constraint) {
                            return Some(next);
                        }
                    }
                }
            }
        }
        None
    }

    /// For each variable, the values that the others have: in the original body first, then in the
    /// changed one. Making two values equal takes only one change.
    fn others(
        &mut self,
        state: &SearchState<'_>,
        ids: &[VariableId],
        scope: &[VariableId],
    ) -> Vec<(VariableId, Value<'static>)> {
        let mut found = Vec::new();
        let Some(body) = self.body.filter(|_| ids.len() > 1) else { return found };
        let made = (self.make_event)(state, scope, self.automata).map(|(event, _)| event.body);
        for body in std::iter::once(body).chain(&made) {
            for id in ids {
                for other in ids.iter().filter(|other| *other != id) {
                    let values = match quantifiers::value(body, *other, &state.variables) {
                        Some(Value::List(items)) => {
                            items.get(..MAX_TRIED_ELEMENTS).unwrap_or(items)
                        }
                        value => value.map(std::slice::from_ref).unwrap_or_default(),
                    };
                    for value in values {
                        if found.len() == MAX_TRIED_VALUES {
                            return found;
                        }
                        let choice = (*id, value.clone());
                        if !matches!(value, Value::List(_) | Value::Map(_))
                            && !found.contains(&choice)
                        {
                            found.push(choice);
                        }
                    }
                }
            }
        }
        found
    }

    fn with<'r>(
        &mut self,
        state: &SearchState<'r>,
        choices: &[(VariableId, &Domain)],
        constraint: &Constraint<'r>,
    ) -> Option<SearchState<'r>> {
        let mut next = state.clone();
        if !choices.iter().all(|(id, domain)| next.variables.restrict(*id, domain)) {
            return None;
        }
        self.meets(&next, constraint).then_some(next)
    }

    /// Whether the expression has one of its wanted truths for the event of the state.
    fn meets(&mut self, state: &SearchState<'_>, constraint: &Constraint<'_>) -> bool {
        let Some(left) = self.tries.checked_sub(1) else { return false };
        self.tries = left;
        let Some((witness, elements)) = (self.make_event)(state, &constraint.scope, self.automata)
        else {
            return false;
        };
        let truth = witness.world(self.event_name, self.budget, |world| {
            Truths::from_truth(&reference::truth(world, elements.clone(), constraint.expr))
        });
        truth.is_some_and(|truth| constraint.want.has(truth))
    }

    /// The values of a variable that are worth a try, each as a domain.
    fn choices(
        &mut self,
        state: &SearchState<'_>,
        id: VariableId,
        values: &[Value<'static>],
    ) -> Vec<Domain> {
        let Some(variable) = state.variables.at(id) else { return Vec::new() };
        let mut choices = Vec::new();
        if let Pick::One(text) = variable.domain.texts.pick(self.automata) {
            choices.push(Domain::texts(TextSet::only([text])));
        }
        if let Pick::One(number) = variable.domain.numbers.pick(None) {
            choices.push(Domain::numbers(NumberSet::only(number)));
        }
        let fitting = values.iter().filter(|value| variable.domain.has(Some(value)));
        choices.extend(fitting.map(Domain::from_value));
        let bits = [Bits::ABSENT, Bits::NULL, Bits::TRUE, Bits::FALSE, Bits::LIST, Bits::MAP];
        choices
            .extend(bits.into_iter().filter(|bit| variable.domain.may_be(*bit)).map(Domain::bits));
        choices.truncate(MAX_TRIED_VALUES);
        choices
    }
}

/// The variables that an expression reads, without repetition and without elements that it binds
/// itself.
fn read(state: &mut SearchState<'_>, constraint: &Constraint<'_>) -> Vec<VariableId> {
    let mut paths = Vec::new();
    constraint.expr.references(&mut |path| {
        let inner = match path.root {
            Root::Element(level) => level as usize >= constraint.scope.len(),
            _ => false,
        };
        if !inner {
            paths.push(path);
        }
    });
    let mut ids = Vec::new();
    for path in paths {
        if let Some(id) = state.variables.get_or_add(path, &constraint.scope)
            && !ids.contains(&id)
        {
            ids.push(id);
        }
    }
    ids
}

/// Values close to the constants of an expression, and simple ones of every kind.
fn candidates(expr: &Expr) -> Vec<Value<'static>> {
    let mut found = Vec::new();
    constants(expr, &mut |value| near(value, &mut found));
    let texts = [
        "a",
        "1",
        "A",
        "2026-01-01T00:00:00Z",
        "5m",
        "1.2.3",
        "https://example.com/a?b=c",
        "10.0.0.1",
        "dGV4dA==",
        "{}",
        "a,b",
        "",
    ];
    found.extend(texts.map(Value::text));
    for number in ["0", "1", "2", "10", "-1", "1.5", "100"] {
        found.extend(Number::parse(number).ok().map(Value::Number));
    }
    let mut kept: Vec<Value<'static>> = Vec::new();
    for value in found {
        if !kept.contains(&value) {
            kept.push(value);
        }
    }
    kept
}

fn constants(expr: &Expr, visit: &mut dyn FnMut(&Value<'static>)) {
    match &expr.kind {
        ExprKind::Const(Value::List(items)) => items.iter().for_each(&mut *visit),
        ExprKind::Const(value) => visit(value),
        ExprKind::Pattern { pattern, .. } => visit(&Value::text(pattern.source.clone())),
        _ => {}
    }
    for child in expr.children() {
        constants(child, visit);
    }
}

fn near(value: &Value<'static>, found: &mut Vec<Value<'static>>) {
    match value {
        Value::Number(number) => {
            let one = Number::from(1);
            let around = [Some(*number), number.add(one), number.sub(one)];
            found.extend(around.iter().flatten().map(|number| Value::Number(*number)));
            found.extend(around.iter().flatten().map(|number| Value::text(number.to_string())));
            if let Some(count) =
                number.to_i64().and_then(|n| usize::try_from(n).ok()).filter(|n| *n < 200)
            {
                found.extend([count, count + 1].map(|count| Value::text("a".repeat(count))));
            }
        }
        Value::String(text) => {
            found.push(value.clone());
            found.push(Value::text(text.to_uppercase()));
            found.push(Value::text(format!("{text}x")));
            found.extend(
                text.char_indices()
                    .map(|(at, _)| text.get(at..).unwrap_or(""))
                    .take(8)
                    .map(|tail| Value::text(tail.to_owned())),
            );
            found.extend(Number::parse(text).ok().map(Value::Number));
        }
        Value::Duration(duration) => {
            let received: Timestamp =
                "2026-01-01T00:00:00Z".parse().unwrap_or(Timestamp::UNIX_EPOCH);
            for shift in [-60, 60] {
                let shifted = duration.checked_add(SignedDuration::from_secs(shift));
                let Some(shifted) = shifted else { continue };
                found.extend(
                    [received.checked_sub(shifted), received.checked_add(shifted)]
                        .into_iter()
                        .flatten()
                        .map(|time| Value::text(time.to_string())),
                );
                found.extend(
                    Value::Duration(shifted).canonical().map(|text| Value::text(text.into_owned())),
                );
            }
            found.extend(value.canonical().map(|text| Value::text(text.into_owned())));
        }
        Value::Time(time) => {
            for shift in [0, -60, 60] {
                let shifted = time.checked_add(SignedDuration::from_secs(shift));
                found.extend(shifted.ok().map(|time| Value::text(time.to_string())));
            }
        }
        Value::Version(version) => {
            let mut next = (**version).clone();
            next.patch = next.patch.saturating_add(1);
            found.extend(
                [version.to_string(), next.to_string(), "0.0.1".to_owned()].map(Value::text),
            );
        }
        Value::Bool(_) => found.push(value.clone()),
        _ => {}
    }
}
