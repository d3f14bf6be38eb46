//! Checks proofs about values against evaluation, like the other claims.

use std::collections::BTreeMap;

use super::*;
use crate::analysis::{ScopedExpr, Truths, query};
use crate::reference::{self, World};
use crate::semantics::ops::{Fault, Truth};
use crate::typed::{Expr, ExprKind, IsTest, Path, QuantifierKind, TextOp};
use crate::value::Value;

/// The proofs about the values that the conditions of one rule read.
pub(super) struct Proofs<'r> {
    pub(super) target: Placed<'r>,
    /// These are present when the rule matches.
    there: Vec<&'r Expr>,
    /// One of each two is present, and the first is not null.
    either: Vec<[&'r Expr; 2]>,
    /// These are present and not null.
    values: Vec<&'r Expr>,
    /// These have an element if they are lists.
    filled: Vec<&'r Expr>,
    /// These contain no shell metacharacters if they are texts.
    plain: Vec<&'r Expr>,
    /// These conditions are defined when the ones before them are true.
    decided: Vec<(ScopedExpr<'r>, Vec<ScopedExpr<'r>>)>,
}

impl<'r> Proofs<'r> {
    pub(super) fn new(analysis: &mut Analysis<'r>, target: Placed<'r>) -> Self {
        let mut paths = Vec::new();
        target.whens().for_each(|when| read(when.expr, &mut paths));
        let proven = |is: &mut dyn FnMut(&'r Expr, &'r Path) -> bool| {
            let proven = paths.iter().filter(|(expr, path)| is(expr, path));
            proven.map(|(expr, _)| *expr).collect()
        };
        let mut decided = Vec::new();
        let mut before: Vec<ScopedExpr<'r>> = Vec::new();
        for when in target.whens() {
            let given: Vec<_> = before.iter().map(|part| (part.expr, Truths::TRUE)).collect();
            if analysis.is_decided(target, when.expr, &given) {
                decided.push((when, before.clone()));
            }
            before.push(when);
        }
        let pairs = paths.windows(2);
        let either =
            pairs.filter(|pair| analysis.is_one_there(target, &[pair[0].1, pair[1].1], &[]));
        Self {
            target,
            either: either.map(|pair| [pair[0].0, pair[1].0]).collect(),
            there: proven(&mut |_, path| analysis.is_one_there(target, &[path], &[])),
            values: proven(&mut |expr, _| analysis.has_values(target, expr)),
            filled: proven(&mut |expr, _| analysis.is_filled(target, expr)),
            plain: proven(&mut |expr, _| analysis.is_plain(target, expr, &[])),
            decided,
        }
    }

    /// Counts the proofs.
    pub(super) fn count(&self, counts: &mut BTreeMap<&'static str, usize>) {
        for (what, all) in [
            ("value there", self.there.len()),
            ("one of two there", self.either.len()),
            ("value not null", self.values.len()),
            ("list with an element", self.filled.len()),
            ("plain value", self.plain.len()),
            ("condition decided", self.decided.len()),
        ] {
            *counts.entry(what).or_default() += all;
        }
    }

    /// Fails if an event refutes a proof.
    pub(super) fn hold(&self, world: &World<'_>, details: &str) {
        let matching = query::matches(self.target, world);
        let eachs = self.target.eachs();
        for (path, elements) in reference::elements(world, &eachs) {
            let truth = |expr: &Expr| reference::truth(world, elements.clone(), expr);
            let name = &self.target.rule.name;
            for (part, before) in &self.decided {
                let at = |part: &ScopedExpr<'_>| -> Truth {
                    reference::truth(world, elements[..part.around].to_vec(), part.expr)
                };
                let lacks = match at(part) {
                    Err(Fault::Error(_)) | Ok(_) => false,
                    Err(_) => before.iter().all(|part| at(part) == Ok(true)),
                };
                assert!(!lacks, "{name} lacks a value: {:?} at {path:?}\n{details}", part.expr);
            }
            if !matching.contains(&path) {
                continue;
            }
            let is = |value: &Expr, test: IsTest| truth(&made(value, |value| is(value, test)));
            for value in &self.there {
                let is_there = is(value, IsTest::Present);
                assert_eq!(is_there, Ok(true), "{name}: {value:?} at {path:?}\n{details}");
            }
            for [one, other] in &self.either {
                let has_one = is(one, IsTest::Present) == Ok(true);
                let is_there = has_one && is(one, IsTest::Null) == Ok(false);
                let has_other = is(other, IsTest::Present) == Ok(true);
                assert!(is_there || has_other, "{name}: {one:?}, {other:?} at {path:?}\n{details}");
            }
            for value in &self.values {
                let is_null = is(value, IsTest::Null);
                assert_eq!(is_null, Ok(false), "{name}: {value:?} at {path:?}\n{details}");
                assert_eq!(is(value, IsTest::Present), Ok(true), "{name}: {value:?}\n{details}");
            }
            for list in &self.filled {
                let has_one = truth(&made(list, any));
                assert_ne!(has_one, Ok(false), "{name}: {list:?} at {path:?}\n{details}");
            }
            for value in &self.plain {
                for saying in ["$", "`", "\"", "'", ";", "|", "&", " ", "\n"] {
                    let is_contained = truth(&made(value, |value| contains(value, saying)));
                    assert_ne!(is_contained, Ok(true), "{name}: {value:?} at {path:?}\n{details}");
                }
            }
        }
    }
}

/// The paths in an expression that do not depend on the elements of a quantifier.
fn read<'r>(expr: &'r Expr, found: &mut Vec<(&'r Expr, &'r Path)>) {
    match &expr.kind {
        ExprKind::Path(path) => found.push((expr, path)),
        ExprKind::Quantifier { list, .. } => read(list, found),
        _ => expr.children().into_iter().for_each(|child| read(child, found)),
    }
}

fn made(value: &Expr, kind: impl FnOnce(Box<Expr>) -> ExprKind) -> Expr {
    Expr { kind: kind(Box::new(value.clone())), span: value.span }
}

fn is(value: Box<Expr>, test: IsTest) -> ExprKind {
    ExprKind::Is { value, negated: false, test }
}

fn any(list: Box<Expr>) -> ExprKind {
    let body = made(&list, |_| ExprKind::Const(Value::Bool(true)));
    let (kind, name) = (QuantifierKind::Any, "one".into());
    ExprKind::Quantifier { kind, name, list, body: Box::new(body), frame: () }
}

fn contains(left: Box<Expr>, text: &str) -> ExprKind {
    let right = made(&left, |_| ExprKind::Const(Value::text(text.to_owned())));
    ExprKind::TextTest { op: TextOp::Contains, left, right: Box::new(right) }
}
