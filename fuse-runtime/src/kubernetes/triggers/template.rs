//! Template files of objects: YAML with `${name}` in its strings. Names are filled in after parsing, so that no
//! value can change the structure of the document.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Reads a template: one YAML (or JSON) document.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    // Modes of files are written as in `0644`, which is octal to everything that reads manifests.
    let options = serde_saphyr::options! { legacy_octal_numbers: true };
    let parsed: Value = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        if let Ok(several) = serde_saphyr::from_multiple::<Value>(text)
            && several.len() > 1
        {
            let count = several.len();
            return format!(
                "has a `template-file` with {count} YAML documents; it takes one object"
            );
        }
        // The lines after the first one show the source text.
        let error = error.to_string();
        let error = error.lines().next().unwrap_or_default().trim_start_matches("error: ");
        format!("has a `template-file` that is not YAML: {error}")
    })?;
    if parsed.is_object() {
        Ok(parsed)
    } else {
        Err("has a `template-file` that holds no object".into())
    }
}

/// The names that a template's strings refer to.
///
/// # Errors
/// A `${` that is not closed, or does not contain a name.
pub(super) fn placeholders(template: &Value) -> Result<BTreeSet<String>, String> {
    let mut names = BTreeSet::new();
    visit(template, &mut |text| {
        for piece in pieces(text)? {
            if let Piece::Name(name) = piece {
                names.insert(name.to_owned());
            }
        }
        Ok(())
    })?;
    Ok(names)
}

/// The template with values in place of names. A string that consists of one name becomes the value itself,
/// whatever its type; inside a longer string, only scalars are allowed.
pub(super) fn fill(template: &Value, values: &Map<String, Value>) -> Result<Value, String> {
    Ok(match template {
        Value::String(text) => fill_text(text, values)?,
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| fill(item, values)).collect::<Result<_, _>>()?)
        }
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(key, value)| Ok((key.clone(), fill(value, values)?)))
                .collect::<Result<_, String>>()?,
        ),
        other => other.clone(),
    })
}

fn fill_text(text: &str, values: &Map<String, Value>) -> Result<Value, String> {
    let pieces = pieces(text)?;
    let value = |name: &str| {
        values
            .get(name)
            .ok_or_else(|| format!("`values` has no `{name}`, which the template needs"))
    };
    if let [Piece::Name(name)] = pieces.as_slice() {
        return value(name).cloned();
    }
    let (mut filled, mut whole) = (String::new(), [0; 2]);
    for piece in pieces {
        let before = filled.len();
        match piece {
            Piece::Text(text) => filled.push_str(text),
            Piece::Name(name) => match value(name)? {
                Value::String(text) => filled.push_str(text),
                scalar @ (Value::Number(_) | Value::Bool(_)) => {
                    filled.push_str(&scalar.to_string())
                }
                _ => {
                    return Err(format!(
                        "`values.{name}` is not text, but is used inside a string"
                    ));
                }
            },
        }
        let added = filled.get(before..).unwrap_or_default();
        for (count, marker) in whole.iter_mut().zip(EXPANDED) {
            *count += added.matches(marker).count();
        }
    }
    // The checker decides whether a part may contain one; two parts must not form one together.
    for (count, marker) in whole.into_iter().zip(EXPANDED) {
        if filled.matches(marker).count() != count {
            return Err(format!("a value of `values` would make `{marker}` of the text around it"));
        }
    }
    Ok(Value::String(filled))
}

/// The markers that Argo and Kubernetes expand.
const EXPANDED: [&str; 2] = ["{{", "$("];

enum Piece<'t> {
    Text(&'t str),
    Name(&'t str),
}

/// The parts of a string. `$${` is a literal `${`.
fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(escaped) = before.strip_suffix('$') {
            pieces.extend([Piece::Text(escaped), Piece::Text("${")]);
            rest = after;
            continue;
        }
        let is_name = |name: &str| {
            !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        let Some((name, after)) = after.split_once('}').filter(|(name, _)| is_name(name)) else {
            return Err(format!(
                "the template has `${{` in `{text}`, but no name and `}}` after it; write `$${{` for a literal `${{`"
            ));
        };
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        pieces.push(Piece::Name(name));
        rest = after;
    }
    if !rest.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

fn visit(value: &Value, text: &mut impl FnMut(&str) -> Result<(), String>) -> Result<(), String> {
    match value {
        Value::String(string) => text(string),
        Value::Array(items) => items.iter().try_for_each(|item| visit(item, text)),
        Value::Object(map) => map.values().try_for_each(|value| visit(value, text)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values() -> Map<String, Value> {
        let values = json!({ "name": "pay", "n": 2, "evil": "x\nkind: Secret", "map": { "a": 1 }, "brace": "{x}}" });
        values.as_object().unwrap().clone()
    }

    #[test]
    fn values_keep_their_types_and_cannot_change_the_shape() {
        let template = parse(
            "replicas: ${n}\nname: ns-${name}-${n}\nnote: ${evil}\nspec: ${map}\nraw: $${name}\n",
        )
        .unwrap();
        assert_eq!(
            fill(&template, &values()).unwrap(),
            json!({ "replicas": 2, "name": "ns-pay-2", "note": "x\nkind: Secret",
                    "spec": { "a": 1 }, "raw": "${name}" })
        );
        let names = placeholders(&template).unwrap();
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["evil", "map", "n", "name"]);
    }

    #[test]
    fn numbers_are_what_kubectl_takes_them_for() {
        let parsed = parse("mode: 0644\nport: 8080\nname: \"0644\"\n").unwrap();
        assert_eq!(parsed, json!({ "mode": 420, "port": 8080, "name": "0644" }));
    }

    #[test]
    fn what_cannot_be_filled_in_is_an_error() {
        for (text, why) in [
            ("a: ${gone}", "`values` has no `gone`, which the template needs"),
            ("a: \"{${brace}\"", "a value of `values` would make `{{` of the text around it"),
            ("a: x${map}", "`values.map` is not text, but is used inside a string"),
        ] {
            assert_eq!(fill(&parse(text).unwrap(), &values()).unwrap_err(), why);
        }
        assert!(placeholders(&parse("a: ${b c}").unwrap()).unwrap_err().contains("no name"));
        assert!(parse("a: [").is_err());
        assert_eq!(parse("text").unwrap_err(), "has a `template-file` that holds no object");
        assert!(parse("a: 1\n---\nb: 2\n").is_err());
    }
}
