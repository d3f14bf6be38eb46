//! Builds models: small values for the variables of an event that meet all constraints, or a proof
//! that there are none.

use super::domain::{Automata, Bits, Domain, Pick};
use super::variables::{BODY, Id, Place, Places, Step};
use crate::types::{Record, Rest, Ty};
use crate::value::Value;

/// The result of building a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fit {
    /// No value meets the constraints.
    Never,
    Unsure,
    /// This value; `None` is absence.
    Value(Option<Value<'static>>),
}

/// How many values one event may have.
const MOST: usize = 5_000;
/// How many levels of a type are expanded.
const DEPTH: usize = 48;

pub(super) struct Fitter<'a> {
    pub(super) places: &'a Places,
    pub(super) automata: &'a mut Automata,
    left: usize,
}

/// The candidates that were tried, and whether any of them was inconclusive.
#[derive(Default)]
struct Tried {
    unsure: bool,
}

impl Tried {
    /// The value, if the result is one.
    fn of(&mut self, fit: Fit) -> Option<Fit> {
        match fit {
            Fit::Value(_) => return Some(fit),
            Fit::Unsure => self.unsure = true,
            Fit::Never => {}
        }
        None
    }

    fn none(&self) -> Fit {
        if self.unsure { Fit::Unsure } else { Fit::Never }
    }
}

impl<'a> Fitter<'a> {
    pub(super) fn new(places: &'a Places, automata: &'a mut Automata) -> Self {
        Self { places, automata, left: MOST }
    }

    /// A value for a variable, or for an unconstrained value if `id` is `None`. It conforms to the
    /// type if one is given.
    pub(super) fn fit(&mut self, id: Option<Id>, ty: Option<&Ty>, may_lack: bool) -> Fit {
        self.at(id, ty, may_lack, DEPTH)
    }

    fn at(&mut self, id: Option<Id>, ty: Option<&Ty>, may_lack: bool, depth: usize) -> Fit {
        let (Some(left), Some(depth)) = (self.left.checked_sub(1), depth.checked_sub(1)) else {
            return Fit::Unsure;
        };
        self.left = left;
        let ty = ty.filter(|ty| !ty.is_any());
        let place = id.and_then(|id| self.places.at(id));
        let domain = self.domain(place, ty, may_lack);
        if domain.is_none() {
            return Fit::Never;
        }
        let (mut map_inside, mut list_inside) = (false, false);
        for (_, child) in id.into_iter().flat_map(|id| self.places.children(id)) {
            let needed = !child.domain.may_be(Bits::ABSENT);
            match child.step {
                Step::Key(_) => map_inside |= needed,
                _ => list_inside |= needed,
            }
        }
        let plain = !map_inside && !list_inside;
        let mut tried = Tried::default();
        if plain && domain.may_be(Bits::ABSENT) {
            return Fit::Value(None);
        }
        let map = domain.may_be(Bits::MAP) && !list_inside;
        // Roots and elements with children are maps if they can be.
        let is_mostly_map = id == Some(BODY)
            || place.is_some_and(|place| !matches!(place.step, Step::Key(_)) || map_inside);
        if map
            && is_mostly_map
            && let Some(found) = tried.of(self.map(id, ty, depth))
        {
            return found;
        }
        if plain && let Some(found) = tried.of(self.scalar(&domain)) {
            return found;
        }
        if map
            && !is_mostly_map
            && let Some(found) = tried.of(self.map(id, ty, depth))
        {
            return found;
        }
        if domain.may_be(Bits::LIST)
            && !map_inside
            && let Some(found) = tried.of(self.list(id, ty, depth))
        {
            return found;
        }
        let strange = Bits::HUGE.or(Bits::FINE).or(Bits::SURROGATE).or(Bits::COMPUTED);
        tried.unsure |= plain && domain.may_be(strange);
        tried.none()
    }

    /// The domain of a variable, from all of its constraints.
    fn domain(&self, place: Option<&Place>, ty: Option<&Ty>, may_lack: bool) -> Domain {
        let mut domain = match place {
            Some(place) => (*place.domain).clone(),
            None => Domain::without(Bits::ABSENT.or(Bits::COMPUTED)),
        };
        if let Some(ty) = ty {
            let mut of_type = Domain::of_type(ty);
            of_type.bits = of_type.bits.or(Bits::ABSENT);
            domain = domain.and(&of_type);
        }
        if !may_lack {
            domain.bits = domain.bits.and(Bits::ABSENT.not());
        }
        domain
    }

    fn scalar(&mut self, domain: &Domain) -> Fit {
        let mut tried = Tried::default();
        match domain.texts.pick(self.automata) {
            Pick::One(text) => return Fit::Value(Some(Value::text(text.to_string()))),
            Pick::Unsure => tried.unsure = true,
            Pick::None => {}
        }
        match domain.numbers.pick(None) {
            Pick::One(number) => return Fit::Value(Some(Value::Number(number))),
            Pick::Unsure => tried.unsure = true,
            Pick::None => {}
        }
        let others = [
            (Bits::TRUE, Value::Bool(true)),
            (Bits::FALSE, Value::Bool(false)),
            (Bits::NULL, Value::Null),
        ];
        let other = others.into_iter().find(|(bit, _)| domain.may_be(*bit));
        other.map_or(tried.none(), |(_, value)| Fit::Value(Some(value)))
    }

    fn map(&mut self, id: Option<Id>, ty: Option<&Ty>, depth: usize) -> Fit {
        let Some(ty) = ty else { return self.record(id, None, depth) };
        let mut tried = Tried::default();
        for record in ty.structures().0 {
            if let Some(found) = tried.of(self.record(id, Some(record), depth)) {
                return found;
            }
        }
        tried.none()
    }

    /// A map with the fields of the type and the children of the variable.
    fn record(&mut self, id: Option<Id>, record: Option<&Record>, depth: usize) -> Fit {
        let children = id.into_iter().flat_map(|id| self.places.children(id));
        let asked: Vec<_> = children
            .filter_map(|(id, place)| match &place.step {
                Step::Key(key) => Some((key.clone(), id)),
                _ => None,
            })
            .collect();
        let mut entries = Vec::new();
        let mut unsure = false;
        let mut take = |key: &str, fit: Fit| {
            match fit {
                Fit::Never => return false,
                Fit::Unsure => unsure = true,
                Fit::Value(Some(value)) => entries.push((key.to_owned().into(), value)),
                Fit::Value(None) => {}
            }
            true
        };
        for (key, field) in record.into_iter().flat_map(|record| &record.fields) {
            let child = asked.iter().find(|(own, _)| own == key).map(|(_, id)| *id);
            if child.is_none() && field.optional {
                continue;
            }
            if !take(key, self.at(child, Some(&field.ty), field.optional, depth)) {
                return Fit::Never;
            }
        }
        for (key, child) in asked {
            let fit = match record.map(|record| (&record.rest, record.fields.get(&key))) {
                Some((_, Some(_))) => continue,
                Some((Rest::Each(ty), _)) => self.at(Some(child), Some(ty), true, depth),
                Some((Rest::Open, _)) | None => self.at(Some(child), None, true, depth),
                Some((Rest::Nothing, _)) => {
                    let may_lack =
                        self.places.at(child).is_some_and(|p| p.domain.may_be(Bits::ABSENT));
                    if may_lack { Fit::Value(None) } else { Fit::Never }
                }
            };
            if !take(&key, fit) {
                return Fit::Never;
            }
        }
        if unsure { Fit::Unsure } else { Fit::Value(Some(Value::Map(entries))) }
    }

    fn list(&mut self, id: Option<Id>, ty: Option<&Ty>, depth: usize) -> Fit {
        let Some(ty) = ty else { return self.elements(id, None, depth) };
        let mut tried = Tried::default();
        for element in ty.structures().1 {
            if let Some(found) = tried.of(self.elements(id, Some(element), depth)) {
                return found;
            }
        }
        tried.none()
    }

    /// A list with the required elements: those with known indices first, those counted from the
    /// end last.
    fn elements(&mut self, id: Option<Id>, ty: Option<&Ty>, depth: usize) -> Fit {
        let mut slots: Vec<Option<Id>> = Vec::new();
        let (mut from_end, mut free) = (Vec::new(), Vec::new());
        for (child, place) in id.into_iter().flat_map(|id| self.places.children(id)) {
            match place.step {
                Step::Element(_) => free.push(child),
                Step::Index(_) if place.domain.may_be(Bits::ABSENT) => {}
                Step::Index(index) => match usize::try_from(index) {
                    Ok(at) if at < DEPTH => {
                        slots.resize(slots.len().max(at + 1), None);
                        if let Some(slot) = slots.get_mut(at) {
                            *slot = Some(child);
                        }
                    }
                    Ok(_) => return Fit::Unsure,
                    Err(_) => from_end.push((index, child)),
                },
                Step::Key(_) | Step::Root => {}
            }
        }
        slots.extend(free.into_iter().map(Some));
        let least = from_end.iter().map(|(index, _)| *index).min().unwrap_or(0);
        if least < -(DEPTH as i64) {
            return Fit::Unsure;
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
                Fit::Never => return Fit::Never,
                Fit::Unsure => unsure = true,
                Fit::Value(value) => items.extend(value),
            }
        }
        if unsure { Fit::Unsure } else { Fit::Value(Some(Value::List(items))) }
    }
}
