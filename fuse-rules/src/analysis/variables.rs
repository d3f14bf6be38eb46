//! Variables: the values of an event, as a tree, each with its domain.

use std::rc::Rc;
use std::sync::Arc;

use super::domain::{Bits, Domain, Test, Texts};
use crate::typed::{Path, Root, Segment};
use crate::types::{Format, Known, Missing, Ty};

/// The index of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Id(pub(super) usize);

pub(super) const BODY: Id = Id(0);
pub(super) const HEADERS: Id = Id(1);
pub(super) const QUERY: Id = Id(2);
pub(super) const EVENT: Id = Id(3);

/// The variables of the elements that the binders around an expression bind, outermost first.
pub(super) type Scope = Rc<[Id]>;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    Root,
    Key(Arc<str>),
    Index(i64),
    /// Some element of the list, at an unknown position.
    Element(usize),
}

#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) parent: Option<Id>,
    pub(super) step: Step,
    pub(super) children: Vec<Id>,
    pub(super) domain: Rc<Domain>,
    /// Whether a binder has bound this element.
    pub(super) bound: bool,
    /// Whether the value is, or is inside of, something computed. Computed values can be of kinds
    /// that no event has.
    computed: bool,
    /// Its declared type, if the event must conform to its type.
    known: Option<Rc<Known>>,
}

#[derive(Clone, Debug)]
pub(super) struct Places {
    all: Vec<Place>,
}

impl Places {
    /// The variables of an event, by source and name. The body has this type if one is given.
    pub(super) fn new(ty: Option<&Ty>, source: &str, name: &str) -> Self {
        let mut places = Self { all: Vec::new() };
        let present = Domain::without(Bits::ABSENT.or(Bits::COMPUTED));
        let body = ty.map_or_else(|| present.clone(), Domain::of_type);
        places.add(None, Step::Root, body, ty.map(|ty| Rc::new(Known::present(ty.clone()))));
        for _ in [HEADERS, QUERY, EVENT] {
            places.add(None, Step::Root, Domain::bits(Bits::MAP), None);
        }
        let text = |text: &str| Domain::texts(Texts::only([text.into()]));
        let time = Texts::all().tested(Test::Type(Ty::format(Format::Timestamp).into()), true);
        for (key, domain) in [
            ("source", text(source)),
            ("name", text(name)),
            ("id", Domain::texts(Texts::all())),
            ("time", Domain::texts(time)),
        ] {
            places.add(Some(EVENT), Step::Key(key.into()), domain, None);
        }
        places
    }

    fn add(
        &mut self,
        parent: Option<Id>,
        step: Step,
        domain: Domain,
        known: Option<Rc<Known>>,
    ) -> Id {
        let id = Id(self.all.len());
        let computed = domain.may_be(Bits::COMPUTED);
        let (children, domain) = (Vec::new(), Rc::new(domain));
        self.all.push(Place { parent, step, children, domain, bound: false, computed, known });
        if let Some(parent) = parent.and_then(|parent| self.all.get_mut(parent.0)) {
            parent.children.push(id);
        }
        id
    }

    /// An element of a computed list, which can be any value that is present.
    pub(super) fn detached(&mut self) -> Id {
        self.add(None, Step::Root, Domain::without(Bits::ABSENT), None)
    }

    pub(super) fn at(&self, id: Id) -> Option<&Place> {
        self.all.get(id.0)
    }

    /// The type of the value, if the event must conform to its type.
    pub(super) fn ty(&self, id: Id) -> Option<Ty> {
        self.at(id)?.known.as_ref().map(|known| known.ty.clone())
    }

    pub(super) fn children(&self, id: Id) -> impl Iterator<Item = (Id, &Place)> {
        let children = self.at(id).map_or(&[][..], |place| &place.children);
        children.iter().filter_map(|id| Some((*id, self.at(*id)?)))
    }

    /// The elements of a list that a binder has bound.
    pub(super) fn elements(&self, list: Id) -> Vec<Id> {
        self.children(list).filter(|(_, place)| place.bound).map(|(id, _)| id).collect()
    }

    /// The variable where a path starts, and the remaining steps.
    fn start<'p>(path: &'p Path, scope: &[Id]) -> Option<(Id, &'p [Segment])> {
        let id = match path.root {
            Root::Body => BODY,
            Root::Headers => HEADERS,
            Root::Query => QUERY,
            Root::Event => EVENT,
            Root::Element(level) => *scope.get(usize::try_from(level).ok()?)?,
        };
        Some((id, &path.segments))
    }

    /// The variable of a path, if there is already a constraint on it.
    pub(super) fn find(&self, path: &Path, scope: &[Id]) -> Option<Id> {
        let (mut at, segments) = Self::start(path, scope)?;
        for segment in segments {
            let (from, step) = step(at, segment);
            at = self.child(from, &step)?;
        }
        Some(at)
    }

    fn child(&self, id: Id, step: &Step) -> Option<Id> {
        self.children(id).find(|(_, place)| place.step == *step).map(|(id, _)| id)
    }

    /// The variable of a path; `None` if the path starts at an element that is not bound here.
    pub(super) fn of(&mut self, path: &Path, scope: &[Id]) -> Option<Id> {
        let (at, segments) = Self::start(path, scope)?;
        Some(segments.iter().fold(at, |at, segment| self.step(at, segment)))
    }

    /// The variable that a step of a path leads to.
    pub(super) fn step(&mut self, at: Id, segment: &Segment) -> Id {
        let (from, step) = step(at, segment);
        self.inside(from, step)
    }

    /// The variable that a step leads to.
    pub(super) fn inside(&mut self, from: Id, step: Step) -> Id {
        if let Some(known) = self.child(from, &step) {
            return known;
        }
        let Some(parent) = self.at(from) else { return from };
        let (mut domain, known) = match (from, &step) {
            (HEADERS | QUERY, _) => {
                (Domain { bits: Bits::ABSENT, ..Domain::texts(Texts::all()) }, None)
            }
            _ => match parent.known.clone() {
                None => (Domain::all(), None),
                Some(known) => inside_of_type(&known, &step),
            },
        };
        if parent.computed {
            domain.bits = domain.bits.or(Bits::COMPUTED);
        }
        let around = match step {
            Step::Key(_) => Bits::MAP,
            _ => Bits::LIST,
        };
        if matches!(step, Step::Element(_)) {
            domain.bits = domain.bits.and(Bits::ABSENT.not());
        } else if !parent.domain.may_be(around) {
            domain = Domain::bits(Bits::ABSENT);
        }
        self.add(Some(from), step, domain, known)
    }

    /// Marks an element as bound; returns whether it was not bound before.
    pub(super) fn bind(&mut self, element: Id) -> bool {
        self.all.get_mut(element.0).is_some_and(|place| !std::mem::replace(&mut place.bound, true))
    }

    /// Intersects the domain of a variable; false if it is then obviously empty.
    pub(super) fn restrict(&mut self, id: Id, to: &Domain) -> bool {
        let Some(place) = self.all.get_mut(id.0) else { return true };
        let domain = place.domain.and(to);
        if domain.is_none() {
            return false;
        }
        if domain == *place.domain {
            return true;
        }
        let (parent, children) = (place.parent, place.children.clone());
        let around = match place.step {
            Step::Key(_) => Bits::MAP,
            _ => Bits::LIST,
        };
        let (is_there, map, list) =
            (!domain.may_be(Bits::ABSENT), domain.may_be(Bits::MAP), domain.may_be(Bits::LIST));
        place.domain = Rc::new(domain);
        if let (true, Some(parent)) = (is_there, parent)
            && !self.restrict(parent, &Domain::bits(around))
        {
            return false;
        }
        children.into_iter().all(|child| {
            let is_key = self.at(child).is_some_and(|place| matches!(place.step, Step::Key(_)));
            let may_lead = if is_key { map } else { list };
            may_lead || self.restrict(child, &Domain::bits(Bits::ABSENT))
        })
    }

    /// The path to a variable, as an author would write it.
    pub(super) fn way(&self, mut id: Id) -> (Id, Vec<Segment>) {
        let mut way = Vec::new();
        while let Some((place, parent)) = self.at(id).and_then(|place| Some((place, place.parent?)))
        {
            way.push(match &place.step {
                Step::Key(key) => Segment::Key(key.to_string()),
                Step::Index(index) => Segment::Index(*index),
                Step::Root | Step::Element(_) => Segment::Index(0),
            });
            id = parent;
        }
        way.reverse();
        (id, way)
    }
}

/// A step of a path. CloudEvents attributes of `event` come from headers.
fn step(from: Id, segment: &Segment) -> (Id, Step) {
    match segment {
        Segment::Key(key) if from == EVENT && key == "type" => {
            (HEADERS, Step::Key("ce-type".into()))
        }
        Segment::Key(key) if from == EVENT && key == "subject" => {
            (HEADERS, Step::Key("ce-subject".into()))
        }
        Segment::Key(key) => (from, Step::Key(key.as_str().into())),
        Segment::Index(index) => (from, Step::Index(*index)),
    }
}

fn inside_of_type(known: &Known, step: &Step) -> (Domain, Option<Rc<Known>>) {
    let segment = match step {
        Step::Key(key) => Segment::Key(key.to_string()),
        Step::Index(index) => Segment::Index(*index),
        Step::Root | Step::Element(_) => {
            let element = known.ty.element();
            return (Domain::of_type(&element), Some(Rc::new(Known::present(element))));
        }
    };
    match known.step(&segment, true, &|| "body".into()) {
        Ok(inner) => {
            let mut domain = Domain::of_type(&inner.ty);
            if inner.lack.absent != Missing::Never {
                domain.bits = domain.bits.or(Bits::ABSENT);
            }
            (domain, Some(Rc::new(inner)))
        }
        // No value of the type has such a part.
        Err(_) => (Domain::bits(Bits::ABSENT), Some(Rc::new(Known::present(Ty::nothing())))),
    }
}
