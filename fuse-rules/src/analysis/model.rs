//! Builds models: small values for the variables of an event that meet all constraints, or a proof
//! that there are none.

use super::domain::{Automata, Bits, Domain, Pick};
use super::variables::{BODY, Variable, VariableId, VariableStep, Variables};
use crate::types::{Record, Rest, Ty};
use crate::value::Value;

/// The result of building a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum BuiltValue {
    /// No value meets the constraints.
    Never,
    Unsure,
    /// This value; `None` is absence.
    Value(Option<Value<'static>>),
}

/// How many values one event may have.
const MAX_VALUES: usize = 5_000;
/// How many levels of a type are expanded.
const MAX_TYPE_DEPTH: usize = 48;

pub(super) struct ModelBuilder<'a> {
    pub(super) variables: &'a Variables,
    pub(super) automata: &'a mut Automata,
    left: usize,
}

/// The candidates that were tried, and whether any of them was inconclusive.
#[derive(Default)]
struct Candidates {
    unsure: bool,
}

impl Candidates {
    /// The value, if the result is one.
    fn keep(&mut self, built: BuiltValue) -> Option<BuiltValue> {
        match built {
            BuiltValue::Value(_) => return Some(built),
            BuiltValue::Unsure => self.unsure = true,
            BuiltValue::Never => {}
        }
        None
    }

    fn none(&self) -> BuiltValue {
        if self.unsure { BuiltValue::Unsure } else { BuiltValue::Never }
    }
}

impl<'a> ModelBuilder<'a> {
    pub(super) fn new(variables: &'a Variables, automata: &'a mut Automata) -> Self {
        Self { variables, automata, left: MAX_VALUES }
    }

    /// A value for a variable, or for an unconstrained value if `id` is `None`. It conforms to the
    /// type if one is given.
    pub(super) fn build(
        &mut self,
        id: Option<VariableId>,
        ty: Option<&Ty>,
        may_be_absent: bool,
    ) -> BuiltValue {
        self.at(id, ty, may_be_absent, MAX_TYPE_DEPTH)
    }

    fn at(
        &mut self,
        id: Option<VariableId>,
        ty: Option<&Ty>,
        may_be_absent: bool,
        depth: usize,
    ) -> BuiltValue {
        let (Some(left), Some(depth)) = (self.left.checked_sub(1), depth.checked_sub(1)) else {
            return BuiltValue::Unsure;
        };
        self.left = left;
        let ty = ty.filter(|ty| !ty.is_any());
        let variable = id.and_then(|id| self.variables.at(id));
        let domain = self.domain(variable, ty, may_be_absent);
        if domain.is_none() {
            return BuiltValue::Never;
        }
        let (mut map_inside, mut list_inside) = (false, false);
        for (_, child) in id.into_iter().flat_map(|id| self.variables.children(id)) {
            let needed = !child.domain.may_be(Bits::ABSENT);
            match child.step {
                VariableStep::Key(_) => map_inside |= needed,
                _ => list_inside |= needed,
            }
        }
        let plain = !map_inside && !list_inside;
        let mut tried = Candidates::default();
        if plain && domain.may_be(Bits::ABSENT) {
            return BuiltValue::Value(None);
        }
        let map = domain.may_be(Bits::MAP) && !list_inside;
        // Roots and elements with children are maps if they can be.
        let is_mostly_map = id == Some(BODY)
            || variable.is_some_and(|variable| {
                !matches!(variable.step, VariableStep::Key(_)) || map_inside
            });
        if map
            && is_mostly_map
            && let Some(found) = tried.keep(self.map(id, ty, depth))
        {
            return found;
        }
        if plain && let Some(found) = tried.keep(self.scalar(&domain)) {
            return found;
        }
        if map
            && !is_mostly_map
            && let Some(found) = tried.keep(self.map(id, ty, depth))
        {
            return found;
        }
        if domain.may_be(Bits::LIST)
            && !map_inside
            && let Some(found) = tried.keep(self.list(id, ty, depth))
        {
            return found;
        }
        let strange = Bits::HUGE.or(Bits::FINE).or(Bits::SURROGATE);
        tried.unsure |= plain && (domain.may_be(strange) || domain.may_be_computed());
        tried.none()
    }

    /// The domain of a variable, from all of its constraints.
    fn domain(&self, variable: Option<&Variable>, ty: Option<&Ty>, may_be_absent: bool) -> Domain {
        let mut domain = match variable {
            Some(variable) => (*variable.domain).clone(),
            None => Domain::json_without(Bits::ABSENT),
        };
        if let Some(ty) = ty {
            let mut of_type = Domain::from_type(ty);
            of_type.bits = of_type.bits.or(Bits::ABSENT);
            domain = domain.and(&of_type);
        }
        if !may_be_absent {
            domain.bits = domain.bits.and(Bits::ABSENT.not());
        }
        domain
    }

    fn scalar(&mut self, domain: &Domain) -> BuiltValue {
        let mut tried = Candidates::default();
        match domain.texts.pick(self.automata) {
            Pick::One(text) => return BuiltValue::Value(Some(Value::text(text.to_string()))),
            Pick::Unsure => tried.unsure = true,
            Pick::None => {}
        }
        match domain.numbers.pick(None) {
            Pick::One(number) => return BuiltValue::Value(Some(Value::Number(number))),
            Pick::Unsure => tried.unsure = true,
            Pick::None => {}
        }
        let others = [
            (Bits::TRUE, Value::Bool(true)),
            (Bits::FALSE, Value::Bool(false)),
            (Bits::NULL, Value::Null),
        ];
        let other = others.into_iter().find(|(bit, _)| domain.may_be(*bit));
        other.map_or(tried.none(), |(_, value)| BuiltValue::Value(Some(value)))
    }

    fn map(&mut self, id: Option<VariableId>, ty: Option<&Ty>, depth: usize) -> BuiltValue {
        let Some(ty) = ty else { return self.record(id, None, depth) };
        let mut tried = Candidates::default();
        for record in ty.structures().0 {
            if let Some(found) = tried.keep(self.record(id, Some(record), depth)) {
                return found;
            }
        }
        tried.none()
    }

    /// A map with the fields of the type and the children of the variable.
    fn record(
        &mut self,
        id: Option<VariableId>,
        record: Option<&Record>,
        depth: usize,
    ) -> BuiltValue {
        let children = id.into_iter().flat_map(|id| self.variables.children(id));
        let asked: Vec<_> = children
            .filter_map(|(id, variable)| match &variable.step {
                VariableStep::Key(key) => Some((key.clone(), id)),
                _ => None,
            })
            .collect();
        let mut entries = Vec::new();
        let mut unsure = false;
        let mut take = |key: &str, built: BuiltValue| {
            match built {
                BuiltValue::Never => return false,
                BuiltValue::Unsure => unsure = true,
                BuiltValue::Value(Some(value)) => entries.push((key.to_owned().into(), value)),
                BuiltValue::Value(None) => {}
            }
            true
        };
        for (key, field) in record.into_iter().flat_map(|record| &record.fields) {
            let child = asked.iter().find(|(own, _)| own == key).map(|(_, id)| *id);
            if child.is_none() && field.optional {
                continue;
            }
            if !take(key, self.at(child, Some(&field.ty), field.optional, depth)) {
                return BuiltValue::Never;
            }
        }
        for (key, child) in asked {
            let built = match record.map(|record| (&record.rest, record.fields.get(&key))) {
                Some((_, Some(_))) => continue,
                Some((Rest::Each(ty), _)) => self.at(Some(child), Some(ty), true, depth),
                Some((Rest::Open, _)) | None => self.at(Some(child), None, true, depth),
                Some((Rest::Nothing, _)) => {
                    let may_be_absent =
                        self.variables.at(child).is_some_and(|p| p.domain.may_be(Bits::ABSENT));
                    if may_be_absent { BuiltValue::Value(None) } else { BuiltValue::Never }
                }
            };
            if !take(&key, built) {
                return BuiltValue::Never;
            }
        }
        if unsure { BuiltValue::Unsure } else { BuiltValue::Value(Some(Value::Map(entries))) }
    }

    fn list(&mut self, id: Option<VariableId>, ty: Option<&Ty>, depth: usize) -> BuiltValue {
        let Some(ty) = ty else { return self.elements(id, None, depth) };
        let mut tried = Candidates::default();
        for element in ty.structures().1 {
            if let Some(found) = tried.keep(self.elements(id, Some(element), depth)) {
                return found;
            }
        }
        tried.none()
    }

    /// A list with the required elements: those with known indices first, those counted from the
    /// end last.
    fn elements(&mut self, id: Option<VariableId>, ty: Option<&Ty>, depth: usize) -> BuiltValue {
        let mut slots: Vec<Option<VariableId>> = Vec::new();
        let (mut from_end, mut free) = (Vec::new(), Vec::new());
        for (child, variable) in id.into_iter().flat_map(|id| self.variables.children(id)) {
            match variable.step {
                VariableStep::Element(_) => free.push(child),
                VariableStep::Index(_) if variable.domain.may_be(Bits::ABSENT) => {}
                VariableStep::Index(index) => match usize::try_from(index) {
                    Ok(at) if at < MAX_TYPE_DEPTH => {
                        slots.resize(slots.len().max(at + 1), None);
                        if let Some(slot) = slots.get_mut(at) {
                            *slot = Some(child);
                        }
                    }
                    Ok(_) => return BuiltValue::Unsure,
                    Err(_) => from_end.push((index, child)),
                },
                VariableStep::Key(_) | VariableStep::Root => {}
            }
        }
        slots.extend(free.into_iter().map(Some));
        let least = from_end.iter().map(|(index, _)| *index).min().unwrap_or(0);
        if least < -(MAX_TYPE_DEPTH as i64) {
            return BuiltValue::Unsure;
        }
        slots.extend(
            (least..0).map(|index| {
                from_end.iter().find(|(own, _)| *own == index).map(|(_, child)| *child)
            }),
        );
        let mut items = Vec::new();
        let mut unsure = false;
        for slot in slots {
            match self.at(slot, ty, false, depth) {
                BuiltValue::Never => return BuiltValue::Never,
                BuiltValue::Unsure => unsure = true,
                BuiltValue::Value(value) => items.extend(value),
            }
        }
        if unsure { BuiltValue::Unsure } else { BuiltValue::Value(Some(Value::List(items))) }
    }
}
