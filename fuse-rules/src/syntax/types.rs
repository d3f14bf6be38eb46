//! pest's pairs to the tree: types and their declarations.

use pest::iterators::Pair;

use super::ast::{Type, TypeDecl, TypeField, TypeKind, TypeValue};
use super::blocks::Items;
use super::lower::Lower;
use super::{MAX_NESTING, Rule, nesting};
use crate::number::Number;

impl Lower<'_> {
    pub(super) fn type_decl(&mut self, pair: Pair<'_, Rule>) -> Option<TypeDecl> {
        let doc = self.doc(&pair);
        let mut name = None;
        let mut value = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::ident => name = Some(self.name(&part)),
                Rule::json_schema => value = self.string_in(part).map(TypeValue::JsonSchema),
                Rule::type_expr => value = Some(TypeValue::Type(self.type_expr(part, 0))),
                _ => {}
            }
        }
        Some(TypeDecl { doc, name: name?, value: value? })
    }

    /// A type at nesting depth `depth`.
    pub(super) fn type_expr(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Type {
        let span = self.span(&pair);
        if depth >= MAX_NESTING {
            self.report(nesting::problem(span));
            return Type { kind: TypeKind::Error, span };
        }
        let terms = pair.into_inner().filter(|p| p.as_rule() != Rule::bar);
        let mut terms: Vec<Type> = terms.map(|p| self.type_term(p, depth + 1)).collect();
        match terms.len() {
            1 => terms.pop().unwrap_or(Type { kind: TypeKind::Error, span }),
            _ => Type { kind: TypeKind::Union(terms), span },
        }
    }

    fn type_term(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Type {
        let span = self.span(&pair);
        let kind = match pair.as_rule() {
            Rule::type_generic => self.generic(pair, depth),
            Rule::type_record => self.type_record(pair, depth),
            Rule::type_paren => {
                let inner = pair.into_inner().find(|p| p.as_rule() == Rule::type_expr);
                return inner.map_or(Type { kind: TypeKind::Error, span }, |inner| {
                    self.type_expr(inner, depth)
                });
            }
            Rule::type_literal => self.type_literal(pair),
            Rule::type_name => {
                let mut names = pair.into_inner().filter(|p| p.as_rule() == Rule::ident);
                let first = names.next().map_or("", |p| p.as_str()).to_owned();
                match names.next() {
                    Some(name) => {
                        TypeKind::Name { module: Some(first), name: name.as_str().to_owned() }
                    }
                    None => TypeKind::Name { module: None, name: first },
                }
            }
            _ => TypeKind::Error,
        };
        Type { kind, span }
    }

    fn generic(&mut self, pair: Pair<'_, Rule>, depth: usize) -> TypeKind {
        let mut is_list = false;
        let mut inner = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::generic_word => is_list = part.as_str() == "list",
                Rule::generic_body => {
                    let ty = part.into_inner().find(|p| p.as_rule() == Rule::type_expr);
                    inner = ty.map(|ty| Box::new(self.type_expr(ty, depth)));
                }
                _ => {}
            }
        }
        match inner {
            Some(inner) if is_list => TypeKind::List(inner),
            Some(inner) => TypeKind::Map(inner),
            None => TypeKind::Error,
        }
    }

    fn type_record(&mut self, pair: Pair<'_, Rule>, depth: usize) -> TypeKind {
        let mut fields = Vec::new();
        let mut open = false;
        let mut items = Items::default();
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::brace_open => items.open = Some(self.span(&part)),
                Rule::close => self.close(&part, items.open, "this type"),
                Rule::comma => items.comma(self, &part),
                Rule::type_rest => {
                    items.separate(self, &part);
                    open = true;
                }
                Rule::type_field => {
                    items.separate(self, &part);
                    fields.extend(self.type_field(part, depth));
                }
                Rule::bad_field => {
                    // A field that did not parse could have been any field.
                    open = true;
                    items.bad(self, &part, Rule::probe_type_field);
                }
                _ => {}
            }
        }
        TypeKind::Record { fields, open }
    }

    fn type_field(&mut self, pair: Pair<'_, Rule>, depth: usize) -> Option<TypeField> {
        let mut key = None;
        let mut optional = false;
        let mut ty = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::key => key = self.key(part),
                Rule::optional => optional = true,
                Rule::type_expr => ty = Some(self.type_expr(part, depth)),
                _ => {}
            }
        }
        Some(TypeField { key: key?, optional, ty: ty? })
    }

    fn type_literal(&mut self, pair: Pair<'_, Rule>) -> TypeKind {
        let mut negative = false;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::minus => negative = true,
                Rule::plain_string => {
                    return self.plain_string(part).map_or(TypeKind::Error, TypeKind::String);
                }
                Rule::kw_true => return TypeKind::Bool(true),
                Rule::kw_false => return TypeKind::Bool(false),
                Rule::number => {
                    let span = self.span(&part);
                    return match Number::parse(part.as_str()) {
                        Ok(number) if negative => TypeKind::Number(number.neg()),
                        Ok(number) => TypeKind::Number(number),
                        Err(error) => {
                            self.bad_number(span, Some(error));
                            TypeKind::Error
                        }
                    };
                }
                _ => {}
            }
        }
        TypeKind::Error
    }
}
