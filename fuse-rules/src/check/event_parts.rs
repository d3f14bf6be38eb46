//! Events of a source: what arrives, which requests are the event, and the body that rules see.

use super::Checker;
use super::bodies::{divided, shape_type};
use super::scope::{PathParameter, Scope};
use super::sources::Fields;
use crate::diagnostic::{Code, Diagnostic};
use crate::schema::{BodyShape, FieldType, PathPattern, SourceSchema};
use crate::syntax::ast::{self, Block, FieldValue};
use crate::typed::{Address, Expr, Root, Segment};
use crate::types::{Known, Ty};

/// The field with the expression that makes the body that rules see.
pub(super) const DECODE: &str = "decode";

/// An event as the scopes of its sensors see it.
#[derive(Clone)]
pub(super) struct EventView {
    pub(super) body: Ty,
    /// The parameters of its path.
    pub(super) parameters: Vec<String>,
}

impl EventView {
    /// The scope of expressions that read any of these events. What only some of them have may be missing.
    pub(super) fn joined_scope(views: &[Self]) -> Scope {
        let body = views.iter().map(|view| view.body.clone()).reduce(Ty::or);
        let mut parameters: Vec<PathParameter> = Vec::new();
        for name in views.iter().flat_map(|view| &view.parameters) {
            if !parameters.iter().any(|own| own.name == *name) {
                let optional = !views.iter().all(|view| view.parameters.contains(name));
                parameters.push(PathParameter { name: name.clone(), optional });
            }
        }
        Scope::with_parameters(body.unwrap_or_else(Ty::any), parameters)
    }
}

/// An event while its source is checked: what is known before its expressions are.
pub(super) struct EventParts {
    /// Its own fields that determine its address and the shape of its body.
    pub(super) fields: Fields,
    /// Its `decode`, and the rest of its block.
    pub(super) decode: Option<Block>,
    pub(super) rest: Option<Block>,
    pub(super) shape: BodyShape,
    /// The type of the body that arrives.
    pub(super) arrives: Ty,
    /// The declared type of the body that rules see.
    pub(super) declared: Option<Ty>,
    pub(super) parameters: Vec<String>,
    pub(super) address: Option<Address>,
}

impl EventParts {
    /// The scope of expressions that read what arrives.
    pub(super) fn scope(&self) -> Scope {
        Scope::with_event(self.arrives.clone(), self.parameters.clone())
    }

    /// The scope of expressions that apply to all of these events.
    pub(super) fn common_scope(events: &[Self]) -> Scope {
        let body = events.iter().map(|event| event.arrives.clone()).reduce(Ty::or);
        let mut parameters =
            events.first().map(|event| event.parameters.clone()).unwrap_or_default();
        parameters.retain(|name| events.iter().all(|event| event.parameters.contains(name)));
        Scope::with_event(body.unwrap_or_else(Ty::any), parameters)
    }
}

impl Checker<'_> {
    /// The parts of an event. `own` are the fields of its source that come first.
    pub(super) fn event_parts(
        &mut self,
        event: &ast::EventDecl,
        schema: &SourceSchema,
        own: &Fields,
    ) -> EventParts {
        let (first, rest) =
            event.block.as_ref().map(|block| divided(block, &schema.first_fields())).unzip();
        let (decode, rest) = rest.map(|block| divided(&block, &[DECODE])).unzip();
        let mut nothing = Scope::with_body(Ty::any());
        let fields = first.map(|block| self.source_fields(&schema.event, &block, &mut nothing));
        let fields = fields.unwrap_or_default();
        let mut all = own.clone();
        all.replace(fields.clone());
        for field in schema.source.fields() {
            if let Some(default) = &field.default {
                all.fixed.entry(field.name.clone()).or_insert_with(|| default.clone());
            }
        }
        let is_path = |name: &&String| {
            let mut fields = schema.source.fields().iter();
            fields.any(|field| field.name == **name && field.ty == FieldType::UrlPath)
        };
        let path =
            schema.address.iter().find(is_path).and_then(|name| all.fixed.get(name)?.as_str());
        let pattern = path.and_then(|path| PathPattern::parse(path).ok());
        let declared = event.ty.as_ref().map(|written| (written, self.resolve(written)));
        let (shape, because) = schema.shape(&all.fixed);
        // A body that is decoded has no declared type when it arrives.
        let is_decoded = decode.iter().any(|block| !block.fields.is_empty()) || own.is_decoded;
        let arrives = match is_decoded {
            true => shape_type(shape),
            false => self.shaped(declared.clone(), shape, &because),
        };
        EventParts {
            decode: decode.filter(|block| !block.fields.is_empty()),
            rest,
            shape,
            arrives,
            declared: declared.map(|(_, ty)| ty),
            parameters: pattern
                .iter()
                .flat_map(PathPattern::parameters)
                .map(str::to_owned)
                .collect(),
            address: Address::from_fields(&schema.address, &all.fixed, pattern),
            fields,
        }
    }

    /// The expression of a block with only the field `decode`, and what is known about its value.
    pub(super) fn decode(&mut self, block: &Block, scope: &mut Scope) -> Option<(Expr, Known)> {
        self.repeated(block);
        let field = block.fields.first()?;
        match &field.value {
            FieldValue::Expr(expr) => Some(self.expr(expr, scope)),
            FieldValue::Block(_) => {
                self.report(
                    Diagnostic::error(Code::E0403, field.key.span, "`decode` takes an expression")
                        .label("this is a block")
                        .help("write it as in `decode = parse-json(body.payload)`"),
                );
                None
            }
        }
    }

    /// The type of the body that rules see.
    pub(super) fn decoded(&mut self, parts: &EventParts, decode: Option<&(Expr, Known)>) -> Ty {
        let Some((expr, known)) = decode else { return parts.arrives.clone() };
        self.check_known_before_acceptance(expr);
        match &parts.declared {
            Some(ty) if !ty.is_any() && !ty.meets(&known.ty) && !known.ty.is_nothing() => {
                let (is, declared) = (known.kinds(), ty.kinds());
                let message =
                    format!("the decoded body is {is}, but the declared type is {declared}");
                self.report(
                    Diagnostic::error(Code::E0411, expr.span, message)
                        .label("no event can have the declared type")
                        .help("decode the text, as in `parse-json(…)`, or change the type"),
                );
                ty.clone()
            }
            Some(ty) => ty.clone(),
            None => known.ty.clone(),
        }
    }

    /// The conditions of an event.
    pub(super) fn event_conditions(
        &mut self,
        event: &ast::EventDecl,
        parts: &EventParts,
    ) -> Vec<Expr> {
        let mut scope = parts.scope();
        let when: Vec<Expr> =
            event.when.iter().map(|when| self.assumed(when, &mut scope).0).collect();
        when.iter().for_each(|condition| self.check_known_before_acceptance(condition));
        when
    }

    /// Reports `event.id` and `event.name` in an expression that is evaluated before there are any.
    fn check_known_before_acceptance(&mut self, expr: &Expr) {
        let mut unknown = None;
        expr.references(&mut |path| {
            if let (Root::Event, [Segment::Key(field)]) = (path.root, path.segments.as_slice())
                && matches!(field.as_str(), "id" | "name")
            {
                unknown = Some(path.text.clone());
            }
        });
        if let Some(text) = unknown {
            let message = format!("`{text}` is not known yet when fuse evaluates this");
            self.report(
                Diagnostic::error(Code::E0213, expr.span, message)
                    .label("evaluated before the event has a name and an id")
                    .help("read the body, the headers or the query instead"),
            );
        }
    }
}
