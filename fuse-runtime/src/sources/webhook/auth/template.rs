//! What a signature signs: literal text, and parts of the request.

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TemplatePart {
    Literal(String),
    /// The bytes of the body.
    Body,
    /// The timestamp, as the sender wrote it.
    Timestamp,
    /// The id of the message.
    Id,
}

/// A parsed template, such as `{timestamp}.{body}`. Different values of its placeholders never make the same text:
/// if they could, a valid signature would also hold for another body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SignedTemplate {
    parts: Vec<TemplatePart>,
}

/// Why a template cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TemplateError {
    #[error("has an unmatched `{{` or `}}`; write a literal brace as `{{{{` or `}}}}`")]
    Brace,
    #[error("has `{{{0}}}`, but the placeholders are `{{body}}`, `{{timestamp}}` and `{{id}}`")]
    Unknown(String),
    #[error("has `{{{0}}}` twice")]
    Repeated(&'static str),
    #[error("does not contain `{{body}}`, so it would not protect the body")]
    NoBody,
    #[error(
        "has two placeholders without text between them, so a valid signature could match another body"
    )]
    Adjacent,
    #[error(
        "has a digit next to `{{timestamp}}`, so a valid signature could match another timestamp"
    )]
    Digit,
}

impl SignedTemplate {
    pub(super) fn parse(text: &str) -> Result<Self, TemplateError> {
        let parts = parts(text)?;
        let count = |part: &TemplatePart| parts.iter().filter(|other| *other == part).count();
        for (part, name) in [
            (TemplatePart::Body, "body"),
            (TemplatePart::Timestamp, "timestamp"),
            (TemplatePart::Id, "id"),
        ] {
            if count(&part) > 1 {
                return Err(TemplateError::Repeated(name));
            }
        }
        if count(&TemplatePart::Body) == 0 {
            return Err(TemplateError::NoBody);
        }
        let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        for (one, next) in parts.iter().zip(parts.iter().skip(1)) {
            match (one, next) {
                (TemplatePart::Timestamp, TemplatePart::Literal(text))
                    if is_digit(text.chars().next()) =>
                {
                    return Err(TemplateError::Digit);
                }
                (TemplatePart::Literal(text), TemplatePart::Timestamp)
                    if is_digit(text.chars().next_back()) =>
                {
                    return Err(TemplateError::Digit);
                }
                (TemplatePart::Literal(_), _) | (_, TemplatePart::Literal(_)) => {}
                _ => return Err(TemplateError::Adjacent),
            }
        }
        Ok(Self { parts })
    }

    pub(super) fn parts(&self) -> &[TemplatePart] {
        &self.parts
    }

    pub(super) fn has(&self, part: &TemplatePart) -> bool {
        self.parts.contains(part)
    }

    /// Whether this id cannot be mistaken for a longer or shorter one: the text beside it first occurs where the id
    /// ends, and last where the id starts.
    pub(super) fn separates(&self, id: &str) -> bool {
        let beside = |one: &TemplatePart, next: &TemplatePart| match (one, next) {
            (TemplatePart::Id, TemplatePart::Literal(text)) => {
                format!("{id}{text}").find(text) == Some(id.len())
            }
            (TemplatePart::Literal(text), TemplatePart::Id) => {
                format!("{text}{id}").rfind(text) == Some(0)
            }
            _ => true,
        };
        self.parts.iter().zip(self.parts.iter().skip(1)).all(|(one, next)| beside(one, next))
    }
}

fn parts(text: &str) -> Result<Vec<TemplatePart>, TemplateError> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        literal.push_str(before);
        if let Some(after) = from.strip_prefix("{{") {
            literal.push('{');
            rest = after;
        } else if let Some(after) = from.strip_prefix("}}") {
            literal.push('}');
            rest = after;
        } else {
            let inside = from.strip_prefix('{').ok_or(TemplateError::Brace)?;
            let (name, after) = inside.split_once('}').ok_or(TemplateError::Brace)?;
            let part = match name {
                "body" => TemplatePart::Body,
                "timestamp" => TemplatePart::Timestamp,
                "id" => TemplatePart::Id,
                other => return Err(TemplateError::Unknown(other.to_owned())),
            };
            if !literal.is_empty() {
                parts.push(TemplatePart::Literal(std::mem::take(&mut literal)));
            }
            parts.push(part);
            rest = after;
        }
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(TemplatePart::Literal(literal));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_literals_and_placeholders() {
        let parts = |text: &str| SignedTemplate::parse(text).unwrap().parts;
        let literal = |text: &str| TemplatePart::Literal(text.to_owned());
        assert_eq!(parts("{body}"), [TemplatePart::Body]);
        let slack = [literal("v0:"), TemplatePart::Timestamp, literal(":"), TemplatePart::Body];
        assert_eq!(parts("v0:{timestamp}:{body}"), slack);
        assert_eq!(parts("{{{body}}}"), [literal("{"), TemplatePart::Body, literal("}")]);
    }

    #[test]
    fn templates_whose_borders_can_move_are_refused() {
        let refused = |text: &str| SignedTemplate::parse(text).unwrap_err();
        assert_eq!(refused("{body"), TemplateError::Brace);
        assert_eq!(refused("a}{body}"), TemplateError::Brace);
        assert_eq!(refused("{boddy}"), TemplateError::Unknown("boddy".into()));
        assert_eq!(refused("{timestamp}"), TemplateError::NoBody);
        assert_eq!(refused("{body}.{body}"), TemplateError::Repeated("body"));
        assert_eq!(refused("{timestamp}{body}"), TemplateError::Adjacent);
        assert_eq!(refused("{timestamp}0{body}"), TemplateError::Digit);
        let id = SignedTemplate::parse("{id}.{timestamp}.{body}").unwrap();
        assert!(id.separates("msg_1") && !id.separates("msg.1"));
        // `a-` before `--x` is `a` before `---x`.
        let dashes = SignedTemplate::parse("{id}--{body}").unwrap();
        assert!(dashes.separates("a-b") && dashes.separates("-a") && !dashes.separates("a-"));
        let dashes = SignedTemplate::parse("{body}--{id}").unwrap();
        assert!(dashes.separates("a-b") && dashes.separates("a-") && !dashes.separates("-a"));
    }
}
