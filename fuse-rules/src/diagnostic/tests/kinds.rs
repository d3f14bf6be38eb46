//! Kinds of sources and triggers like those of the runtime, as far as the pages use them.

use crate::schema::TriggerInfo;
use crate::schema::{BodyShape, Field, FieldType, Registry, Schema, SourceSchema, Templates};

pub(crate) fn registry() -> Registry {
    let path = || Field::optional("path", FieldType::UrlPath, "");
    let method = || Field::optional("method", one_of(&["GET", "POST"]), "");
    let format = || Field::optional("format", one_of(&["json", "text", "form", "form-lists"]), "");
    let id = || Field::optional("id", FieldType::Expression, "");
    let bearer = Schema::new("bearer", "").field(Field::required("token", FieldType::Secrets, ""));
    let networks = FieldType::List(Box::new(FieldType::Network));
    let auth = Schema::new("auth", "")
        .field(Field::optional("bearer", FieldType::Block(Box::new(bearer)), ""))
        .field(Field::optional("allow-from", networks, ""));
    let source = Schema::new("webhook", "")
        .field(Field::required("port", FieldType::Int(1, 65_535), ""))
        .field(path())
        .field(method().default("POST"))
        .field(format().default("json"))
        .field(id())
        .field(Field::optional("auth", FieldType::Block(Box::new(auth)), ""));
    let event = Schema::new("event", "")
        .field(Field::required("path", FieldType::UrlPath, ""))
        .field(method())
        .field(format())
        .field(id());
    let webhook = SourceSchema::new(source, event)
        .address(&["port", "path", "method"])
        .same_at_address(&["format"])
        .body("method", "GET", BodyShape::Strings)
        .body("format", "form", BodyShape::Strings)
        .body("format", "form-lists", BodyShape::StringLists)
        .body("format", "text", BodyShape::Text);
    let texts = || FieldType::Map(Box::new(FieldType::Text(Templates::Refused)));
    let texts_list = || FieldType::List(Box::new(FieldType::Text(Templates::Refused)));
    let prefix = |from: &[&str]| {
        Field::optional("name-prefix", FieldType::NamePrefix(47), "").otherwise(from)
    };
    let any = || FieldType::Any(Templates::Allowed);
    let namespace = || Field::required("namespace", FieldType::DnsLabel, "");
    let string = |name| Field::optional(name, FieldType::String, "");
    Registry::new()
        .reserve_fuse("log", "`FUSE_LOG` sets the level of the log")
        .source(webhook)
        .trigger(
            Schema::new("workflow", "")
                .field(Field::optional("template", FieldType::DnsSubdomain, ""))
                .field(prefix(&["template"]))
                .field(Field::optional("spec", any(), ""))
                .field(namespace())
                .field(Field::optional("parameters", texts(), ""))
                .one_of(&["template", "spec"])
                .template("template", "WorkflowTemplate", "parameters"),
        )
        .trigger(
            Schema::new("job", "")
                .field(Field::required("image", FieldType::String, ""))
                .field(namespace())
                .field(prefix(&[]))
                .field(Field::optional("command", texts_list(), ""))
                .field(Field::optional("env", texts(), ""))
                .field(Field::optional("ttl", FieldType::Duration, "")),
        )
        .trigger(
            Schema::new("object", "")
                .field(Field::optional("operation", one_of(&["create", "delete"]), "").fixed())
                .field(string("api-version").fixed())
                .field(string("kind").fixed())
                .field(string("namespace"))
                .field(string("name"))
                .field(Field::optional("manifest", FieldType::Map(Box::new(any())), ""))
                .verify(verify),
        )
        .trigger(
            Schema::new("log", "")
                .only_notifies()
                .field(Field::required("message", FieldType::Text(Templates::Allowed), ""))
                .field(Field::optional("level", one_of(&["info", "warn", "error"]), "").fixed()),
        )
}

fn one_of(words: &[&str]) -> FieldType {
    FieldType::OneOf(words.iter().map(|word| (*word).to_owned()).collect())
}

fn verify(block: &TriggerInfo) -> Result<(), String> {
    match (block.text("operation"), block.get("manifest")) {
        (Some("delete"), Some(_)) => {
            Err("has `manifest`, which does not go with the operation `delete`".into())
        }
        _ => Ok(()),
    }
}

/// The declarations before the examples of the pages.
const PRELUDE: &str = "\
source gh webhook {
  port = 12080
  path = \"/gh\"
  event push
}
fuse cicd default off
";

/// Completes an example of a page to a whole file: puts a clause into a rule, and adds the trigger
/// and whatever else the example needs.
pub(crate) fn whole(example: &str) -> String {
    let word = example.split([' ', ':']).next().unwrap();
    let clauses = match word {
        "requires" | "each" | "when" | "during" | "after" | "once" | "quiet" | "still"
        | "limit" | "approval" => {
            format!("{example}\ntrigger log {{ message = \"x\" }}")
        }
        "trigger" => example.to_owned(),
        _ => return format!("{PRELUDE}{example}\n"),
    };
    format!("{PRELUDE}sensor example on gh.push {{\nrule one {{\n{clauses}\n}}\n}}\n")
}
