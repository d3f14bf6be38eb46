//! Finds duplicate keys in everything that the rules read.

use super::{Env, World};
use crate::typed::{Each, Expr, ExprKind, Mapped, MappedValue, Path, Root, Rule};
use crate::value::{DuplicateKey, Value};

/// Visits everything that rules read, and looks for duplicate keys.
pub(super) struct DuplicateFinder<'w, 'e> {
    pub(super) world: &'w World<'e>,
    pub(super) elements: Vec<Value<'e>>,
}

impl<'e> DuplicateFinder<'_, 'e> {
    /// Runs `body` for every element. Without elements, it runs once with an unknown element, so
    /// that the parts that do not depend on it are still visited.
    pub(super) fn scoped(
        &mut self,
        each: Option<&Each>,
        mut body: impl FnMut(&mut Self) -> Result<(), DuplicateKey>,
    ) -> Result<(), DuplicateKey> {
        match each {
            None => body(self),
            Some(each) => self.bound(&each.list, &mut body),
        }
    }

    fn bound(
        &mut self,
        list: &Expr,
        body: &mut dyn FnMut(&mut Self) -> Result<(), DuplicateKey>,
    ) -> Result<(), DuplicateKey> {
        let elements = match &list.kind {
            // The elements of a path are visited through the paths of the body.
            ExprKind::Path(path) => match self.path(path)? {
                Some(Value::List(values)) => values.clone(),
                _ => Vec::new(),
            },
            _ => {
                self.expr(list)?;
                Vec::new()
            }
        };
        // A string cannot contain keys.
        for element in elements.into_iter().chain([Value::Null]) {
            self.elements.push(element);
            let read = body(self);
            self.elements.pop();
            read?;
        }
        Ok(())
    }

    fn path(&self, path: &Path) -> Result<Option<&Value<'e>>, DuplicateKey> {
        let env = Env { world: self.world, elements: Vec::new() };
        let mut at = match path.root {
            Root::Element(level) => self.elements.get(level as usize),
            Root::Body => Some(&self.world.body),
            other => {
                debug_assert!(env.root(other).is_some());
                return Ok(None);
            }
        };
        for segment in &path.segments {
            let Some(value) = at else { return Ok(None) };
            at = value.step(segment)?;
        }
        Ok(at)
    }

    pub(super) fn exprs(&mut self, exprs: &[Expr]) -> Result<(), DuplicateKey> {
        exprs.iter().try_for_each(|expr| self.expr(expr))
    }

    fn expr(&mut self, expr: &Expr) -> Result<(), DuplicateKey> {
        match &expr.kind {
            ExprKind::Path(path) => match self.path(path)?.and_then(Value::duplicate) {
                Some(key) => Err(DuplicateKey(key)),
                None => Ok(()),
            },
            ExprKind::Quantifier { kind, list, body, .. } => self.bound(list, &mut |reader| {
                reader.expr(body)?;
                let kept = reader.elements.last().filter(|_| kind.keeps_elements());
                match kept.and_then(Value::duplicate) {
                    Some(key) => Err(DuplicateKey(key)),
                    None => Ok(()),
                }
            }),
            _ => expr.children().into_iter().try_for_each(|child| self.expr(child)),
        }
    }

    pub(super) fn rule(&mut self, rule: &Rule) -> Result<(), DuplicateKey> {
        self.exprs(&rule.when)?;
        rule.flow.iter().try_for_each(|clause| self.exprs(&clause.keys))?;
        rule.triggers.iter().try_for_each(|trigger| self.mapped(&trigger.fields))
    }

    fn mapped(&mut self, fields: &[Mapped]) -> Result<(), DuplicateKey> {
        fields.iter().try_for_each(|field| match &field.value {
            MappedValue::Expr(expr, _) => self.expr(expr),
            MappedValue::Block(fields) => self.mapped(fields),
        })
    }
}
