//! A type accepts every value that its schema allows: random schemas and values, compared with a
//! validator.

use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};

use super::{import, span};
use crate::accepts::Typed;

const KEYS: [&str; 4] = ["a", "b", "c", "x y"];

fn scalar() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        (-2..3_i32).prop_map(Json::from),
        prop::sample::select(vec![0.5, 1.0, -1.5]).prop_map(Json::from),
        prop::sample::select(vec!["", "a", "b", "AAE=", "2026-08-01T10:00:00Z"])
            .prop_map(Json::from),
    ]
}

fn value() -> impl Strategy<Value = Json> {
    scalar().prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            entries(inner).prop_map(Json::from),
        ]
    })
}

fn entries(inner: impl Strategy<Value = Json>) -> impl Strategy<Value = Map<String, Json>> {
    let key = prop::sample::select(KEYS.to_vec()).prop_map(str::to_owned);
    prop::collection::vec((key, inner), 0..4).prop_map(|all| all.into_iter().collect())
}

fn types() -> impl Strategy<Value = Json> {
    let names = ["null", "boolean", "integer", "number", "string", "array", "object"];
    let name = prop::sample::select(names.to_vec());
    prop_oneof![
        name.clone().prop_map(Json::from),
        prop::collection::hash_set(name, 1..4)
            .prop_map(|names| names.into_iter().collect::<Vec<_>>().into()),
    ]
}

/// A keyword with its value; several together form a schema.
fn keyword(schema: BoxedStrategy<Json>) -> impl Strategy<Value = (&'static str, Json)> {
    let list = prop::collection::vec(schema.clone(), 1..4).prop_map(Json::from).boxed();
    let names = prop::collection::hash_set(prop::sample::select(KEYS.to_vec()), 0..3);
    let one = |key, strategy: BoxedStrategy<Json>| strategy.prop_map(move |value| (key, value));
    prop_oneof![
        4 => one("type", types().boxed()),
        3 => one("properties", entries(schema.clone()).prop_map(Json::from).boxed()),
        1 => one("required", names.prop_map(|n| n.into_iter().collect::<Vec<_>>().into()).boxed()),
        1 => one("additionalProperties", prop_oneof![any::<bool>().prop_map(Json::from), schema.clone()].boxed()),
        2 => one("items", schema),
        1 => one("enum", prop::collection::vec(value(), 1..4).prop_map(Json::from).boxed()),
        1 => one("const", value().boxed()),
        1 => one("allOf", list.clone()),
        1 => one("anyOf", list.clone()),
        1 => one("oneOf", list),
        1 => one("format", prop::sample::select(vec!["date-time", "email"]).prop_map(Json::from).boxed()),
        1 => one("minLength", (0..2_i32).prop_map(Json::from).boxed()),
        1 => one("$ref", prop::sample::select(vec!["#/$defs/p", "#/$defs/q"]).prop_map(Json::from).boxed()),
    ]
}

fn schema() -> impl Strategy<Value = Json> {
    let leaf =
        prop_oneof![Just(json!(true)), Just(json!({})), types().prop_map(|t| json!({ "type": t }))];
    leaf.prop_recursive(4, 40, 4, |inner| {
        prop::collection::vec(keyword(inner.boxed()), 1..4).prop_map(|keywords| {
            keywords
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect::<Map<_, _>>()
                .into()
        })
    })
}

/// A complete file. Its definitions have no references, to avoid cycles.
fn file() -> impl Strategy<Value = Json> {
    let definition = keyword(Just(json!({ "type": "string" })).boxed())
        .prop_filter("a reference", |(key, _)| *key != "$ref")
        .prop_map(|(key, value)| json!({ key: value }))
        .boxed();
    (schema(), definition.clone(), definition, any::<bool>()).prop_map(|(root, p, q, seven)| {
        let mut root = if root.is_object() { root } else { json!({ "allOf": [root] }) };
        root["$defs"] = json!({ "p": p, "q": q });
        if seven {
            root["$schema"] = json!("http://json-schema.org/draft-07/schema#");
        }
        root
    })
}

proptest! {
    #[test]
    fn a_type_accepts_whatever_its_schema_does(schema in file(), values in prop::collection::vec(value(), 8)) {
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
        let text = schema.to_string();
        let typed = match import("s.json", &text, span()) {
            Ok(_) => Typed::with_file("type t = json-schema \"s.json\"", "t", ("s.json", &text)),
            Err(problems) => {
                for problem in problems {
                    // A part is empty, although the whole may not be.
                    let message = &problem.message;
                    let empty = message.contains("no value fits") || message.contains("forbids it");
                    prop_assert!(empty, "{}", message);
                }
                return Ok(());
            }
        };
        for value in values.iter().filter(|value| validator.is_valid(value)) {
            prop_assert_eq!(typed.mismatch(&value.to_string()), None, "{} for {}", schema, value);
        }
    }
}
