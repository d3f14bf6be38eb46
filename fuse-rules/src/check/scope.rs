//! What names mean at one place of the rules, and what the conditions before it tell of them.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::path::path_text;
use crate::syntax::ast::Text;
use crate::typed::{Path, Root, Segment};
use crate::types::{Known, Lack, Missing, Ty};

/// A value of the event, however it is written.
pub(super) type Key = (Root, Vec<Segment>);

/// What an expression is a part of, which says what it may read.
#[derive(Clone)]
pub(super) enum Place {
    Rule,
    Const,
    /// What a test sends or expects.
    Test,
    /// The body of a condition of this name.
    Condition(String),
}

/// The names that paths may start with, and what is known of values.
pub(super) struct Scope {
    /// What binders bind, outermost first.
    pub(super) bound: Vec<Bound>,
    /// The type of the event's body.
    body: Ty,
    pub(super) place: Place,
    /// What is known of values besides what their types say.
    facts: FxHashMap<Key, Known>,
    /// The facts as they were before each change, for going back.
    before: Vec<(Key, Option<Known>)>,
}

/// A name that a binder binds.
#[derive(Clone)]
pub(super) struct Bound {
    pub(super) name: Text,
    pub(super) element: Known,
}

/// How much was known at some time.
#[derive(Clone, Copy)]
pub(super) struct Mark(usize);

impl Scope {
    /// The scope of an event whose body has this type, outside of any binder.
    pub(super) fn of_event(body: Ty) -> Self {
        Self { body, ..Self::of(Place::Rule) }
    }

    /// The scope of a place that sees no event.
    pub(super) fn of(place: Place) -> Self {
        Self {
            bound: Vec::new(),
            body: Ty::any(),
            place,
            facts: FxHashMap::default(),
            before: Vec::new(),
        }
    }

    /// The level at which a name is bound.
    pub(super) fn level(&self, name: &str) -> Option<usize> {
        self.bound.iter().rposition(|bound| bound.name.text == name)
    }

    pub(super) fn mark(&self) -> Mark {
        Mark(self.before.len())
    }

    /// Forgets what was learnt since.
    pub(super) fn back_to(&mut self, mark: Mark) {
        while self.before.len() > mark.0
            && let Some((key, known)) = self.before.pop()
        {
            match known {
                Some(known) => self.facts.insert(key, known),
                None => self.facts.remove(&key),
            };
        }
    }

    /// What was learnt since, each value once.
    pub(super) fn learnt_since(&self, mark: Mark) -> FxHashMap<Key, Known> {
        let changed = self.before.get(mark.0..).unwrap_or(&[]).iter();
        changed.filter_map(|(key, _)| Some((key.clone(), self.facts.get(key)?.clone()))).collect()
    }

    /// Takes a fact in, and what it tells of the values around it.
    pub(super) fn learn(&mut self, key: Key, known: Known) {
        // What contradicts itself is reported where it stands; it would only be said again.
        let contradicts = known.ty.is_nothing() && known.lack.absent == Missing::Never;
        if contradicts || self.facts.get(&key) == Some(&known) {
            return;
        }
        let around = key.1.split_last().filter(|_| known.lack.absent == Missing::Never);
        if let Some((last, parent)) = around {
            let parent = (key.0, parent.to_vec());
            let was = self.known(&parent);
            let ty = was.ty.clone().leading_to(last, &known);
            let is = Known::present(ty);
            if is != was {
                self.learn(parent, is);
            }
        }
        let before = self.facts.insert(key.clone(), known);
        self.before.push((key, before));
    }

    /// What is known of a value. A field that no type lists counts as one of which nothing is.
    pub(super) fn known(&self, (root, segments): &Key) -> Known {
        let (from, mut known) = self.start(*root, segments);
        for (at, segment) in segments.iter().enumerate().skip(from) {
            let base = || self.text(*root, segments.get(..at).unwrap_or(&[]));
            let next = known.step(segment, true, &base);
            let nothing =
                || Known { ty: Ty::nothing(), lack: Lack::absent(Missing::Declared(base())) };
            known = next.unwrap_or_else(|_| nothing());
        }
        known
    }

    /// The longest part of a path that something is known of, and what.
    pub(super) fn start(&self, root: Root, segments: &[Segment]) -> (usize, Known) {
        if !self.facts.is_empty() {
            let mut key = (root, segments.to_vec());
            loop {
                if let Some(known) = self.facts.get(&key) {
                    return (key.1.len(), self.within_parent(known, &key));
                }
                if key.1.pop().is_none() {
                    break;
                }
            }
        }
        let known = match root {
            Root::Body => Known::present(self.body.clone()),
            Root::Headers | Root::Query => Known::present(Ty::map(Ty::string())),
            Root::Event => Known::present(super::paths::event_type()),
            Root::Element(level) => {
                let bound = self.bound.get(level as usize);
                bound.map_or_else(Known::any, |bound| bound.element.clone())
            }
        };
        (0, known)
    }

    /// A fact, with what was learnt since of the value that it is a part of.
    fn within_parent(&self, fact: &Known, (root, segments): &Key) -> Known {
        let mut known = fact.clone();
        if let Some((last, parent)) = segments.split_last()
            && let Ok(part) = self.known(&(*root, parent.to_vec())).step(last, true, &|| "".into())
        {
            let ty = known.ty.equal_to(&part.ty);
            if !ty.is_nothing() {
                known.ty = ty;
            }
        }
        known
    }

    /// A path as an author would write it.
    pub(super) fn text(&self, root: Root, segments: &[Segment]) -> Arc<str> {
        let name = match root {
            Root::Body => "body",
            Root::Headers => "headers",
            Root::Query => "query",
            Root::Event => "event",
            Root::Element(level) => {
                self.bound.get(level as usize).map_or("", |bound| bound.name.text.as_str())
            }
        };
        path_text(name, segments)
    }
}

/// The value that a path leads to.
pub(super) fn key(path: &Path) -> Key {
    (path.root, path.segments.clone())
}
