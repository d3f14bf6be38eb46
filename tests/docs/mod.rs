//! The reference of the language: each of its examples is right, and each row of its tables is so.

mod page;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;

use fuse_rules::{Decision, Diagnostics, Event, Fuses, Registry, Ruleset};
use fuse_runtime::registry;
use fuse_runtime::sources::{Sources, Webhook};
use fuse_runtime::triggers::{Manifests, Triggers};
use page::{Example, examples, tables};
use serde_json::{Map, Value};

/// What examples that are a part of a rule stand in, where they name no file.
const PRELUDE: &str = "fuse remediation default on
source example webhook { port = 1, path = \"/\"
  event e }
";

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/language.md");
    std::fs::read_to_string(path).unwrap()
}

/// The product's own kinds.
fn kinds() -> Registry {
    let sources = Sources::new().with("webhook", Webhook::new(Ipv4Addr::LOCALHOST.into()));
    registry(&sources, &Triggers::local(Manifests::new("manifests")))
}

/// The files that the page shows, by name.
fn files(examples: &[Example]) -> BTreeMap<&str, &str> {
    let whole = examples.iter().filter(|example| example.is_whole());
    whole.filter_map(|example| Some((example.file()?, example.text.as_str()))).collect()
}

fn load(files: &BTreeMap<&str, &str>, text: &str) -> Result<Ruleset, Diagnostics> {
    let mut files = files.clone();
    files.insert("example.rules", text);
    Ruleset::load(&["example.rules"], &files, &kinds())
}

/// Clauses of a rule as a file: over the event of the file that they build on, or over one without a type.
fn with_rule(files: &BTreeMap<&str, &str>, on: Option<&str>, clauses: &str) -> String {
    let trigger = match clauses.contains("trigger ") {
        true => "",
        false => "trigger log { message = \"fired\" }",
    };
    let rule = |event: &str| format!("sensor s on {event} {{ rule r {{\n{clauses}{trigger} }} }}");
    let Some(file) = on else { return format!("{PRELUDE}{}", rule("example.e")) };
    let given = Ruleset::load(&[file], files, &kinds()).unwrap_or_else(|why| panic!("{why}"));
    match given.events().next() {
        Some(event) => {
            format!("use \"{file}\"\n{}", rule(&format!("{}.{}", event.source, event.name)))
        }
        None => format!("use \"{file}\"\n{PRELUDE}{}", rule("example.e")),
    }
}

/// The clauses as the one layout has them.
fn laid_out(clauses: &str) -> String {
    let text = format!("sensor s on a.b {{ rule r {{\n{clauses}}} }}");
    let text = fuse_rules::format("example.rules", &text).unwrap_or_else(|why| panic!("{why}"));
    let lines: Vec<&str> = text.lines().collect();
    let inside = lines[2..lines.len() - 2].iter();
    inside.map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line))).collect()
}

#[test]
fn every_example_is_right() {
    let page = page();
    let examples = examples(&page);
    let files = files(&examples);
    let mut event = "null";
    let mut checked = 0;
    let mut wrong = String::new();
    for example in &examples {
        let result = match example.words.first().map(String::as_str) {
            Some("rules") if example.is("expr") => expressions(&files, example, event),
            Some("rules") => rules(&files, example),
            Some("json") => {
                if example.is("event") {
                    event = &example.text;
                }
                serde_json::from_str::<Value>(&example.text)
                    .map(drop)
                    .map_err(|why| why.to_string())
            }
            Some("yaml" | "sh" | "text") => Ok(()),
            _ => Err("what is this an example of?".to_owned()),
        };
        if let Err(why) = result {
            wrong.push_str(&format!("docs/language.md:{}: {why}\n", example.line));
        }
        checked += usize::from(example.is("rules"));
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(checked > 50, "{checked} examples");
}

fn rules(files: &BTreeMap<&str, &str>, example: &Example) -> Result<(), String> {
    let text = match example.is("rule") {
        true => with_rule(files, example.file(), &example.text),
        false => example.text.clone(),
    };
    if example.is("fails") {
        let problems = load(files, &text).err().ok_or("this is right")?;
        let codes: Vec<_> = problems.iter().map(|problem| problem.code.as_str()).collect();
        return (codes == example.codes()).then_some(()).ok_or_else(|| problems.to_string());
    }
    let ruleset = load(files, &text).map_err(|problems| problems.to_string())?;
    if !ruleset.warnings().is_empty() {
        return Err(ruleset.warnings().to_string());
    }
    let laid_out = match example.is("rule") {
        true => laid_out(&example.text),
        false => fuse_rules::format("example.rules", &text).map_err(|why| why.to_string())?,
    };
    let same = example.text == laid_out;
    same.then_some(()).ok_or_else(|| format!("`fuse fmt` lays this out as\n{laid_out}"))
}

/// `EXPRESSION  # => RESULT`, line by line.
fn expressions(files: &BTreeMap<&str, &str>, example: &Example, event: &str) -> Result<(), String> {
    for line in example.text.lines() {
        let (text, expected) = line.split_once("# => ").ok_or("there is no result")?;
        let found = value(files, example.file(), text.trim(), event)?;
        if found != expected {
            return Err(format!("{line}\nis {found}"));
        }
    }
    Ok(())
}

/// What an expression comes to: a JSON text, `absent` or `unknown`.
fn value(
    files: &BTreeMap<&str, &str>,
    on: Option<&str>,
    text: &str,
    body: &str,
) -> Result<String, String> {
    // In a list, since a field takes no null.
    let trigger = format!("trigger log {{ message = \"\", fields {{ value? = [{text}] }} }}");
    let decision = decided(&with_rule(files, on, &trigger), files, body)?;
    Ok(match decision.action {
        Some(action) => match &action.fields["fields"]["value"] {
            Value::Null => "absent".to_owned(),
            list => list[0].to_string(),
        },
        None => "unknown".to_owned(),
    })
}

/// What the one rule of these rules decides.
fn decided(rules: &str, files: &BTreeMap<&str, &str>, body: &str) -> Result<Decision, String> {
    let ruleset = load(files, rules).map_err(|problems| problems.to_string())?;
    let rule = ruleset.rules().next().ok_or("there is no rule")?;
    let event = Event::new(rule.source, rule.event, body.as_bytes())
        .map_err(|invalid| invalid.to_string())?
        .id("42")
        .received("2026-08-01T10:10:00Z".parse().unwrap())
        .header("X-GitHub-Event", "push")
        .query("page", "2");
    Ok(ruleset.plan().evaluate(&event, &Fuses::default()).decisions.remove(0))
}

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

/// Every field that the schemas have stands in the table of its kind, and no other.
#[test]
fn the_kinds_are_documented_field_by_field() {
    let page = page();
    let kinds = kinds();
    let triggers = kinds.triggers().map(|schema| ("Trigger", schema));
    let sources = kinds.sources().map(|schema| ("Source", schema.source()));
    for (what, schema) in sources.chain(triggers) {
        let heading = format!("\n### {what} `{}`\n", schema.kind());
        let (_, rest) = page.split_once(&heading).unwrap_or_else(|| panic!("no {heading}"));
        let section = rest.split("\n#").next().unwrap();
        let rows = section.lines().filter(|line| line.starts_with("| `"));
        let first = rows.filter_map(|row| row.split('|').nth(1));
        let mut found: Vec<&str> =
            first.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
        let mut fields: Vec<_> = schema.fields().iter().map(|field| field.name()).collect();
        found.sort_unstable();
        fields.sort_unstable();
        assert_eq!(found, fields, "the fields of {what} `{}`", schema.kind());
    }
}

/// What the page shows of the command is what the command says.
#[test]
fn the_tour_ends_as_it_is_shown() {
    let page = page();
    let examples = examples(&page);
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files(&examples) {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let commands = examples.iter().zip(&examples[1..]);
    let shown: Vec<_> = commands.filter(|(sh, text)| sh.is("sh") && text.is("text")).collect();
    assert!(!shown.is_empty());
    for (sh, text) in shown {
        let last = sh.text.trim().lines().last().unwrap();
        let arguments = last.strip_prefix("fuse ").unwrap().split_whitespace();
        let output = Command::new(env!("CARGO_BIN_EXE_fuse"))
            .args(arguments)
            .current_dir(folder.path())
            .env_clear()
            .output()
            .unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        for part in text.text.split("…\n") {
            assert!(output.contains(part), "docs/language.md:{}: {output}", text.line);
        }
    }
}

#[test]
fn links_to_places_of_the_page_lead_somewhere() {
    let page = page();
    let anchor = |heading: &str| {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.collect::<String>().trim().to_lowercase().replace(' ', "-")
    };
    let headings: Vec<String> =
        page.lines().filter(|line| line.starts_with('#')).map(anchor).collect();
    for link in page.split("](#").skip(1) {
        let link = link.split(')').next().unwrap();
        assert!(headings.iter().any(|heading| heading == link), "there is no `#{link}`");
    }
}
