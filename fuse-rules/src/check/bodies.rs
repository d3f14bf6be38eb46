//! The types of bodies: declared, and implied by the format that a source reads.

use super::Checker;
use crate::diagnostic::{Code, Diagnostic};
use crate::schema::BodyShape;
use crate::syntax::ast::{self, Block};
use crate::types::Ty;

/// A block in two: the fields with these names, and the others.
pub(super) fn divided(block: &Block, names: &[&str]) -> (Block, Block) {
    let (mut first, mut rest) = (block.clone(), block.clone());
    first.fields.retain(|field| names.contains(&field.key.text.as_str()));
    rest.fields.retain(|field| !names.contains(&field.key.text.as_str()));
    (first, rest)
}

/// The type of all bodies of this shape.
pub(super) fn shape_type(shape: BodyShape) -> Ty {
    match shape {
        BodyShape::Any => Ty::any(),
        BodyShape::Text => Ty::string(),
        BodyShape::Strings => Ty::map(Ty::string()),
        BodyShape::StringLists => Ty::map(Ty::list(Ty::string())),
    }
}

impl Checker<'_> {
    /// The values of a declared type that a body of this shape may have. `because` is the field that determines the
    /// shape. A type without such values is reported.
    pub(super) fn shaped(
        &mut self,
        declared: Option<(&ast::Type, Ty)>,
        shape: BodyShape,
        because: &str,
    ) -> Ty {
        let Some((written, ty)) = declared else { return shape_type(shape) };
        let text = match shape {
            BodyShape::Any => return ty,
            BodyShape::Strings => match ty.maps_only(Ty::strings_only) {
                Ok(ty) => return ty,
                Err(Some((field, found))) => {
                    let message = format!(
                        "field `{field}` is {}, but with `{because}` all values are strings",
                        found
                    );
                    let help = format!(
                        "declare it as `string`, and convert it where you use it, as in `int(body.{field})`"
                    );
                    return self.misshapen(written, message, help, shape);
                }
                Err(None) => "a map of strings",
            },
            BodyShape::StringLists => match ty.maps_only(Ty::string_lists_only) {
                Ok(ty) => return ty,
                Err(Some((field, found))) => {
                    let message = format!(
                        "field `{field}` is {found}, but with `{because}` all values are lists of strings"
                    );
                    let help = format!("declare it as `[string]`, and use `body.{field}[0]`");
                    return self.misshapen(written, message, help, shape);
                }
                Err(None) => "a map of lists",
            },
            BodyShape::Text => match ty.strings_only() {
                strings if !strings.is_nothing() => return strings,
                _ => "a string",
            },
        };
        let message =
            format!("with `{because}` the body is {text}, but its type is {}", ty.kinds());
        let help = "remove the type, or change the format".to_owned();
        self.misshapen(written, message, help, shape)
    }

    fn misshapen(
        &mut self,
        written: &ast::Type,
        message: String,
        help: String,
        shape: BodyShape,
    ) -> Ty {
        self.report(
            Diagnostic::error(Code::E0411, written.span, message)
                .label("no event can have this type")
                .help(help),
        );
        shape_type(shape)
    }
}
