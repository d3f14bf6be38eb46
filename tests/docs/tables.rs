//! Every row of the tables is evaluated.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::page::tables;
use super::{decided, page, value, with_rule};

/// Columns that are a name say what it stands for; the others what comes of it.
#[test]
fn every_row_of_the_tables_is_so() {
    let page = page();
    let mut wrong = String::new();
    let mut cells = 0;
    for table in tables(&page) {
        for row in &table.rows {
            let (mut body, mut unknown) = (Map::new(), Vec::new());
            for (name, cell) in table.header.iter().zip(row) {
                match cell.as_str() {
                    _ if !is_name(name) => {}
                    "absent" => {}
                    "unknown" => unknown.push(name),
                    json => {
                        let value =
                            serde_json::from_str(json).unwrap_or_else(|e| panic!("{json}: {e}"));
                        body.insert(name.clone(), value);
                    }
                }
            }
            let filled_in = |word: &str| match word {
                word if unknown.iter().any(|name| *name == word) => "(body.none == 1)".to_owned(),
                word if is_name(word) && table.header.iter().any(|name| name == word) => {
                    format!("body.{word}")
                }
                word => word.to_owned(),
            };
            let body = Value::Object(body).to_string();
            for (text, expected) in table.header.iter().zip(row).filter(|(text, _)| !is_name(text))
            {
                let text = words(text, filled_in);
                let found = match table.name.as_str() {
                    "mapping" => mapped(&text, &body),
                    _ => value(&BTreeMap::new(), None, &text, &body),
                };
                let found = found.unwrap_or_else(|why| why);
                if &found != expected {
                    let line = table.line;
                    wrong.push_str(&format!(
                        "docs/language.md:{line}: {text} on {body} is {found}\n"
                    ));
                }
                cells += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(cells > 100, "{cells} cells");
}

/// What becomes of a parameter.
fn mapped(field: &str, body: &str) -> Result<String, String> {
    let trigger = "trigger workflow { template = \"t\", namespace = \"n\", parameters {";
    let rules = with_rule(&BTreeMap::new(), None, &format!("{trigger}\n{field}\n}} }}"));
    let decision = decided(&rules, &BTreeMap::new(), body)?;
    Ok(match decision.action {
        Some(action) => match action.fields["parameters"].get("p") {
            Some(value) => value.to_string(),
            None => "left out".to_owned(),
        },
        None => decision.outcome.to_string(),
    })
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase())
}

/// A text with its words replaced.
fn words(text: &str, replaced: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    let mut word = String::new();
    for c in text.chars().chain(['\n']) {
        if c.is_ascii_alphanumeric() {
            word.push(c);
        } else {
            out.push_str(&replaced(&std::mem::take(&mut word)));
            out.push(c);
        }
    }
    out.trim_end().to_owned()
}
