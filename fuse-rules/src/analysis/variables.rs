//! Variables: the values of an event, as a tree, each with its domain.

use std::rc::Rc;
use std::sync::Arc;

use super::domain::{Bits, Domain, StringTest, TextSet};
use crate::path::PATH_FIELD;
use crate::typed::{Path, Root, Segment};
use crate::types::{Format, Known, Missing, Ty};

/// The index of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct VariableId(pub(super) usize);

pub(super) const BODY: VariableId = VariableId(0);
pub(super) const HEADERS: VariableId = VariableId(1);
pub(super) const QUERY: VariableId = VariableId(2);
pub(super) const EVENT: VariableId = VariableId(3);
/// The parameters of the path, in `event.path`.
pub(super) const PATH: VariableId = VariableId(4);

/// The variables of the elements that the binders around an expression bind, outermost first.
pub(super) type BoundElements = Rc<[VariableId]>;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum VariableStep {
    Root,
    Key(Arc<str>),
    Index(i64),
    /// Some element of the list, at an unknown position.
    Element(usize),
}

#[derive(Clone, Debug)]
pub(super) struct Variable {
    pub(super) parent: Option<VariableId>,
    pub(super) step: VariableStep,
    pub(super) children: Vec<VariableId>,
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
pub(super) struct Variables {
    all: Vec<Variable>,
}

impl Variables {
    /// The variables of an event, by source and name, whose path has these parameters. The body has this type if
    /// one is given.
    pub(super) fn new(ty: Option<&Ty>, (source, name): (&str, &str), parameters: &[&str]) -> Self {
        let mut variables = Self { all: Vec::new() };
        let present = Domain::json_without(Bits::ABSENT);
        let body = ty.map_or_else(|| present.clone(), Domain::from_type);
        variables.add(
            None,
            VariableStep::Root,
            body,
            ty.map(|ty| Rc::new(Known::present(ty.clone()))),
        );
        for _ in [HEADERS, QUERY, EVENT] {
            variables.add(None, VariableStep::Root, Domain::bits(Bits::MAP), None);
        }
        let path = VariableStep::Key(PATH_FIELD.into());
        variables.add(Some(EVENT), path, Domain::bits(Bits::MAP), None);
        for parameter in parameters {
            let present = Domain::texts(TextSet::all().tested(StringTest::AtMost(0), false));
            variables.add(Some(PATH), VariableStep::Key((*parameter).into()), present, None);
        }
        let text = |text: &str| Domain::texts(TextSet::only([text.into()]));
        let time =
            TextSet::all().tested(StringTest::Type(Ty::format(Format::Timestamp).into()), true);
        for (key, domain) in [
            ("source", text(source)),
            ("name", text(name)),
            ("id", Domain::texts(TextSet::all())),
            ("time", Domain::texts(time)),
        ] {
            variables.add(Some(EVENT), VariableStep::Key(key.into()), domain, None);
        }
        variables
    }

    fn add(
        &mut self,
        parent: Option<VariableId>,
        step: VariableStep,
        domain: Domain,
        known: Option<Rc<Known>>,
    ) -> VariableId {
        let id = VariableId(self.all.len());
        let computed = domain.may_be_computed();
        let (children, domain) = (Vec::new(), Rc::new(domain));
        self.all.push(Variable { parent, step, children, domain, bound: false, computed, known });
        if let Some(parent) = parent.and_then(|parent| self.all.get_mut(parent.0)) {
            parent.children.push(id);
        }
        id
    }

    /// An element of a computed list, which can be any value that is present.
    pub(super) fn detached(&mut self) -> VariableId {
        self.add(None, VariableStep::Root, Domain::without(Bits::ABSENT), None)
    }

    pub(super) fn at(&self, id: VariableId) -> Option<&Variable> {
        self.all.get(id.0)
    }

    /// The type of the value, if the event must conform to its type.
    pub(super) fn ty(&self, id: VariableId) -> Option<Ty> {
        self.at(id)?.known.as_ref().map(|known| known.ty.clone())
    }

    pub(super) fn children(&self, id: VariableId) -> impl Iterator<Item = (VariableId, &Variable)> {
        let children = self.at(id).map_or(&[][..], |variable| &variable.children);
        children.iter().filter_map(|id| Some((*id, self.at(*id)?)))
    }

    /// The elements of a list that a binder has bound.
    pub(super) fn elements(&self, list: VariableId) -> Vec<VariableId> {
        self.children(list).filter(|(_, variable)| variable.bound).map(|(id, _)| id).collect()
    }

    /// The variable where a path starts, and the remaining steps.
    fn start<'p>(path: &'p Path, scope: &[VariableId]) -> Option<(VariableId, &'p [Segment])> {
        let id = match path.root {
            Root::Body => BODY,
            Root::Headers => HEADERS,
            Root::Query => QUERY,
            Root::Event => EVENT,
            // No condition reads it.
            Root::Outcome => return None,
            Root::Element(level) => *scope.get(usize::try_from(level).ok()?)?,
        };
        Some((id, &path.segments))
    }

    /// The variable of a path, if there is already a constraint on it.
    pub(super) fn find(&self, path: &Path, scope: &[VariableId]) -> Option<VariableId> {
        let (mut at, segments) = Self::start(path, scope)?;
        for segment in segments {
            let (from, step) = step(at, segment);
            at = self.child(from, &step)?;
        }
        Some(at)
    }

    fn child(&self, id: VariableId, step: &VariableStep) -> Option<VariableId> {
        self.children(id).find(|(_, variable)| variable.step == *step).map(|(id, _)| id)
    }

    /// The variable of a path; `None` if the path starts at an element that is not bound here.
    pub(super) fn get_or_add(&mut self, path: &Path, scope: &[VariableId]) -> Option<VariableId> {
        let (at, segments) = Self::start(path, scope)?;
        Some(segments.iter().fold(at, |at, segment| self.step(at, segment)))
    }

    /// The variable that a step of a path leads to.
    pub(super) fn step(&mut self, at: VariableId, segment: &Segment) -> VariableId {
        let (from, step) = step(at, segment);
        self.inside(from, step)
    }

    /// The variable that a step leads to.
    pub(super) fn inside(&mut self, from: VariableId, step: VariableStep) -> VariableId {
        if let Some(known) = self.child(from, &step) {
            return known;
        }
        let Some(parent) = self.at(from) else { return from };
        let (mut domain, known) = match (from, &step) {
            (HEADERS | QUERY, _) => {
                (Domain { bits: Bits::ABSENT, ..Domain::texts(TextSet::all()) }, None)
            }
            // A path has only its declared parameters.
            (PATH, _) => (Domain::bits(Bits::ABSENT), None),
            _ => match parent.known.clone() {
                None => (Domain::all(), None),
                Some(known) => inside_of_type(&known, &step),
            },
        };
        if parent.computed {
            domain = domain.or_computed();
        }
        let around = match step {
            VariableStep::Key(_) => Bits::MAP,
            _ => Bits::LIST,
        };
        if matches!(step, VariableStep::Element(_)) {
            domain.bits = domain.bits.and(Bits::ABSENT.not());
        } else if !parent.domain.may_be(around) {
            domain = Domain::bits(Bits::ABSENT);
        }
        self.add(Some(from), step, domain, known)
    }

    /// Marks an element as bound; returns whether it was not bound before.
    pub(super) fn bind(&mut self, element: VariableId) -> bool {
        self.all
            .get_mut(element.0)
            .is_some_and(|variable| !std::mem::replace(&mut variable.bound, true))
    }

    /// Intersects the domain of a variable; false if it is then obviously empty.
    pub(super) fn restrict(&mut self, id: VariableId, to: &Domain) -> bool {
        let Some(variable) = self.all.get_mut(id.0) else { return true };
        let domain = variable.domain.and(to);
        if domain.is_none() {
            return false;
        }
        if domain == *variable.domain {
            return true;
        }
        let (parent, children) = (variable.parent, variable.children.clone());
        let around = match variable.step {
            VariableStep::Key(_) => Bits::MAP,
            _ => Bits::LIST,
        };
        let (is_there, map, list) =
            (!domain.may_be(Bits::ABSENT), domain.may_be(Bits::MAP), domain.may_be(Bits::LIST));
        variable.domain = Rc::new(domain);
        if let (true, Some(parent)) = (is_there, parent)
            && !self.restrict(parent, &Domain::bits(around))
        {
            return false;
        }
        children.into_iter().all(|child| {
            let is_key = self
                .at(child)
                .is_some_and(|variable| matches!(variable.step, VariableStep::Key(_)));
            let may_lead = if is_key { map } else { list };
            may_lead || self.restrict(child, &Domain::bits(Bits::ABSENT))
        })
    }

    /// The path to a variable, as an author would write it.
    pub(super) fn path_to(&self, mut id: VariableId) -> (VariableId, Vec<Segment>) {
        let mut path_to = Vec::new();
        while let Some((variable, parent)) =
            self.at(id).and_then(|variable| Some((variable, variable.parent?)))
        {
            path_to.push(match &variable.step {
                VariableStep::Key(key) => Segment::Key(key.to_string()),
                VariableStep::Index(index) => Segment::Index(*index),
                VariableStep::Root | VariableStep::Element(_) => Segment::Index(0),
            });
            id = parent;
        }
        path_to.reverse();
        (id, path_to)
    }
}

/// A step of a path. CloudEvents attributes of `event` come from headers.
fn step(from: VariableId, segment: &Segment) -> (VariableId, VariableStep) {
    match segment {
        Segment::Key(key) if from == EVENT && key == "type" => {
            (HEADERS, VariableStep::Key("ce-type".into()))
        }
        Segment::Key(key) if from == EVENT && key == "subject" => {
            (HEADERS, VariableStep::Key("ce-subject".into()))
        }
        Segment::Key(key) => (from, VariableStep::Key(key.as_str().into())),
        Segment::Index(index) => (from, VariableStep::Index(*index)),
    }
}

fn inside_of_type(known: &Known, step: &VariableStep) -> (Domain, Option<Rc<Known>>) {
    let segment = match step {
        VariableStep::Key(key) => Segment::Key(key.to_string()),
        VariableStep::Index(index) => Segment::Index(*index),
        VariableStep::Root | VariableStep::Element(_) => {
            let element = known.ty.element();
            return (Domain::from_type(&element), Some(Rc::new(Known::present(element))));
        }
    };
    match known.step(&segment, true, &|| "body".into()) {
        Ok(inner) => {
            let mut domain = Domain::from_type(&inner.ty);
            if inner.absence.absent != Missing::Never {
                domain.bits = domain.bits.or(Bits::ABSENT);
            }
            (domain, Some(Rc::new(inner)))
        }
        // No value of the type has such a part.
        Err(_) => (Domain::bits(Bits::ABSENT), Some(Rc::new(Known::present(Ty::nothing())))),
    }
}
