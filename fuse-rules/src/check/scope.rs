//! Scopes: what names refer to in an expression, and what earlier conditions imply about values.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::value_keys::{ValueKey, value_key};
use crate::path::{OUTCOME, path_text};
use crate::syntax::ast::Text;
use crate::typed::{Expr, ExprKind, Root, Segment};
use crate::types::{Absence, Known, Missing, Ty};
use crate::value::Kinds;

/// What an expression is part of, which determines what it may read.
#[derive(Clone)]
pub(super) enum ScopeKind {
    Rule,
    Const,
    /// The reaction of a fuse.
    Fuse,
    /// The events and expectations of a test.
    Test,
    /// The body of the condition of this name.
    Condition(String),
}

/// The names that paths may start with, and facts about values.
pub(super) struct Scope {
    /// The bindings of the binders, outermost first.
    pub(super) bound: Vec<Binding>,
    /// The `let`s that are visible.
    pub(super) lets: Vec<LetBinding>,
    /// The names of `let`s further down.
    pub(super) later: Vec<Text>,
    /// The type of the event's body.
    body: Ty,
    /// The parameters of the event's path.
    parameters: Vec<PathParameter>,
    pub(super) kind: ScopeKind,
    /// Whether it is the scope of a reaction, which can read `outcome`.
    pub(super) outcome: Option<Ty>,
    /// Facts about values that go beyond their types.
    facts: FxHashMap<ValueKey, Known>,
    /// The previous facts before each change, to undo it.
    before: Vec<(ValueKey, Option<Known>)>,
    /// The number of facts about computed values.
    computed: usize,
}

/// A parameter of the event's path.
#[derive(Clone)]
pub(super) struct PathParameter {
    pub(super) name: String,
    /// Whether only some of the events that a sensor listens to have it.
    pub(super) optional: bool,
}

/// A name that a binder binds.
#[derive(Clone)]
pub(super) struct Binding {
    pub(super) name: Text,
    pub(super) element: Known,
}

/// A `let`.
#[derive(Clone)]
pub(super) struct LetBinding {
    pub(super) name: Text,
    /// Its value; `None` if it is invalid, which is reported.
    pub(super) value: Option<Expr>,
    pub(super) known: Known,
    /// The number of nodes of the value.
    pub(super) size: usize,
    /// The number of binders around the `let`.
    pub(super) bound: usize,
}

/// A point in time to which the facts can be restored.
#[derive(Clone, Copy)]
pub(super) struct Mark(usize);

impl Scope {
    /// The scope of an event whose body has this type, outside of any binder.
    pub(super) fn with_body(body: Ty) -> Self {
        Self::with_event(body, Vec::new())
    }

    /// The same for an event whose path has these parameters.
    pub(super) fn with_event(body: Ty, parameters: Vec<String>) -> Self {
        let required = |name| PathParameter { name, optional: false };
        Self::with_parameters(body, parameters.into_iter().map(required).collect())
    }

    /// The same for events whose paths have some of these parameters.
    pub(super) fn with_parameters(body: Ty, parameters: Vec<PathParameter>) -> Self {
        Self { body, parameters, ..Self::without_event(ScopeKind::Rule) }
    }

    /// The parameters of the event's path.
    pub(super) fn parameters(&self) -> &[PathParameter] {
        &self.parameters
    }

    /// A scope without an event.
    pub(super) fn without_event(kind: ScopeKind) -> Self {
        Self {
            bound: Vec::new(),
            lets: Vec::new(),
            later: Vec::new(),
            body: Ty::any(),
            parameters: Vec::new(),
            kind,
            outcome: None,
            facts: FxHashMap::default(),
            before: Vec::new(),
            computed: 0,
        }
    }

    /// The index of a `let`.
    pub(super) fn let_index(&self, name: &str) -> Option<usize> {
        self.lets.iter().position(|own| own.name.text == name)
    }

    /// The level at which a name is bound.
    pub(super) fn level(&self, name: &str) -> Option<usize> {
        self.bound.iter().rposition(|bound| bound.name.text == name)
    }

    pub(super) fn mark(&self) -> Mark {
        Mark(self.before.len())
    }

    /// Forgets the facts since this mark.
    pub(super) fn restore(&mut self, mark: Mark) {
        while self.before.len() > mark.0
            && let Some((key, known)) = self.before.pop()
        {
            match known {
                Some(known) => self.facts.insert(key, known),
                None => {
                    self.computed -= usize::from(matches!(key, ValueKey::Computed(_)));
                    self.facts.remove(&key)
                }
            };
        }
    }

    /// The facts since this mark, one per value.
    pub(super) fn facts_since(&self, mark: Mark) -> FxHashMap<ValueKey, Known> {
        let changed = self.before.get(mark.0..).unwrap_or(&[]).iter();
        changed.filter_map(|(key, _)| Some((key.clone(), self.facts.get(key)?.clone()))).collect()
    }

    /// Adds a fact, and what it implies for the values around it.
    pub(super) fn add_fact(&mut self, key: ValueKey, known: Known) {
        // A contradiction is reported where it occurs. Further facts would only repeat the report.
        let contradicts = known.ty.is_nothing() && known.absence.absent == Missing::Never;
        if contradicts || self.facts.get(&key) == Some(&known) {
            return;
        }
        if let ValueKey::Event(root, segments) = &key
            && let Some((last, parent)) = segments.split_last()
            && known.absence.absent == Missing::Never
        {
            let parent = ValueKey::Event(*root, parent.to_vec());
            let was = self.known(&parent);
            let ty = was.ty.clone().leading_to(last, &known);
            let is = Known::present(ty);
            if is != was {
                self.add_fact(parent, is);
            }
        }
        let before = self.facts.insert(key.clone(), known);
        if before.is_none() && matches!(key, ValueKey::Computed(_)) {
            self.computed += 1;
        }
        self.before.push((key, before));
    }

    /// What is known about a value. A field that its type does not list counts as missing.
    pub(super) fn known(&self, key: &ValueKey) -> Known {
        let ValueKey::Event(root, segments) = key else {
            return self.facts.get(key).cloned().unwrap_or_else(any_computed);
        };
        let (from, mut known) = self.start(*root, segments);
        for (at, segment) in segments.iter().enumerate().skip(from) {
            let base = || self.text(*root, segments.get(..at).unwrap_or(&[]));
            let next = known.step(segment, true, &base);
            let nothing =
                || Known { ty: Ty::nothing(), absence: Absence::absent(Missing::Declared(base())) };
            known = next.unwrap_or_else(|_| nothing());
        }
        known
    }

    /// The value of an expression, if facts about it are kept.
    pub(super) fn value_key(&self, expr: &Expr) -> Option<ValueKey> {
        value_key(expr, self.bound.len())
    }

    /// What is known about a computed value, in addition to its type: the facts about it.
    pub(super) fn refined(&self, expr: &Expr, known: Known) -> Known {
        let has_facts = self.computed > 0 && !matches!(expr.kind, ExprKind::Path(_));
        let key = has_facts.then(|| self.value_key(expr)).flatten();
        let Some(fact) = key.and_then(|key| self.facts.get(&key)) else { return known };
        let missing = |own: Missing, fact: &Missing| match fact {
            Missing::Never => Missing::Never,
            Missing::Open => own,
            Missing::Declared(_) => own.max(fact.clone()),
        };
        let ty = match known.ty.equal_to(&fact.ty) {
            // A value without a type can be used everywhere, unless it is known to be of one kind.
            _ if known.ty.is_any() && !Kinds::SINGLE.contains(&fact.ty.kinds()) => known.ty,
            ty if ty.is_nothing() && !fact.ty.is_nothing() => known.ty,
            ty => ty,
        };
        let absence = Absence {
            absent: missing(known.absence.absent, &fact.absence.absent),
            unknown: missing(known.absence.unknown, &fact.absence.unknown),
        };
        Known { ty, absence }
    }

    /// The longest prefix of a path with a known fact, and this fact.
    pub(super) fn start(&self, root: Root, segments: &[Segment]) -> (usize, Known) {
        if !self.facts.is_empty() {
            for length in (0..=segments.len()).rev() {
                let segments = segments.get(..length).unwrap_or(segments);
                if let Some(known) = self.facts.get(&ValueKey::Event(root, segments.to_vec())) {
                    return (length, self.within_parent(known, root, segments));
                }
            }
        }
        let known = match root {
            Root::Body => Known::present(self.body.clone()),
            Root::Headers | Root::Query => Known::present(Ty::map(Ty::string())),
            Root::Event => Known::present(super::paths::event_type(&self.parameters)),
            Root::Outcome => Known::present(self.outcome.clone().unwrap_or_else(Ty::any)),
            Root::Element(level) => {
                let bound = self.bound.get(level as usize);
                bound.map_or_else(Known::any, |bound| bound.element.clone())
            }
        };
        (0, known)
    }

    /// A fact, combined with later facts about the value that contains it.
    fn within_parent(&self, fact: &Known, root: Root, segments: &[Segment]) -> Known {
        let mut known = fact.clone();
        let parent = |parent: &[Segment]| self.known(&ValueKey::Event(root, parent.to_vec()));
        if let Some((last, around)) = segments.split_last()
            && let Ok(part) = parent(around).step(last, true, &|| "".into())
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
            Root::Outcome => OUTCOME,
            Root::Element(level) => {
                self.bound.get(level as usize).map_or("", |bound| bound.name.text.as_str())
            }
        };
        path_text(name, segments)
    }
}

/// A computed value without facts. Its type is known where it is used.
fn any_computed() -> Known {
    Known {
        ty: Ty::from_kinds(Kinds::ANY.minus(Kinds::NULL)).or(Ty::null()),
        absence: Absence { absent: Missing::Open, unknown: Missing::Open },
    }
}
