//! Compiles the conditions and expressions of one event.

mod expressions;

use rustc_hash::FxHashMap;

use super::atom::SlotRef;
use super::index::Candidate;
use super::program::{Choice, PartRef, ProgramBuilder, QuantifiedElements};
use super::{
    EachPlan, Frames, Group, LetPlan, Memo, RuleAt, RulePlan, SensorPlan, Slot, SlotSpec, origin,
};
use crate::scan::Trie;
use crate::sensitive::root_is_sensitive;
use crate::span::Span;
use crate::typed::{self, Each, Expr, ExprKind, Path, QuantifierKind, Root, Rules, Segment};

/// Identifies a slot within a group: the root and the steps after it.
type SlotKey = (Option<Root>, Vec<Segment>);

/// Compiles expressions at one site.
pub(super) struct Compiler<'r> {
    rules: &'r Rules,
    pub(super) frames: Frames,
    /// The slots of each group.
    slots: Vec<FxHashMap<SlotKey, u32>>,
    /// The groups of lists in the body, by the group and slot of the list.
    lists: FxHashMap<(usize, u32), usize>,
    /// The groups of the frames around the site, the event's first.
    stack: Vec<usize>,
    pub(super) programs: ProgramBuilder,
    /// The rules that the index can find.
    pub(super) candidates: Vec<Candidate>,
    pub(super) walked: Vec<RuleAt>,
    /// The `let`s whose values are kept.
    pub(super) lets: Vec<LetPlan>,
    /// The number of each, by the span of its value.
    numbers: FxHashMap<Span, u32>,
    /// Whether the expressions are those of keys and fields, and not of conditions.
    in_values: bool,
}

impl<'r> Compiler<'r> {
    pub(super) fn new(rules: &'r Rules) -> Self {
        let mut compiler = Self {
            rules,
            frames: Frames::default(),
            slots: Vec::new(),
            lists: FxHashMap::default(),
            stack: Vec::new(),
            programs: ProgramBuilder::default(),
            candidates: Vec::new(),
            walked: Vec::new(),
            lets: Vec::new(),
            numbers: FxHashMap::default(),
            in_values: false,
        };
        // The trie always has a node for the body.
        let event = compiler.group(Trie::BODY, None);
        compiler.stack.push(event);
        compiler
    }

    fn group(&mut self, start: usize, list: Option<(usize, u32)>) -> usize {
        let slots = Vec::new();
        self.frames.groups.push(Group {
            start,
            slots,
            max_elements: DEFAULT_MAX_ELEMENTS,
            list,
            sensitive: false,
        });
        self.slots.push(FxHashMap::default());
        self.frames.groups.len() - 1
    }

    pub(super) fn sensor(
        &mut self,
        number: u32,
        first: usize,
        sensor: &typed::Sensor,
    ) -> SensorPlan {
        let each = self.open(sensor.each.as_ref());
        let condition = self.conditions(&sensor.when);
        if sensor.rules.len() > 1 {
            self.programs.share(condition.node);
        }
        let clauses = sensor.when.iter().map(|when| self.expr(when)).collect();
        let computed = each.as_ref().is_some_and(|each| self.is_computed(each));
        let rules = (0..).zip(&sensor.rules).map(|(index, rule)| {
            let at = RuleAt { sensor: number, rule: index };
            self.rule(at, rule, condition, each.as_ref(), computed)
        });
        let rules = rules.collect();
        self.close(each.as_ref());
        SensorPlan { name: sensor.name.clone(), first, each, condition, clauses, rules }
    }

    fn rule(
        &mut self,
        at: RuleAt,
        rule: &typed::Rule,
        outer: PartRef,
        around: Option<&EachPlan>,
        computed: bool,
    ) -> RulePlan {
        let each = self.open(rule.each.as_ref());
        let condition = self.conditions(&rule.when);
        let clauses = rule.when.iter().map(|when| self.expr(when)).collect();
        if computed || each.as_ref().is_some_and(|each| self.is_computed(each)) {
            self.walked.push(at);
        } else {
            let lists = around.into_iter().chain(&each).map(|each| each.max).collect();
            let groups = self.stack.clone();
            self.candidates.push(Candidate { at, groups, lists, outer, condition });
        }
        self.in_values = true;
        let (flow, triggers) = (self.flow(&rule.flow), self.triggers(&rule.triggers));
        let reactions = rule.reactions.iter().map(|reaction| typed::Reaction {
            kind: reaction.kind,
            name: reaction.name.clone(),
            span: reaction.span,
            flow: self.flow(&reaction.flow),
            triggers: self.triggers(&reaction.triggers),
        });
        let reactions = reactions.collect();
        self.in_values = false;
        self.close(each.as_ref());
        RulePlan {
            name: rule.name.clone(),
            gates: rule.gates.clone(),
            each: each.map(Box::new),
            condition,
            clauses,
            flow,
            is_shadow: rule.is_shadow,
            triggers,
            reactions,
            cancels: rule.cancels,
        }
    }

    fn flow(&mut self, clauses: &[typed::FlowClause]) -> Vec<typed::FlowClause<Slot>> {
        let clause = |clause: &typed::FlowClause| typed::FlowClause {
            flow: clause.flow,
            limiter: clause.limiter.clone(),
            keys: clause.keys.iter().map(|key| self.expr(key)).collect(),
            hides_keys: clause.hides_keys,
            identity: clause.identity.clone(),
            hours: clause.hours.clone(),
            unless: clause.unless.clone(),
            fuses: clause.fuses.clone(),
            approvers: clause.approvers.clone(),
            span: clause.span,
        };
        clauses.iter().map(clause).collect()
    }

    fn triggers(&mut self, triggers: &[typed::Trigger]) -> Vec<typed::Trigger<Slot>> {
        let trigger = |trigger: &typed::Trigger| typed::Trigger {
            kind: trigger.kind.clone(),
            span: trigger.span,
            attempts: trigger.attempts,
            is_replaceable: trigger.is_replaceable,
            fields: self.mapped(&trigger.fields),
        };
        triggers.iter().map(trigger).collect()
    }

    /// Opens the frame of an `each`. The list itself is read outside of this frame.
    fn open(&mut self, each: Option<&Each>) -> Option<EachPlan> {
        let each = each?;
        let (list, group) = self.bind(&each.list);
        if let Some(group) = self.frames.groups.get_mut(group) {
            group.max_elements = group.max_elements.max(each.max);
        }
        Some(EachPlan { name: each.name.clone(), list, max: each.max, group })
    }

    fn close(&mut self, each: Option<&EachPlan>) {
        if each.is_some() {
            self.stack.pop();
        }
    }

    /// Whether the list of an `each` is computed instead of read from the body.
    fn is_computed(&self, each: &EachPlan) -> bool {
        self.frames.groups.get(each.group).is_none_or(|group| group.list.is_none())
    }

    /// Opens the frame of a list's elements. For a path, only the values that are used of the
    /// elements are read. All sites that iterate over the same list share its frames.
    fn bind(&mut self, list: &Expr) -> (Expr<Slot>, usize) {
        if let ExprKind::Path(path) = &list.kind
            && matches!(path.root, Root::Body | Root::Element(_))
            && let Some(around) = self.stack.get(level_of(path.root)).copied()
        {
            let slot = self.slot(path, false);
            let place = (around, slot.index);
            let group = match self.lists.get(&place) {
                Some(group) => *group,
                None => {
                    let start = self.frames.trie.start();
                    let group = self.group(start, Some(place));
                    self.lists.insert(place, group);
                    let from = self.frames.groups.get(around).map_or(0, |group| group.start);
                    let node = self.frames.trie.at(from, &path.segments);
                    self.frames.trie.change(node, |node| node.elements = Some((group, start)));
                    self.mark_sensitive(group, slot.sensitive);
                    group
                }
            };
            self.stack.push(group);
            return (Expr { kind: ExprKind::Path(slot), span: list.span }, group);
        }
        let list = self.expr(list);
        let start = self.frames.trie.start();
        let group = self.group(start, None);
        self.mark_sensitive(group, list.is_sensitive());
        self.stack.push(group);
        (list, group)
    }

    fn mark_sensitive(&mut self, group: usize, sensitive: bool) {
        if let Some(group) = self.frames.groups.get_mut(group) {
            group.sensitive = sensitive;
        }
    }

    fn slot(&mut self, path: &Path, whole: bool) -> Slot {
        let level = level_of(path.root);
        let text = path.text.clone();
        let in_tree = matches!(path.root, Root::Body | Root::Element(_));
        let group = self.stack.get(level).copied().unwrap_or_default();
        let level = u32::try_from(level).unwrap_or(u32::MAX);
        let (Some(slots), Some(spec)) =
            (self.slots.get_mut(group), self.frames.groups.get_mut(group))
        else {
            // Unreachable: the checker binds a name only inside its binder.
            return Slot { level, index: u32::MAX, text, sensitive: true };
        };
        let sensitive = root_is_sensitive(path.root, &path.segments).unwrap_or(spec.sensitive);
        let key = ((!in_tree).then_some(path.root), path.segments.clone());
        let next = u32::try_from(slots.len()).unwrap_or(u32::MAX);
        let index = *slots.entry(key).or_insert(next);
        if index == next {
            spec.slots.push(SlotSpec { text: text.clone(), origin: origin(path) });
            if !in_tree {
                self.frames.outside.push(index);
            }
        }
        // Expressions with the same text share it.
        let first = spec.slots.get(index as usize).map(|spec| spec.text.clone());
        let text = first.filter(|first| *first == text).unwrap_or(text);
        if in_tree {
            let node = self.frames.trie.at(spec.start, &path.segments);
            self.frames.trie.change(node, |node| {
                node.slot = Some(index);
                node.whole |= whole;
            });
        }
        Slot { level, index, text, sensitive }
    }

    /// The conjunction of clauses.
    fn conditions(&mut self, clauses: &[Expr]) -> PartRef {
        let parts: Vec<PartRef> =
            clauses.iter().map(|clause| self.condition(clause, false)).collect();
        self.programs.join(true, parts)
    }

    fn condition(&mut self, expr: &Expr, negated: bool) -> PartRef {
        match &expr.kind {
            ExprKind::Not(inner) => self.condition(inner, !negated),
            ExprKind::And(parts) | ExprKind::Or(parts) => {
                let all = matches!(expr.kind, ExprKind::And(_)) != negated;
                let parts: Vec<PartRef> =
                    parts.iter().map(|part| self.condition(part, negated)).collect();
                self.programs.join(all, parts)
            }
            ExprKind::If { condition, chosen, otherwise } => {
                let choice = Choice {
                    condition: self.condition(condition, false),
                    negation: self.condition(condition, true),
                    chosen: self.condition(chosen, negated),
                    otherwise: self.condition(otherwise, negated),
                };
                self.programs.choice(choice)
            }
            ExprKind::Quantifier { kind, list, body, .. } if kind.is_condition() => {
                let whole = self.without_name(expr);
                // `all` means that the condition is false for no element.
                let all = *kind == QuantifierKind::All;
                let (bound, group) = self.bind(list);
                let part = self.condition(body, all);
                self.stack.pop();
                let frames = self.frames_around();
                let in_body =
                    self.frames.groups.get(group).is_some_and(|group| group.list.is_some());
                let atom = match bound.kind {
                    ExprKind::Path(slot) if in_body => {
                        let list = SlotRef { level: slot.level, slot: slot.index };
                        let of_none = *kind != QuantifierKind::Any;
                        let elements = QuantifiedElements { list, group, part, negated: of_none };
                        self.programs.among(&whole, &frames, elements)
                    }
                    _ => self.programs.atom(&whole, &frames),
                };
                PartRef { negated: atom.negated != negated, ..atom }
            }
            _ => {
                let expr = self.without_name(expr);
                let atom = self.programs.atom(&expr, &self.frames_around());
                PartRef { negated: atom.negated != negated, ..atom }
            }
        }
    }

    /// The groups of the frames around the site, for the programs.
    fn frames_around(&self) -> Vec<u32> {
        self.stack.iter().map(|group| u32::try_from(*group).unwrap_or(u32::MAX)).collect()
    }

    pub(super) fn into_frames(self) -> Frames {
        self.frames
    }
}

/// The maximum number of elements that are extracted from a list, unless an `each` allows more.
const DEFAULT_MAX_ELEMENTS: usize = 1_000;

fn level_of(root: Root) -> usize {
    match root {
        Root::Element(level) => level as usize + 1,
        _ => 0,
    }
}
